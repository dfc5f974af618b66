"""The documented registry as a face of a control plane that runs."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest

from tekton.client import TektonClient, ValidationError
from tekton.core.component_lifecycle import ComponentRegistry, Outcome, ReadinessCondition
from tekton.core.component_lifecycle.readiness import unmet
from tekton.core.errors import InvalidTransitionError, RegistrationError, StartupError, UnavailableError
from tekton.core.lifecycle import ComponentRegistration, ComponentState
from tekton.core.startup_coordinator import StartResult
from tests.sdk.fleet import component
from tests.support.ports import free_port


@pytest.fixture
def registry(client: TektonClient) -> ComponentRegistry:
    """A registry on the server of the folder."""
    return ComponentRegistry(client=client)


async def test_a_component_is_registered_followed_and_found(registry: ComponentRegistry) -> None:
    """As the documentation has it, in other words; without a port it has no listener."""
    name = component("core").component_id
    registration = ComponentRegistration(
        component_id=name,
        component_name="A part of the core",
        component_type="service",
        version="1.0.0",
        capabilities=[name, "thinking"],
        dependencies=["hermes"],
    )
    success, message = await registry.register_component(registration)
    assert (success, message) == (True, "Component registered successfully")
    uuid = registration.instance_uuid
    assert await registry.update_component_state(name, uuid, ComponentState.INITIALIZING.value)
    success, message = await registry.mark_component_ready(component_id=name, instance_uuid=uuid)
    assert success and message
    found = await registry.get_component(name)
    assert found is not None
    assert (found["status"], found["metadata"], found["instances"][0]["instance_uuid"]) == (
        "ready",
        {"no_listener": True},
        uuid,
    )
    assert registration.metadata == {}, "what the caller gave stays as it is"
    health = await registry.get_component_health(name)
    assert health is not None and (health.state, health.overall, health.suspect) == ("ready", "healthy", False)
    assert await registry.get_component("nobody_at_all") is None
    assert await registry.get_component_health("nobody_at_all") is None


async def test_who_has_a_capability_is_listed_the_best_first(registry: ComponentRegistry) -> None:
    """In whatever state."""
    capability, states = component("able").component_id, ("failed", "degraded", "initializing", "ready")
    for state in states:
        registration = component(state, capabilities=[capability])
        assert await registry.register_component(registration)
        assert await registry.update_component_state(registration.component_id, registration.instance_uuid, state)
    found = [one["status"] for one in await registry.get_components_by_capability(capability)]
    assert found[:2] == ["ready", "degraded"] and sorted(found[2:]) == ["failed", "initializing"]
    assert await registry.get_components_by_capability("nobody_can_do_this") == []


async def test_a_refusal_is_told_with_its_reason_and_is_false(registry: ComponentRegistry) -> None:
    """The pair itself too, so that `if await …` means what it says."""
    outcome = await registry.register_component(component(component_id="No Id"))
    assert not outcome and outcome[0] is False and isinstance(outcome.error, RegistrationError)
    assert outcome.message == str(outcome.error)
    registration = component()
    await registry.register_component(registration)
    name, uuid = registration.component_id, registration.instance_uuid
    refused = await registry.update_component_state(name, uuid, "stopped")
    assert not refused and isinstance(refused.error, InvalidTransitionError)
    assert not await registry.mark_component_ready("nobody_at_all", uuid)
    assert not await registry.register_component("engram")  # type: ignore[arg-type]


async def test_where_tekton_does_not_answer_nothing_is_said_not_to_be_there() -> None:
    """A change is a refusal with that reason; a question has no answer."""
    async with TektonClient("127.0.0.1", free_port(), connect_timeout=0.1) as nowhere:
        registry = ComponentRegistry(client=nowhere)
        outcome = await registry.register_component(component())
        assert not outcome and isinstance(outcome.error, UnavailableError)
        with pytest.raises(UnavailableError):
            await registry.get_component("anybody")


async def test_a_component_is_not_ready_before_its_conditions_hold(registry: ComponentRegistry) -> None:
    """Each that does not is named; one of the same name gives way to the newer."""
    registration = component()
    await registry.register_component(registration)
    name, uuid = registration.component_id, registration.instance_uuid

    async def broken() -> bool:
        raise OSError("no route to host")

    registry.add_readiness_condition(name, ReadinessCondition("database", broken))
    registry.add_readiness_condition(name.replace("_", "-"), ReadinessCondition("cache", lambda: False))
    success, message = await registry.mark_component_ready(name, uuid)
    assert not success
    assert message == f"{name} is not ready: database failed: OSError: no route to host; cache does not hold"
    for condition in ("database", "cache"):
        registry.add_readiness_condition(name, ReadinessCondition(condition, lambda: True))
    assert await registry.mark_component_ready(name, uuid)


async def test_a_condition_that_does_not_answer_does_not_hold() -> None:
    slow = ReadinessCondition("slow", lambda: asyncio.sleep(10), timeout=0.05)
    assert await unmet([slow, ReadinessCondition("fast", lambda: True)]) == ["slow did not answer within 0.05 s"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ComponentRegistry("/tmp", client=TektonClient()), "data_dir cannot be given together with client"),
        (lambda: ComponentRegistry(5), "data_dir must be the path of a directory, not 5 (int)"),
        (lambda: ComponentRegistry(""), "data_dir must be the path of a directory, not '' (str)"),
        (lambda: ReadinessCondition("x", 5), "check must be a function without arguments"),  # type: ignore[arg-type]
        (lambda: ReadinessCondition("x", bool, timeout=0), "timeout must be a number of seconds over 0"),
        (lambda: ComponentRegistry().add_readiness_condition("x", bool), "condition must be a ReadinessCondition"),
    ],
)
def test_wrong_arguments_are_named(make: Any, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("result", [Outcome(True, "done"), Outcome(False, "no"), StartResult(StartupError("no"))])
def test_results_can_be_copied_and_pickled(result: Any) -> None:
    """They are pairs, and true or false."""
    again = pickle.loads(pickle.dumps(copy.copy(result)))
    assert type(again) is type(result) and bool(again) is result[0] and str(again[1]) == str(result[1])
    assert repr(again) == repr(result)
