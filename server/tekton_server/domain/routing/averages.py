"""What came of each model with each type of task, as averages in which the past fades: half of it with each half-life.

Sums are kept as if of one moment, the landmark, so that nothing has to be touched as time goes by ("Forward Decay",
Cormode, Shkapenyuk, Srivastava and Xu, ICDE 2009). Sums of several servers are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tekton_server.domain.routing.outcomes import ErrorClass, Outcome
from tekton_server.domain.routing.serving import UNOBSERVED, Observed

ALL = ""
"""The type of task under which a model's outcomes with all types are kept."""
# How many outcomes what is known beforehand counts for, and those with all types of task towards those with one.
_TRUST = 5.0
# The landmark is moved before a float of that many half-lives would lose what it adds.
_MOST_HALVES = 64.0
# What has faded below this is forgotten: two outcomes of ten half-lives ago.
LEAST = 0.002

MOST_TYPES, MOST_SUMS = 100, 50_000

Key = tuple[str, str]
"""A type of task, and a model's id."""


class Sums(NamedTuple):
    """Sums over outcomes; `timed` is how many of them had a latency."""

    calls: float = 0.0
    failures: float = 0.0
    timed: float = 0.0
    latency_ms: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost: float = 0.0

    def plus(self, other: Sums, by: float = 1.0) -> Sums:
        """Add others, each times something."""
        return Sums(*(one + by * more for one, more in zip(self, other, strict=True)))

    def times(self, by: float) -> Sums:
        """Multiply all."""
        return Sums(*(by * one for one in self))


def of(outcome: Outcome) -> Sums:
    """Give one outcome as sums. A timeout tells no latency, and neither does another failure."""
    timed = outcome.ok and outcome.latency_ms is not None
    return Sums(
        calls=1.0,
        failures=float(outcome.failed),
        timed=float(timed),
        latency_ms=(outcome.latency_ms or 0.0) if timed else 0.0,
        input_tokens=float(outcome.input_tokens),
        output_tokens=float(outcome.output_tokens),
        cost=outcome.cost or 0.0,
    )


def counts(outcome: Outcome) -> bool:
    """Tell whether an outcome is worth remembering: what the caller broke off says nothing of anybody."""
    return outcome.ok or outcome.error_class is not ErrorClass.CANCELLED


_NOTHING = Sums()


