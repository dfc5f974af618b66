"""Fallback chains and circuit breakers: who is called, who is not, and what is told when nobody is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tekton.core.breaker import BreakerOpenError, BreakerState
from tekton.core.errors import ValidationError
from tekton.core.graceful_degradation import GracefulDegradationManager, NoFallbackAvailableError


class Time:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Fleet:
    """Components that answer or fail, and what each was called with."""

    def __init__(self, *failing: str) -> None:
        self.failing = set(failing)
        self.called: list[str] = []
        self.with_: list[dict[str, Any]] = []

    async def generate(self, prompt: str, component: str, **options: Any) -> str:
        self.called.append(component)
        self.with_.append(options)
        if component in self.failing:
            raise ConnectionError(f"{component} is down")
        return f"{component}: {prompt}"


def managed(*chain: str, time: Time | None = None, **breakers: int) -> GracefulDegradationManager:
    manager = GracefulDegradationManager(clock=time or Time())
    for fallback in chain:
        manager.register_fallback("text", "rhetor", fallback, {"model": f"of-{fallback}"})
    for component, threshold in breakers.items():
        manager.register_circuit_breaker(component, failure_threshold=threshold, reset_timeout=60, half_open_requests=2)
    return manager


async def ask(manager: GracefulDegradationManager, fleet: Fleet, **options: Any) -> Any:
    return await manager.execute_with_fallback("text", "rhetor", fleet.generate, args=("hi",), kwargs=options)


async def test_the_component_itself_comes_first() -> None:
    """With the arguments of the call and nothing else."""
    manager, fleet = managed("local_llm"), Fleet()
    assert await ask(manager, fleet, max_tokens=100) == "rhetor: hi"
    assert fleet.called == ["rhetor"] and fleet.with_ == [{"max_tokens": 100}]
    assert manager.degraded() == {}


async def test_fallbacks_are_tried_in_their_order_with_their_parameters() -> None:
    """Theirs stand over those of the call, and what is had of a stand-in is told until it is had of its own again."""
    manager, fleet = managed("local_llm", "tiny_llm"), Fleet("rhetor", "local_llm")
    assert await ask(manager, fleet, max_tokens=100, model="claude") == "tiny_llm: hi"
    assert fleet.called == ["rhetor", "local_llm", "tiny_llm"]
    assert fleet.with_[1:] == [{"max_tokens": 100, "model": f"of-{name}"} for name in ("local_llm", "tiny_llm")]
    assert manager.degraded() == {("text", "rhetor"): "tiny_llm"}
    fleet.failing.clear()
    await ask(manager, fleet)
    assert manager.degraded() == {}


async def test_a_fallback_may_have_fallbacks_and_a_circle_is_no_trap() -> None:
    """Each is tried once, those of its own after all that were named before."""
    manager, fleet = managed("a", "b"), Fleet("rhetor", "a", "b", "c")
    manager.register_fallback("text", "a", "c")
    manager.register_fallback("text", "c", "rhetor")
    manager.register_fallback("text", "b", "a")
    assert [one.component for one in manager.fallbacks("text", "rhetor")] == ["a", "b", "c"]
    with pytest.raises(NoFallbackAvailableError):
        await ask(manager, fleet)
    assert fleet.called == ["rhetor", "a", "b", "c"]


async def test_when_nobody_is_left_the_error_tells_what_each_said() -> None:
    """By component, in the order of the attempts; the last failure is the cause."""
    manager, fleet = managed("local_llm"), Fleet("rhetor", "local_llm")
    with pytest.raises(NoFallbackAvailableError) as caught:
        await ask(manager, fleet)
    error = caught.value
    assert list(error.errors) == ["rhetor", "local_llm"] and isinstance(error.__cause__, ConnectionError)
    assert error.code == 1010 and error.component == "rhetor" and "local_llm is down" in error.message
    assert error.details["attempts"]["rhetor"] == {"error": "ConnectionError", "message": "rhetor is down"}


async def test_an_open_breaker_sends_calls_to_the_fallback_at_once() -> None:
    """The component is left alone until its time is over (Portkey 1289); how often it opened is told."""
    time = Time()
    manager, fleet = managed("local_llm", time=time, rhetor=5), Fleet("rhetor")
    for _ in range(5):
        assert await ask(manager, fleet) == "local_llm: hi"
    assert fleet.called.count("rhetor") == 5
    status = manager.circuit_breaker("rhetor")
    assert status is not None and (status.state, status.openings, status.retry_after) == (BreakerState.OPEN, 1, 60)
    time.now += 59
    await ask(manager, fleet)
    assert fleet.called.count("rhetor") == 5
    time.now += 1
    fleet.failing.clear()
    assert [await ask(manager, fleet) for _ in range(3)] == ["rhetor: hi"] * 3
    status = manager.circuit_breaker("rhetor")
    assert status is not None and status.state is BreakerState.CLOSED and status.retry_after is None


async def test_the_refusals_of_a_breaker_are_no_failures_of_its_component() -> None:
    """A hundred calls that were sent away do not keep it open longer (envoy 25487)."""
    time = Time()
    manager, fleet = managed(time=time, rhetor=1), Fleet("rhetor")
    for _ in range(100):
        with pytest.raises(NoFallbackAvailableError):
            await ask(manager, fleet)
    with pytest.raises(NoFallbackAvailableError) as caught:
        await ask(manager, fleet)
    assert isinstance(caught.value.__cause__, BreakerOpenError) and caught.value.retry_after == 60
    status = manager.circuit_breaker("rhetor")
    assert fleet.called == ["rhetor"] and status is not None and status.openings == 1


async def test_half_open_admits_exactly_half_open_requests_of_a_hundred_callers() -> None:
    """The other ninety-eight are served by the fallback meanwhile."""
    time = Time()
    manager, fleet = managed("local_llm", time=time, rhetor=1), Fleet("rhetor")
    await ask(manager, fleet)
    time.now += 60
    fleet.failing.clear()
    release, inside = asyncio.Event(), 0

    async def generate(prompt: str, component: str, model: str = "") -> str:
        nonlocal inside
        if component == "rhetor":
            inside += 1
            await release.wait()
        return component

    calls = [
        asyncio.create_task(manager.execute_with_fallback("text", "rhetor", generate, ("hi",))) for _ in range(100)
    ]
    while sum(call.done() for call in calls) < 98:
        await asyncio.sleep(0)
    assert inside == 2
    release.set()
    answers = await asyncio.gather(*calls)
    assert answers.count("rhetor") == 2 and answers.count("local_llm") == 98
    status = manager.circuit_breaker("rhetor")
    assert status is not None and status.state is BreakerState.CLOSED


async def test_breakers_count_at_every_hop_of_a_chain() -> None:
    """Not at the first alone (litellm 32574)."""
    manager, fleet = managed("a", "b", rhetor=2, a=2, b=2), Fleet("rhetor", "a", "b")
    for _ in range(2):
        with pytest.raises(NoFallbackAvailableError):
            await ask(manager, fleet)
    for component in ("rhetor", "a", "b"):
        status = manager.circuit_breaker(component)
        assert status is not None and status.state is BreakerState.OPEN
    with pytest.raises(NoFallbackAvailableError):
        await ask(manager, fleet)
    assert len(fleet.called) == 6


async def test_a_cancelled_call_is_nobodys_failure_and_holds_no_place() -> None:
    """A half-open breaker whose tried calls were all cancelled still closes (resilience4j 903, 935)."""
    time = Time()
    manager, fleet = managed(time=time, rhetor=1), Fleet("rhetor")
    with pytest.raises(NoFallbackAvailableError):
        await ask(manager, fleet)
    time.now += 60

    async def endless(component: str) -> None:
        await asyncio.Event().wait()

    for _ in range(5):
        call = asyncio.create_task(manager.execute_with_fallback("text", "rhetor", endless))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    fleet.failing.clear()
    assert [await ask(manager, fleet) for _ in range(3)] == ["rhetor: hi"] * 3
    status = manager.circuit_breaker("rhetor")
    assert status is not None and (status.state, status.openings) == (BreakerState.CLOSED, 1)


async def test_a_tried_call_that_never_ends_is_ended() -> None:
    """After the reset timeout, and counts as a failure: otherwise the breaker would stay half-open for ever."""
    manager = GracefulDegradationManager()
    manager.register_circuit_breaker("rhetor", failure_threshold=1, reset_timeout=0.05, half_open_requests=1)

    async def failing(component: str) -> None:
        raise ConnectionError

    async def endless(component: str) -> None:
        await asyncio.Event().wait()

    with pytest.raises(NoFallbackAvailableError):
        await manager.execute_with_fallback("text", "rhetor", failing)
    await asyncio.sleep(0.06)
    with pytest.raises(NoFallbackAvailableError) as caught:
        await manager.execute_with_fallback("text", "rhetor", endless)
    assert isinstance(caught.value.__cause__, TimeoutError)
    status = manager.circuit_breaker("rhetor")
    assert status is not None and status.openings == 2


async def test_arguments_that_do_not_fit_are_a_mistake_and_no_failure() -> None:
    """Those of a fallback too, while everything is well: nothing was called, and no breaker counts it."""
    manager, fleet = managed(rhetor=1), Fleet()

    async def narrow(prompt: str) -> str:
        return prompt

    with pytest.raises(TypeError):
        await manager.execute_with_fallback("text", "rhetor", narrow, kwargs={"colour": "red"})
    manager.register_fallback("text", "rhetor", "local_llm", {"model": "llama3"})
    with pytest.raises(TypeError, match="model"):
        await manager.execute_with_fallback("text", "rhetor", narrow, ("hi",))
    status = manager.circuit_breaker("rhetor")
    assert fleet.called == [] and status is not None and status.state is BreakerState.CLOSED


async def test_a_fallbacks_parameter_stands_over_an_argument_given_by_its_place() -> None:
    """As over one given by its name; and a component that is no parameter to be named is left alone."""
    manager, called = managed("local_llm"), []

    async def generate(prompt: str, model: str = "m", /, *component: str) -> None:
        called.append((prompt, model, component))

    async def named(prompt: str, model: str, component: str = "") -> None:
        called.append((prompt, model, component))
        if component == "rhetor":
            raise ConnectionError

    await manager.execute_with_fallback("text", "rhetor", named, args=("hi", "gpt-4"))
    assert called == [("hi", "gpt-4", "rhetor"), ("hi", "of-local_llm", "local_llm")]
    called.clear()
    await GracefulDegradationManager().execute_with_fallback("text", "rhetor", generate, args=("hi", "gpt-4"))
    assert called == [("hi", "gpt-4", ())]


async def test_an_error_that_cannot_say_what_it_is_is_a_failure_like_any_other() -> None:
    """It goes on to the fallback."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def generate(component: str, **_: Any) -> str:
        if component == "rhetor":
            raise Odd
        return component

    assert await managed("local_llm").execute_with_fallback("text", "rhetor", generate) == "local_llm"


