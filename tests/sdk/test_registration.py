"""Registering, as the documents print it, and what a refusal looks like."""

from __future__ import annotations

import socket
import uuid

import pytest

from tekton.client import (
    AlreadyExistsError,
    ComponentNotFoundError,
    InvalidTransitionError,
    RegistrationError,
    StaleSessionError,
    TektonClient,
    TektonTimeoutError,
    UnavailableError,
    ValidationError,
)
from tests.sdk.fleet import component
from tests.sdk.server import INTERVAL, TIMEOUT, ServerProcess
from tests.support.ports import free_port


async def test_a_registration_unpacks_to_success_and_uuid(client: TektonClient) -> None:
    """The result is a tuple of two, and has the message, the grant and the terms of the lease as well."""
    registration = component()
    result = await client.register_component(registration)
    success, instance_uuid = result
    assert success is True
    assert instance_uuid == registration.instance_uuid == result.instance_uuid
    assert len(result) == 2
    assert result.message == "Component registered successfully"
    assert result.fencing_token
    assert result.lease == (INTERVAL, TIMEOUT)
    assert result.error is None


async def test_registering_again_with_the_same_uuid_gives_the_same_instance(client: TektonClient) -> None:
    """So a call whose answer was lost can be repeated."""
    registration = component()
    first = await client.register_component(registration)
    again = await client.register_component(registration)
    assert again == first
    assert again.fencing_token == first.fencing_token


async def test_an_ended_uuid_becomes_a_new_instance(client: TektonClient) -> None:
    """A registration kept over a stop can be used once more; the uuid in it changes."""
    registration = component()
    _, ended = await client.register_component(registration)
    assert ended is not None
    await client.deregister_component(registration.component_id, ended)
    success, instance_uuid = await client.register_component(registration)
    assert success
    assert instance_uuid not in (None, ended)
    assert registration.instance_uuid == instance_uuid


async def test_a_broken_rule_is_a_refusal_and_no_exception(client: TektonClient) -> None:
    """(False, None), with the sentence and the error that names every field."""
    result = await client.register_component(component(version="one", component_id="Not An Id"))
    assert result == (False, None)
    assert not result.success
    assert isinstance(result.error, RegistrationError)
    assert result.error.code == 1002
    assert {v["field"] for v in result.error.details["violations"]} == {"component_id", "version"}
    assert result.message == result.error.message


async def test_an_id_held_with_another_type_is_refused(client: TektonClient) -> None:
    """1011, as long as an instance of the first type lives."""
    registration = component()
    await client.register_component(registration)
    result = await client.register_component(component(component_id=registration.component_id, component_type="llm"))
    assert result == (False, None)
    assert isinstance(result.error, AlreadyExistsError)
    assert result.error.code == 1011


@pytest.mark.parametrize(
    "fields",
    [
        {"port": "8000"},
        {"port": 10**12},
        {"capabilities": "vector_search"},
        {"metadata": {"when": object()}},
        {"component_name": 7},
    ],
)
async def test_what_cannot_be_sent_is_refused_like_the_server_would(
    client: TektonClient, fields: dict[str, object]
) -> None:
    """A wrong type never comes out as an exception of protobuf."""
    result = await client.register_component(component(**fields))
    assert result == (False, None)
    assert isinstance(result.error, ValidationError)


async def test_where_nobody_answers_registering_raises_and_names_the_remedy() -> None:
    """Nobody refused, so this is no refusal."""
    port = free_port()
    async with TektonClient("localhost", port, timeout=0.5) as client:
        with pytest.raises(UnavailableError, match=f"localhost:{port}.*tekton up") as caught:
            await client.register_component(component())
    assert caught.value.details["target"] == f"localhost:{port}"


async def test_a_server_that_never_answers_is_a_timeout() -> None:
    """Every call has a deadline."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with TektonClient("127.0.0.1", mute.getsockname()[1], timeout=0.5) as client:
            with pytest.raises(TektonTimeoutError):
                await client.get_component("anything")


async def test_states_walk_and_the_answer_tells(client: TektonClient) -> None:
    """A state further ahead is reached by passing through those before it."""
    registration = component()
    await client.register_component(registration)
    answer = await client.update_component_state(
        registration.component_id, registration.instance_uuid, "ready", {"why": "test"}
    )
    assert answer["status"] == "ready"
    assert answer["previous_status"] == "registering"


async def test_refused_calls_raise_the_class_the_server_raised(client: TektonClient) -> None:
    """With code, reason, component and details, never a gRPC error."""
    registration = component()
    await client.register_component(registration)
    name, instance_uuid = registration.component_id, registration.instance_uuid
    with pytest.raises(InvalidTransitionError) as transition:
        await client.update_component_state(name, instance_uuid, "unknown")
    assert transition.value.code == 1012
    assert "failed" in transition.value.details["allowed"]
    with pytest.raises(ComponentNotFoundError) as missing:
        await client.get_component("there_is_none")
    assert (missing.value.code, missing.value.component) == (1001, "tekton_core")
    assert missing.value.details == {"component_id": "there_is_none"}
    with pytest.raises(ComponentNotFoundError):
        await client.send_heartbeat(name, str(uuid.uuid4()))
    with pytest.raises(ValidationError):
        await client.update_component_state(name, instance_uuid, "reddy")
    await client.deregister_component(name, instance_uuid)
    with pytest.raises(StaleSessionError):
        await client.send_heartbeat(name, instance_uuid)


async def test_deregistering_needs_an_instance(client: TektonClient) -> None:
    """Without one the server would remove the whole component."""
    registration = component()
    await client.register_component(registration)
    with pytest.raises(ValidationError, match="instance_uuid is required"):
        await client.deregister_component(registration.component_id, "")
    assert (await client.get_component(registration.component_id))["instances"]


async def test_a_deregistered_component_is_shown_as_stopped(client: TektonClient) -> None:
    """The definition stays."""
    registration = component()
    await client.register_component(registration)
    await client.deregister_component(registration.component_id, registration.instance_uuid)
    assert (await client.get_component_status(registration.component_id))["status"] == "stopped"


async def test_a_fenced_instance_changes_nothing(client: TektonClient, server: ServerProcess) -> None:
    """Calls carry the fencing token, so a superseded instance is told so."""
    registration = component()
    await client.register_component(registration)
    async with TektonClient(server.host, server.port) as other:
        newer = component(component_id=registration.component_id, port=registration.port)
        await other.register_component(newer)
        with pytest.raises(StaleSessionError):
            await client.update_component_state(registration.component_id, registration.instance_uuid, "ready")
        assert (await other.get_component_status(newer.component_id))["status"] == "registering"


async def test_a_closed_client_says_so(client: TektonClient) -> None:
    """Instead of hanging or opening a new channel."""
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get_component("anything")
    with pytest.raises(RuntimeError, match="closed"):
        await client.find_component("anything")
