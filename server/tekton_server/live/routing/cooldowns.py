"""Models that are out for a while: too many of their requests failed, or their provider wants to be left alone.

A circuit breaker for each model counts. Timeouts count only while nothing else succeeded: a model that is slow and
answers is not a model that is down. Nothing here waits, and what a probe never told is taken back in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tekton.core.breaker import Breaker, BreakerOpenError, BreakerState, Permit, Rate
from tekton_server.domain.routing.outcomes import ErrorClass, Outcome
from tekton_server.domain.routing.serving import Out
from tekton_server.live.lease import Clock
from tekton_server.live.routing.terms import RoutingTerms

# How long a provider that limits its rate is left alone where it does not say, and the longest where it does.
RATE_LIMITED, LONGEST = 5.0, 3600.0
# Breakers of models that are well are forgotten, the oldest first, beyond so many.
MOST = 2000
_NOBODY: Mapping[str, Out] = MappingProxyType({})


class _Watched:
    """A model that somebody told something of."""

    __slots__ = ("breaker", "until", "why")

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker
        self.until = float("-inf")
        self.why = ""


class Cooldowns:
    """All models that were told anything of. `openings` is how often any went out."""

    def __init__(self, terms: RoutingTerms, clock: Clock) -> None:
        self._terms = terms
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        # Those that may be out: looked at by each decision, so the others are not.
        self._troubled: dict[str, _Watched] = {}
        self.openings = 0

    def count(self, outcome: Outcome, permit: Permit | None = None, *, flagged: bool = False) -> None:
        """Count what came of a request; with the permit of a probe it decides on that.

        `flagged`: it was made though the model was out. If it went well, the model is well again.
        """
        watched = self._watch(outcome.model_id)
        if outcome.ok:
            if flagged:
                watched.until = float("-inf")
                watched.breaker.close()
            _settle(permit, watched.breaker, ok=True)
        elif outcome.failed:
            self._fail(watched, outcome, permit)
        elif permit is not None:
            permit.abandon()
        self._look(outcome.model_id, watched)

    def _fail(self, watched: _Watched, outcome: Outcome, permit: Permit | None) -> None:
        if outcome.error_class is not ErrorClass.TIMEOUT or permit is not None or not watched.breaker.succeeded:
            _settle(permit, watched.breaker, ok=False)
        seconds, why = self._left_alone(outcome)
        if seconds > 0 and self._clock() + seconds > watched.until:
            watched.until, watched.why = self._clock() + seconds, why

    def _left_alone(self, outcome: Outcome) -> tuple[float, str]:
        asked = min(outcome.retry_after or 0.0, LONGEST)
        if outcome.error_class is ErrorClass.AUTH:
            return max(self._terms.auth_cooldown, asked), "its provider refused the authentication"
        if outcome.retry_after is not None:
            return asked, "its provider wants to be asked later"
        if outcome.error_class is ErrorClass.RATE_LIMITED:
            return min(RATE_LIMITED, self._terms.cooldown), "its provider limits the rate"
        return 0.0, ""

    def out(self) -> Mapping[str, Out]:
        """Tell who is out now, and why."""
        if not self._troubled:
            return _NOBODY
        found = {model_id: self._out(watched) for model_id, watched in self._troubled.items()}
        for model_id in [one for one, why in found.items() if why is None]:
            self._look(model_id, self._troubled[model_id])
        return {model_id: why for model_id, why in found.items() if why is not None}

    def _out(self, watched: _Watched) -> Out | None:
        left = watched.until - self._clock()
        breaker = watched.breaker
        opened = breaker.state is BreakerState.OPEN and not breaker.over
        cooling = breaker.opened_at + breaker.reset_timeout - self._clock() if opened else 0.0
        if left > 0 and left >= cooling:
            return Out(f"{watched.why}; it is out for {left:.0f} s more", left)
        if opened:
            return Out(f"too many of its requests failed; it is out for {cooling:.0f} s more", cooling)
        return self._on_trial() if breaker.full else None

    def _on_trial(self) -> Out:
        why = f"it was out, and {self._terms.probes} requests are being tried on it now"
        return Out(why, self._terms.cooldown, probing=True)

    def trying(self, model_id: str) -> bool:
        """Whether a model was out and is on trial: whoever chooses it needs a permit."""
        watched = self._troubled.get(model_id)
        return watched is not None and watched.breaker.state is not BreakerState.CLOSED

    def probe(self, model_id: str) -> Permit | Out:
        """Try a model that was out. Not where as many as may are trying it at this moment."""
        try:
            return self._troubled[model_id].breaker.admit()
        except BreakerOpenError:
            return self._on_trial()

    def _watch(self, model_id: str) -> _Watched:
        watched = self._watched.get(model_id)
        if watched is None:
            terms = self._terms
            rate = Rate(terms.failure_rate, terms.min_requests, terms.window)
            watched = _Watched(Breaker(model_id, rate, terms.cooldown, terms.probes, self._clock))
            self._watched[model_id] = watched
            self._bound()
        return watched

    def _bound(self) -> None:
        if len(self._watched) > MOST:
            well = next((one for one in self._watched if one not in self._troubled), None)
            if well is not None:
                del self._watched[well]

    def _look(self, model_id: str, watched: _Watched) -> None:
        was = model_id in self._troubled
        if watched.until > self._clock() or watched.breaker.state is not BreakerState.CLOSED:
            self._troubled[model_id] = watched
            self.openings += not was
        elif was:
            del self._troubled[model_id]


def _settle(permit: Permit | None, breaker: Breaker, *, ok: bool) -> None:
    if permit is None:
        breaker.record(ok=ok)
    elif ok:
        permit.succeed()
    else:
        permit.fail()
