"""Waiting for dependencies: by watching, in the order given, and never longer than asked.

That it goes on after an outage is in test_outage."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tekton.client import TektonClient, ValidationError, get_default_client, set_default_client
from tekton.core.lifecycle import ComponentRegistration
from tekton.utils.tekton_client import wait_for_dependencies
from tests.sdk.fleet import component, eventually
from tests.sdk.server import ServerProcess
from tests.support.ports import free_port

# Far longer than a change takes to arrive, and far shorter than a test may take.
LONG = 20.0
SHORT = 0.3


async def became(client: TektonClient, registration: ComponentRegistration, state: str = "ready") -> None:
    """Register a component and bring it to a state; it beats from then on."""
    result = await client.register_component(registration)
    assert result.success
    client.start_heartbeat(registration.component_id)
    await client.update_component_state(registration.component_id, registration.instance_uuid, state)


async def test_nothing_is_waited_for_where_all_are_ready(as_default: TektonClient) -> None:
    """As the guide prints it; Tekton's own parts are ready, ids may be spelled with "-", and nothing needs nothing."""
    one, two = component("wait_one"), component("wait_two")
    await became(as_default, one)
    await became(as_default, two)
    dependencies = [one.component_id, two.component_id.replace("_", "-"), "hermes"]
    success, failed_deps = await wait_for_dependencies(dependencies=dependencies, timeout=60, check_interval=1)
    assert (success, failed_deps) == (True, [])
    began = time.monotonic()
    assert await wait_for_dependencies(dependencies) == (True, [])
    assert await wait_for_dependencies([]) == (True, [])
    assert time.monotonic() - began < 0.1


async def test_one_that_registers_after_the_wait_began_is_seen(as_default: TektonClient) -> None:
    """At once when it becomes ready, whatever the check interval; that it exists is not enough."""
    late = component("late")
    waiting = asyncio.create_task(wait_for_dependencies([late.component_id], timeout=LONG, check_interval=LONG))
    await became(as_default, late, "starting")
    assert not waiting.done()
    began = time.monotonic()
    await as_default.update_component_state(late.component_id, late.instance_uuid, "ready")
    assert await waiting == (True, [])
    assert time.monotonic() - began < LONG / 4


async def test_those_that_are_not_ready_in_the_end_are_listed_in_the_order_given(as_default: TektonClient) -> None:
    """Whether they are not there, start, are degraded, or were ready once; each is named once."""
    ready, starting, degraded, gone = (component(name) for name in ("ready", "starting", "degraded", "gone"))
    await became(as_default, ready)
    await became(as_default, starting, "starting")
    await became(as_default, degraded, "degraded")
    await became(as_default, gone)
    await as_default.deregister_component(gone.component_id, gone.instance_uuid)
    wanted = [one.component_id for one in (gone, starting, ready, degraded)]
    began = time.monotonic()
    success, failed = await wait_for_dependencies([*wanted, "zz_nobody", wanted[0]], SHORT, SHORT)
    assert (success, failed) == (False, [wanted[0], wanted[1], wanted[3], "zz_nobody"])
    assert SHORT <= time.monotonic() - began < LONG / 4


async def test_one_ready_instance_is_enough(as_default: TektonClient) -> None:
    """Though the component is degraded, for another instance of it has failed: it serves."""
    name = component("twice").component_id
    for state in ("ready", "failed"):
        await became(as_default, component(component_id=name), state)
    assert (await as_default.get_component_status(name))["status"] == "degraded"
    assert await wait_for_dependencies([name], timeout=LONG) == (True, [])


async def test_all_have_to_be_ready_at_the_same_time(as_default: TektonClient) -> None:
    """One that failed while another was waited for is waited for again."""
    first, second = component("first"), component("second")
    await became(as_default, first)
    both = [first.component_id, second.component_id]
    waiting = asyncio.create_task(wait_for_dependencies(both, LONG))
    await as_default.update_component_state(first.component_id, first.instance_uuid, "failed")
    await became(as_default, second)

    async def second_seen() -> bool:
        return as_default.registry.not_ready(both) == [first.component_id]

    await eventually(second_seen)
    assert not waiting.done()
    await as_default.update_component_state(first.component_id, first.instance_uuid, "ready")
    assert await waiting == (True, [])


async def test_a_wait_ends_in_time_while_tekton_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """All failed, nothing is raised, and the log says why; a Tekton that starts meanwhile would have been found."""
    async with TektonClient("127.0.0.1", free_port(), connect_timeout=0.1) as nowhere:
        began = time.monotonic()
        assert await nowhere.wait_for_dependencies(["engram", "rhetor"], SHORT) == (False, ["engram", "rhetor"])
        assert SHORT <= time.monotonic() - began < LONG / 4
    assert "engram, rhetor: Tekton does not answer" in caplog.text


async def test_a_wait_of_a_client_that_is_closed_ends(server: ServerProcess) -> None:
    """With the error that every call of such a client gives, and at once."""
    client = TektonClient(server.host, server.port)
    waiting = asyncio.create_task(client.wait_for_dependencies(["nobody_at_all"], LONG))
    await client.registry.synced()
    await client.close()
    async with asyncio.timeout(LONG / 4):
        with pytest.raises(RuntimeError, match="closed"):
            await waiting


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("engram",), "dependencies must be a list of names, not one text: give ['engram']"),
        ((["engram", 5],), "dependencies[1] must be a text, not 5 (int)"),
        ((["engram"], 0), "timeout must be a number of seconds over 0, not 0"),
        ((["engram"], 10**5000), "timeout must be a number of seconds over 0, not a very large number"),
        ((["engram"], "60"), "timeout must be a number of seconds over 0, not '60'"),
        ((["engram"], 60, -1), "check_interval must be a number of seconds over 0, not -1"),
    ],
)
async def test_wrong_arguments_are_named(arguments: tuple[Any, ...], sentence: str) -> None:
    """Before anything is asked."""
    set_default_client(TektonClient("127.0.0.1", free_port()))
    try:
        with pytest.raises(ValidationError) as caught:
            await wait_for_dependencies(*arguments)
        assert str(caught.value).startswith(sentence)
    finally:
        await get_default_client().close()
        set_default_client(None)