class Averages:
    """All sums, and what is not stored of them yet. Times are seconds of any one clock.

    So many types of task are told apart, and so many sums kept; beyond that the type that was not heard of for the
    longest time goes.
    """

    def __init__(self, half_life: float, now: float, types: int = MOST_TYPES, most: int = MOST_SUMS) -> None:
        self.half_life = half_life
        self._types, self._most = types, most
        self._landmark = now
        self._sums: dict[str, dict[str, Sums]] = {ALL: {}}
        self._unstored: dict[Key, Sums] = {}
        # What decisions read, by type of task and model: of every model that anything is known of.
        self._observed: dict[str, dict[str, Observed]] = {ALL: {}}
        self._fading: list[str] = []

    def add(self, outcome: Outcome, now: float) -> None:
        """Count an outcome."""
        self._move(now)
        sums, scale = of(outcome), self._scale(now)
        for task_type in dict.fromkeys((outcome.task_type, ALL)):
            models, key = self._of_type(task_type), (task_type, outcome.model_id)
            models[outcome.model_id] = models.get(outcome.model_id, _NOTHING).plus(sums, scale)
            self._unstored[key] = self._unstored.get(key, _NOTHING).plus(sums, scale)
        self._bound()
        self._look(outcome.model_id, scale)

    def observed(self, task_type: str) -> Mapping[str, Observed]:
        """Give what is known for a type of task, by model."""
        return self._observed.get(task_type) or self._observed[ALL]

    def sums(self, model_id: str, now: float, task_type: str = ALL) -> Sums:
        """Give the sums of a model as of now."""
        return self._sums.get(task_type, {}).get(model_id, _NOTHING).times(self._faded(now))

    def take(self, now: float) -> dict[Key, Sums]:
        """Take what is to be stored, as of now."""
        taken, self._unstored = self._unstored, {}
        by = self._faded(now)
        return {key: sums.times(by) for key, sums in taken.items()}

    def give_back(self, taken: Mapping[Key, Sums], then: float) -> None:
        """Take back what could not be stored."""
        by = self._scale(then)
        for key, sums in taken.items():
            if key[0] in self._sums:
                self._unstored[key] = self._unstored.get(key, _NOTHING).plus(sums, by)

    def learn(self, stored: Iterable[tuple[Key, Sums]], now: float) -> None:
        """Follow what is stored, as of now: the sums of all servers, and with them what this one has not stored yet."""
        self._move(now)
        scale = self._scale(now)
        models: dict[str, None] = {}
        for key, sums in stored:
            self._of_type(key[0])[key[1]] = self._unstored.get(key, _NOTHING).plus(sums, scale)
            models[key[1]] = None
        self._bound()
        for model_id in models:
            self._look(model_id, scale)

    def _of_type(self, task_type: str) -> dict[str, Sums]:
        """Give the sums of a type of task, which is the last one heard of from now on."""
        models = self._sums[task_type] = self._sums.pop(task_type, {})
        if task_type not in self._observed:
            self._observed[task_type] = dict(self._observed[ALL])
        return models

    def _bound(self) -> None:
        while len(self._sums) > self._types + 1 or sum(map(len, self._sums.values())) > self._most:
            oldest = next((one for one in self._sums if one != ALL), None)
            if oldest is None:
                return
            del self._sums[oldest], self._observed[oldest]
            self._unstored = {key: sums for key, sums in self._unstored.items() if key[0] != oldest}

    def _scale(self, now: float) -> float:
        """How much an outcome of now weighs, compared with one of the landmark, which has moved if it had to."""
        return float(2.0 ** ((now - self._landmark) / self.half_life))

    def _faded(self, now: float) -> float:
        """What is left now of an outcome of the landmark: nothing, after a very long time."""
        return float(0.5 ** ((now - self._landmark) / self.half_life))

    def _move(self, now: float) -> None:
        """Move the landmark once its floats grow large, and forget what has faded."""
        if now - self._landmark < _MOST_HALVES * self.half_life:
            return
        by = self._faded(now)
        self._landmark = now
        self._unstored = {key: sums.times(by) for key, sums in self._unstored.items()}
        for task_type, models in self._sums.items():
            kept = {one: sums.times(by) for one, sums in models.items() if sums.calls * by >= LEAST}
            self._sums[task_type] = kept
        known = self._sums[ALL]
        for task_type, seen in self._observed.items():
            self._observed[task_type] = {one: value for one, value in seen.items() if one in known}

    def fade(self, now: float, most: int = 200) -> None:
        """Work out anew what decisions read of some models: of one that nobody uses any more the past fades too."""
        if not self._fading:
            self._fading = list(self._sums[ALL])
        due, self._fading = self._fading[-most:], self._fading[:-most]
        self._move(now)
        scale = self._scale(now)
        for model_id in due:
            self._look(model_id, scale)

    def _look(self, model_id: str, scale: float) -> None:
        """Work out what decisions read of a model: what is not known of one type of task, all types say."""
        by = 1.0 / scale
        everything = _smoothed(self._sums[ALL].get(model_id, _NOTHING).times(by), UNOBSERVED)
        for task_type, seen in self._observed.items():
            sums = self._sums[task_type].get(model_id)
            known = everything if sums is None or task_type == ALL else _smoothed(sums.times(by), everything)
            seen[model_id] = known


def _smoothed(sums: Sums, known: Observed) -> Observed:
    return Observed(
        (sums.failures + _TRUST * known.error_rate) / (sums.calls + _TRUST),
        (sums.latency_ms + _TRUST * known.latency_ms) / (sums.timed + _TRUST),
        known.timed or sums.timed > 0,
    )