async def test_plain_functions_and_those_that_tell_no_signature_are_called_too() -> None:
    """And what a plain function gives may be awaited."""
    manager = GracefulDegradationManager()
    assert await manager.execute_with_fallback("c", "rhetor", lambda component_id: component_id) == "rhetor"
    assert await manager.execute_with_fallback("c", "rhetor", lambda: asyncio.sleep(0, "later")) == "later"
    assert await manager.execute_with_fallback("c", "rhetor", min, (3, 2)) == 2


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda m: m.register_fallback("", "a", "b"), "capability"),
        (lambda m: m.register_fallback("c", None, "b"), "primary_component"),
        (lambda m: m.register_fallback("c", "a", "a"), "fallback_component"),
        (lambda m: m.register_fallback("c", "my-a", "my_a"), "fallback_component"),
        (lambda m: m.register_fallback("c", "a", "b", ["model"]), "fallback_parameters"),
        (lambda m: m.register_circuit_breaker("a", failure_threshold=0), "failure_threshold"),
        (lambda m: m.register_circuit_breaker("a", failure_threshold="5"), "failure_threshold"),
        (lambda m: m.register_circuit_breaker("a", half_open_requests=True), "half_open_requests"),
        (lambda m: m.register_circuit_breaker("a", reset_timeout=-1), "reset_timeout"),
        (lambda m: m.register_circuit_breaker("a", reset_timeout=float("nan")), "reset_timeout"),
    ],
)
def test_what_is_wrong_is_named(call: Any, field: str) -> None:
    """When it is registered, and not when it is needed."""
    with pytest.raises(ValidationError) as caught:
        call(GracefulDegradationManager())
    assert caught.value.details["violations"][0]["field"] == field
