"""A start or a stop of many components on its way: it goes on by itself, and whoever wants to may follow it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from tekton.core.errors import ConflictError, DependencyError, TektonError, UnavailableError
from tekton.core.ids import lookup_key
from tekton.core.schedule import Outcome, Schedule
from tekton_server.domain.fleet_plan import Plan, fitting, shortened
from tekton_server.live.audience import Audience, Member

log = logging.getLogger(__name__)

# After so many seconds without news who follows is given a sign of life.
QUIET = 15.0
# How many are named that it waits for.
TOLD = 5
# How much of a root cause's message the details of those behind it have.
_MESSAGE = 500


class Event(StrEnum):
    """What happens in a run, to a component or, first and last, to all of them."""

    PLANNED = "planned"
    STARTING = "starting"
    RUNNING = "running"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    WAITING = "waiting"
    FAILED = "failed"
    SKIPPED = "skipped"
    DONE = "done"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: each component of the plan is in one of the three; `succeeded` has what was done before."""

    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float

    @property
    def success(self) -> bool:
        """Whether nothing is missing."""
        return not self.failed and not self.skipped


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One step: see FleetProgress of the contract. `seconds` are since the beginning."""

    event: Event
    at: datetime
    seconds: float
    component_id: str = ""
    message: str = ""
    instance_uuid: str = ""
    already: bool = False
    chain: tuple[str, ...] = ()
    error: TektonError | None = None
    plan: Plan | None = None
    summary: Summary | None = None


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """How a run speaks: `left` and `root` go on after a component's id, `waits` stands between two of them."""

    succeeded: Event
    left: str
    waits: str
    root: str


STARTS = Words(succeeded=Event.READY, left="was not started", waits="needs", root="did not start")
STOPS = Words(succeeded=Event.STOPPED, left="was left running", waits="is needed by", root="did not stop")


class Done(msgspec.Struct, frozen=True):
    """What a job says of its success."""

    message: str
    instance_uuid: str = ""
    already: bool = False


Job = Callable[["Run", str], Awaitable[Done]]


