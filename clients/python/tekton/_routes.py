"""A route to a model as the application holds it, and an attempt at it, whose outcome is told by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from tekton import _given
from tekton import _routing_requests as requests
from tekton.core.errors import TektonError, ValidationError
from tekton.v1 import routing_service_pb2 as pb

log = logging.getLogger(__name__)

Tell = Callable[[pb.ReportRouteOutcomeRequest], None]

T = TypeVar("T")

# What the HTTP status of a provider's or a component's answer says of a failure.
_BY_STATUS: Mapping[int, str] = {
    401: "auth",
    403: "auth",
    408: "timeout",
    413: "context_length",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}


class RouteAttempt:
    """One request to one model: what is set on it before the block ends is told with how long the block took.

    model_id, endpoint: where the request goes.
    input_tokens, output_tokens, cost: what it took, cost in US dollars; the model's prices where that is None. One that
        is no such number is logged and left out: the answer of the model is not to be lost for it.
    """

    def __init__(self, route: Route, model_id: str, endpoint: str, tell: Tell) -> None:
        self.model_id = model_id
        self.endpoint = endpoint
        self.input_tokens: int | None = 0
        self.output_tokens: int | None = 0
        self.cost: float | None = None
        self._route = route
        self._tell = tell
        self._failure: tuple[str, float | None] | None = None
        self._began = 0.0

    def failed(self, error_class: str = "error", *, retry_after: float | None = None) -> None:
        """Say that it failed, though nothing is raised.

        error_class: error, server_error, overloaded, rate_limited, timeout or auth; or invalid_request, context_length,
            content_filtered or cancelled, which do not count against the model.
        retry_after: after how many seconds the provider wants to be asked again.

        Raises:
            ValidationError: the first is no text, or the second no number from 0.
        """
        wait = requests.optional_number("retry_after", retry_after)
        self._failure = (_given.text("error_class", error_class), wait)

    async def __aenter__(self) -> Self:
        self._began = time.monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._failure or (None if error is None else failure_of(error))
        report = pb.ReportRouteOutcomeRequest(
            decision_id=self._route["decision_id"],
            model_id=self.model_id,
            task_type=self._route.task_type,
            ok=failure is None,
            latency_ms=(time.monotonic() - self._began) * 1000,
            input_tokens=self._figure(requests.whole, "input_tokens", self.input_tokens) or 0,
            output_tokens=self._figure(requests.whole, "output_tokens", self.output_tokens) or 0,
            cost=self._figure(requests.number, "cost", self.cost),
        )
        if failure is not None:
            report.error_class, wait = failure
            if wait is not None:
                report.retry_after = wait
        # Never awaited: who got an answer does not wait for Tekton, and a lost report costs nobody anything.
        self._tell(report)

    def _figure(self, read: Callable[[str, object], T], field: str, value: object) -> T | None:
        """Read a figure that may be unknown. Nothing is raised: what the block raised, or gave, comes first."""
        try:
            return None if value is None else read(field, value)
        except ValidationError as error:
            log.warning("the outcome of a request to %s is told without %s", self.model_id, error)
            return None


class Route(dict[str, Any]):
    """The documented answer to a task, as a dictionary, with `attempt()` beside it.

    selected_model, provider, endpoint, selection_criteria, fallback_models, and: decision_id, choice and fallbacks
    (with endpoint, tier, unmet, score and estimated_cost of each), flagged, tier_fallback_from.
    """

    def __init__(self, answer: Mapping[str, Any], task_type: str, tell: Tell) -> None:
        super().__init__(answer)
        self.task_type = task_type
        self._tell = tell

    def attempt(self, model_id: str | None = None) -> RouteAttempt:
        """Begin a request to the chosen model, or to a fallback; use it with `async with`.

        What came of it is told to Tekton when the block ends: that it succeeded, or what kind of failure it was, and
        how long it took. Nobody waits for that.

        Raises:
            ValueError: this is neither the chosen model nor a fallback.
        """
        choices = {one["model_id"]: one["endpoint"] for one in (self["choice"], *self["fallbacks"])}
        wanted = self["selected_model"] if model_id is None else model_id
        if wanted not in choices:
            raise ValueError(f"{wanted!r} is not in this route; there are {', '.join(choices)}")
        return RouteAttempt(self, wanted, choices[wanted], self._tell)


def failure_of(error: BaseException) -> tuple[str, float | None]:
    """Tell what kind of failure an exception is, and after how many seconds to try again where it says so."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt | SystemExit):
        return "cancelled", None
    if isinstance(error, TimeoutError):
        return "timeout", None
    status, wait = _status(error), _retry_after(error)
    if status in _BY_STATUS:
        return _BY_STATUS[status], wait
    if status >= 500:
        return "server_error", wait
    if status >= 400:
        return "invalid_request", wait
    return ("timeout" if _is_timeout(error) else "error"), wait


def _is_timeout(error: BaseException) -> bool:
    """Tell whether somebody waited too long: httpx and the libraries of providers have classes of their own for it."""
    if isinstance(error, TektonError):
        return error.reason == "timeout"
    return any("timeout" in kind.__name__.lower() for kind in type(error).__mro__)


def _status(error: BaseException) -> int:
    """Find an HTTP status: of a ComponentError, and of httpx, aiohttp and libraries of providers, which have one."""
    details = error.details if isinstance(error, TektonError) else {}
    found = details.get("status") or getattr(error, "status_code", None)
    if found is None:
        found = getattr(getattr(error, "response", None), "status_code", None)
    if found is None:
        found = getattr(error, "status", None)
    return found if isinstance(found, int) else 0


def _retry_after(error: BaseException) -> float | None:
    if isinstance(error, TektonError) and error.retry_after is not None:
        return error.retry_after
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None)
    try:
        # A date is as good as nothing: whose clock it is by, nobody knows.
        wait = float(headers.get("retry-after", "")) if headers is not None else -1.0
    except (TypeError, ValueError, AttributeError):
        return None
    return wait if 0 <= wait <= 86_400 else None
