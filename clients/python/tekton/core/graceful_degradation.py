"""Fallbacks for components that fail: chains of them, with a circuit breaker before each, for calls of any kind.

manager = GracefulDegradationManager()
manager.register_fallback("text_generation", "rhetor", "local_llm", {"model": "llama3"})
manager.register_circuit_breaker("rhetor", failure_threshold=5, reset_timeout=60, half_open_requests=2)
result = await manager.execute_with_fallback("text_generation", "rhetor", generate_text, args=(prompt,))
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tekton import _given
from tekton.core.breaker import Breaker, BreakerOpenError, BreakerState, Clock, Permit
from tekton.core.errors import TektonError, ValidationError
from tekton.core.ids import lookup_key
from tekton.core.text import told

__all__ = [
    "BreakerState",
    "CircuitBreakerStatus",
    "Fallback",
    "GracefulDegradationManager",
    "NoFallbackAvailableError",
]

log = logging.getLogger(__name__)

# What a function may call the component that a call is for.
_COMPONENT_NAMES = ("component", "component_id")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class NoFallbackAvailableError(TektonError):
    """Neither the component nor any of its fallbacks did it. `errors` is what each said, in the order of the attempts.

    `details.attempts` is the same for programs, and `retry_after` when a breaker that was open admits calls again.
    """

    number: ClassVar[int] = 1010
    http_status: ClassVar[int] = 503
    grpc_status: ClassVar[str] = "UNAVAILABLE"
    default_reason: ClassVar[str] = "no_fallback_available"

    def __init__(self, capability: str, component: str, errors: Mapping[str, Exception]) -> None:
        said = "; ".join(f"{name}: {_said(error)}" for name, error in errors.items())
        attempts = {name: {"error": type(error).__name__, "message": _said(error)} for name, error in errors.items()}
        super().__init__(
            f"{capability} cannot be had of {component} or a fallback ({said})",
            component,
            details={"capability": capability, "attempts": attempts},
        )
        self.errors = dict(errors)
        waits = [
            e.retry_after for e in errors.values() if isinstance(e, BreakerOpenError) and e.retry_after is not None
        ]
        self.retry_after = min(waits, default=None)


@dataclass(frozen=True)
class Fallback:
    """Who stands in for a component with a capability, and what is given to the function then."""

    component: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CircuitBreakerStatus:
    """How a breaker stands. `openings` is how often it has opened, `retry_after` in how many seconds it tries again."""

    component: str
    state: BreakerState
    openings: int
    retry_after: float | None


class GracefulDegradationManager:
    """Calls components with fallbacks and circuit breakers. For one event loop; it needs no Tekton to be reached."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._fallbacks: dict[tuple[str, str], list[Fallback]] = {}
        self._breakers: dict[str, Breaker] = {}
        # Who did it last, where that was not the one that was asked.
        self._standing_in: dict[tuple[str, str], str] = {}

    def register_fallback(
        self,
        capability: str,
        primary_component: str,
        fallback_component: str,
        fallback_parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Name who stands in for a component. Several are tried in the order in which they are named.

        A fallback may have fallbacks of its own: those come after it. Whoever is named twice is tried once.
        fallback_parameters: keyword arguments for the function when the fallback is called, over those of the call.

        Raises:
            ValidationError: something is missing, or a component would stand in for itself.
        """
        for name, value in (
            ("capability", capability), ("primary_component", primary_component),
            ("fallback_component", fallback_component),
        ):  # fmt: skip
            _check_name(name, value)
        wrong = fallback_parameters is not None and not isinstance(fallback_parameters, Mapping)
        if wrong or not all(isinstance(name, str) for name in fallback_parameters or ()):
            raise ValidationError.of("fallback_parameters", "must be a dict of keyword arguments", "type")
        if lookup_key(primary_component) == lookup_key(fallback_component):
            raise ValidationError.of(
                "fallback_component", "must be another one than primary_component", "self_dependency"
            )
        chain = self._fallbacks.setdefault((capability, lookup_key(primary_component)), [])
        found = Fallback(fallback_component, dict(fallback_parameters or {}))
        # Named again, it is the same fallback with other parameters.
        same = [at for at, one in enumerate(chain) if lookup_key(one.component) == lookup_key(fallback_component)]
        if same:
            chain[same[0]] = found
        else:
            chain.append(found)

    def register_circuit_breaker(
        self, component: str, failure_threshold: int = 5, reset_timeout: float = 60.0, half_open_requests: int = 1
    ) -> None:
        """Put a circuit breaker before a component, in the place of the one it has.

        failure_threshold: so many failures in a row open it.
        reset_timeout: so many seconds it stays open; calls go to the fallbacks at once meanwhile. A call that is tried
            afterwards has as long to end.
        half_open_requests: so many calls are tried then, no matter how many come at once. It closes if none fails.

        Raises:
            ValidationError: a number is none, or not over 0.
        """
        _check_name("component", component)
        for name, number in (("failure_threshold", failure_threshold), ("half_open_requests", half_open_requests)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValidationError.of(name, f"must be a whole number from 1, not {number!r}", "range", limit=1)
        if not _given.finite(reset_timeout) or reset_timeout <= 0:
            message = f"must be seconds over 0, not {_given.shown(reset_timeout)}"
            raise ValidationError.of("reset_timeout", message, "range", limit=0)
        self._breakers[lookup_key(component)] = Breaker(
            component, failure_threshold, float(reset_timeout), half_open_requests, self._clock
        )

    async def execute_with_fallback(
        self,
        capability: str,
        component: str,
        function: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function for a component; where that fails, or its breaker is open, for its fallbacks in their turn.

        function: async, or quick: it is called on the event loop. If it has a parameter named `component` (or
            `component_id`) that args and kwargs leave free, it is given the component that the call is for.
        args, kwargs: what it is called with; for a fallback, the fallback's parameters stand over both.

        Gives what the first call that succeeds gives. Every exception is a failure, but for a cancellation, which ends
        it all, and for arguments that the function does not take, which is a TypeError at once.

        Raises:
            NoFallbackAvailableError: none succeeded; the last failure is its cause.
        """
        _check_name("capability", capability)
        _check_name("component", component)
        key = (capability, lookup_key(component))
        errors: dict[str, Exception] = {}
        # All of them before the first call, so that a mistake shows while everything is well.
        calls = {one.component: _bound(function, one, args, kwargs or {}) for one in self._chain(capability, component)}
        for name, call in calls.items():
            try:
                result = await self._called(name, call)
            except Exception as error:
                errors[name] = error
                log.info("%s of %s failed: %s", capability, name, _said(error))
                continue
            self._note(key, component, name)
            return result
        raise NoFallbackAvailableError(capability, component, errors) from list(errors.values())[-1]

    def _chain(self, capability: str, component: str) -> Iterator[Fallback]:
        """Give the component and its fallbacks, each before its own, and nobody twice."""
        waiting, seen = [Fallback(component)], set[str]()
        while waiting:
            one = waiting.pop(0)
            if lookup_key(one.component) in seen:
                continue
            seen.add(lookup_key(one.component))
            yield one
            waiting += self._fallbacks.get((capability, lookup_key(one.component)), ())

    async def _called(self, component: str, call: Callable[[], Any]) -> Any:
        breaker = self._breakers.get(lookup_key(component))
        if breaker is None:
            return await _result(call)
        permit = breaker.admit()
        # What is tried must end: it holds a place that others wait for.
        patience = breaker.reset_timeout if breaker.state is BreakerState.HALF_OPEN else None
        return await _settled(permit, call, patience)

    def _note(self, key: tuple[str, str], asked: str, did: str) -> None:
        if lookup_key(asked) == lookup_key(did):
            if self._standing_in.pop(key, None) is not None:
                log.warning("%s is had of %s again", key[0], asked)
        elif self._standing_in.get(key) != did:
            self._standing_in[key] = did
            log.warning("%s is had of %s instead of %s", key[0], did, asked)

    def fallbacks(self, capability: str, component: str) -> list[Fallback]:
        """List who is tried after a component, in order."""
        return list(self._chain(capability, component))[1:]

    def degraded(self) -> dict[tuple[str, str], str]:
        """Tell which capabilities are had of a stand-in: by capability and component, who did it last."""
        return dict(self._standing_in)

    def circuit_breaker(self, component: str) -> CircuitBreakerStatus | None:
        """Tell how the breaker of a component stands; None where it has none."""
        breaker = self._breakers.get(lookup_key(component))
        if breaker is None:
            return None
        state = breaker.state
        left = breaker.opened_at + breaker.reset_timeout - self._clock() if state is BreakerState.OPEN else None
        return CircuitBreakerStatus(breaker.name, state, breaker.openings, None if left is None else max(0.0, left))

    def reset_circuit_breaker(self, component: str) -> None:
        """Close the breaker of a component by hand.

        Raises:
            KeyError: it has none.
        """
        self._breakers[lookup_key(component)].close()


async def _settled(permit: Permit, call: Callable[[], Any], patience: float | None) -> Any:
    try:
        async with asyncio.timeout(patience):
            result = await _result(call)
    except Exception:
        permit.fail()
        raise
    except BaseException:
        # A cancellation says nothing of the component.
        permit.abandon()
        raise
    permit.succeed()
    return result


async def _result(call: Callable[[], Any]) -> Any:
    result = call()
    return await result if inspect.isawaitable(result) else result


def _bound(
    function: Callable[..., Any], fallback: Fallback, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Callable[[], Any]:
    """Bind the arguments of a call now: a call that cannot be made is the caller's mistake, and no failure of anybody.

    Raises:
        TypeError: the function does not take them.
    """
    placed, given = list(args), {**kwargs, **fallback.parameters}
    try:
        signature = inspect.signature(function)
    except ValueError:
        # Some that are written in C do not tell.
        return lambda: function(*placed, **given)
    for at, (name, one) in enumerate(signature.parameters.items()):
        if one.kind is one.POSITIONAL_OR_KEYWORD and at < len(placed) and name in fallback.parameters:
            placed[at] = given.pop(name)
    taken = signature.bind_partial(*placed, **given).arguments
    for name in _COMPONENT_NAMES:
        if name in signature.parameters and name not in taken and signature.parameters[name].kind in _BY_NAME:
            given[name] = fallback.component
    bound = signature.bind(*placed, **given)
    return lambda: function(*bound.args, **bound.kwargs)


def _check_name(field_name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValidationError.of(field_name, f"must be a name, not {value!r}"[:200], "type")


def _said(error: Exception) -> str:
    return (told(error) or type(error).__name__)[:200]