class Run:
    """One run of a plan. Its steps are kept until nobody follows it any more: they are few for each component."""

    def __init__(self, plan: Plan, job: Job, words: Words, at_once: int) -> None:
        self.plan = plan
        self.words = words
        self._job = job
        self._schedule = Schedule(plan.begins, at_once=at_once, free=plan.free)
        self._told: list[Progress] = []
        self._errors: dict[str, TektonError] = {}
        self._audience: Audience[Member] = Audience()
        self._began = time.monotonic()

    async def go(self) -> None:
        """Do it; returns when every component has come to its end. Cancelled, it leaves things as they are."""
        try:
            self.tell(Event.PLANNED, plan=self.plan, message=self.plan.sentence)
            for name, chain in self.plan.skipped.items():
                self._skipped(name, chain, _in_the_way(self.plan, chain[-1]))
            async with asyncio.TaskGroup() as group:
                self._begin(group)
            self._end()
        finally:
            self._audience.close()

    def _begin(self, group: asyncio.TaskGroup) -> None:
        for name in self._schedule.begin():
            group.create_task(self._one(group, name), name=f"{self.words.succeeded} {name}")

    async def _one(self, group: asyncio.TaskGroup, name: str) -> None:
        try:
            done = await self._job(self, name)
        except TektonError as error:
            self._failed(name, error)
        except Exception as error:
            log.error("%s %s", name, self.words.root, exc_info=error)
            self._failed(name, TektonError(f"{name} {self.words.root}; the server's log has the cause", name))
        else:
            self._schedule.done(name)
            self.tell(
                self.words.succeeded,
                name,
                message=done.message,
                instance_uuid=done.instance_uuid,
                already=done.already,
            )
        self._begin(group)

    def _failed(self, name: str, error: TektonError) -> None:
        self._errors[name] = error
        skipped = self._schedule.fail(name)
        self.tell(Event.FAILED, name, message=error.message, error=error)
        for one in skipped:
            self._skipped(one, shortened(self._schedule.chain(one)), error)

    def take_back(self, keys: Iterable[str]) -> None:
        """Skip those that have not begun, by lookup key: somebody wants the opposite of them now."""
        unwanted = frozenset(keys)
        names = [name for name in self.plan.begins if lookup_key(name) in unwanted]
        for name in self._schedule.take_back(names):
            chain = shortened(self._schedule.chain(name))
            root = chain[-1]
            message = f"{root} {self.words.left}: somebody has asked for the opposite meanwhile"
            error = self._errors.setdefault(root, ConflictError(message, root))
            self._skipped(name, chain, error)

    def _skipped(self, name: str, chain: tuple[str, ...], root: TektonError) -> None:
        error = root if chain == (name,) else behind(self.words, name, chain, root)
        self._errors[name] = error
        self.tell(Event.SKIPPED, name, message=error.message, chain=chain, error=error)

    def _end(self) -> None:
        ends = self._schedule.outcomes
        summary = Summary(
            succeeded=(*self.plan.done, *(name for name, end in ends.items() if end is Outcome.DONE)),
            failed=tuple(name for name, end in ends.items() if end is Outcome.FAILED),
            skipped=(*self.plan.skipped, *(name for name, end in ends.items() if end is Outcome.SKIPPED)),
            seconds=time.monotonic() - self._began,
        )
        counts = (("failed", summary.failed), ("skipped", summary.skipped))
        bad = "".join(f", {len(some)} {word}" for word, some in counts if some)
        said = f"{len(summary.succeeded)} {self.words.succeeded}{bad}"
        if self.plan.begins or bad:
            log.info("what was to be %s (%s): %s", self.words.succeeded, self.plan.sentence, said)
        self.tell(Event.DONE, message=said, summary=summary)

    def tell(self, event: Event, component_id: str = "", **facts: Any) -> None:
        """Add a step."""
        self._told.append(self._made(event, component_id=component_id, **facts))
        self._audience.wake()

    def _made(self, event: Event, **facts: Any) -> Progress:
        return Progress(event=event, at=datetime.now(UTC), seconds=time.monotonic() - self._began, **facts)

    def _waiting(self) -> Progress:
        names = [name for name in self.plan.begins if name in self._schedule.under_way]
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        return self._made(Event.WAITING, message=f"waits for {', '.join(names[:TOLD])}{more}")

    @property
    def under_way(self) -> frozenset[str]:
        """The lookup keys of those that something is done with now."""
        return frozenset(map(lookup_key, self._schedule.under_way - self.plan.free))

    @property
    def over(self) -> bool:
        """Whether it has ended, with all that there was to do or without."""
        return self._audience.closed

    async def steps(self) -> AsyncIterator[Progress]:
        """Follow it from its beginning to its end; after a while without news, hear for whom it waits.

        Raises:
            UnavailableError: this server stops; what it has begun is as it is.
        """
        at = 0
        with Member(self._audience) as member:
            while True:
                while at < len(self._told):
                    yield self._told[at]
                    at += 1
                if self.over:
                    break
                await member.wait(time.monotonic() + QUIET)
                if at == len(self._told) and not self.over:
                    yield self._waiting()
        if self._told[-1].event is not Event.DONE:
            raise UnavailableError("this server stops: what it has begun stays begun, the rest is not done; ask again")

    async def outcome(self) -> Progress:
        """Wait for its end and give the last step.

        Raises:
            TektonError: why the first of what was asked for is not as it should be.
            UnavailableError: see `steps`.
        """
        *_, last = [step async for step in self.steps()]
        assert last.summary is not None
        if last.summary.success:
            return last
        bad = [name for name in (*self.plan.begins, *self.plan.skipped) if name in self._errors]
        raise self._errors[next((name for name in bad if lookup_key(name) in self.plan.asked), bad[0])]


def _in_the_way(plan: Plan, root: str) -> TektonError:
    """Say what is wrong with what is needed and will not be there."""
    if root in plan.missing:
        message = f"{root} is not registered, and components.json does not say how it is launched"
    else:
        message = f"{root} is not ready, and was not to be started"
    return DependencyError(message, details={"component_id": root, "failed_dependencies": [root]})


def behind(words: Words, name: str, chain: tuple[str, ...], root: TektonError) -> DependencyError:
    """Make the error of one that is left out for another's sake, with the chain down to the root."""
    way = f" {words.waits} ".join(shortened(chain, 8))
    cause = {"component_id": chain[-1], "code": root.number, "reason": root.reason, "message": root.message[:_MESSAGE]}
    return DependencyError(
        f"{name} {words.left}: {way}; {root.message}",
        name,
        details={
            "component_id": name,
            "failed_dependencies": [chain[1]],
            "chain": list(fitting(chain)),
            "root_cause": cause,
        },
    )
