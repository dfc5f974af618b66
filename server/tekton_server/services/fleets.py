"""Starts and stops of many components, as requests ask for them and as messages tell how they go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from tekton.core.errors import TooLargeError, ValidationError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.domain import limits
from tekton_server.domain.fleet_plan import Plan
from tekton_server.domain.validation import check_text
from tekton_server.live.fleet import AT_ONCE
from tekton_server.live.fleet_run import STARTS, STOPS, Progress, Run, Words
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, refusal, sse
from tekton_server.services.graphs import texts

_STOP_SECONDS = 3600.0


class Asked(NamedTuple):
    """A run, and whether its progress is to be kept back."""

    run: Run
    quiet: bool


class Fleets:
    """Begins runs, and converts what they tell."""

    def __init__(self, live: LiveRegistry) -> None:
        self._live = live

    async def plan(self, request: pb.PlanStartRequest) -> pb.FleetPlan:
        """Plan a start; see live.fleet for what is raised.

        Raises:
            TooLargeError: it is more than one reply holds.
        """
        plan = await self._live.fleet.plan_start(_ids(request.component_ids), resolve=_resolve(request))
        message = self._plan(plan, STARTS)
        size = message.ByteSize()
        if size > limits.GRAPH_BYTES:
            raise TooLargeError(
                f"this plan is {size} bytes, and a reply holds {limits.GRAPH_BYTES}; ask for fewer components",
                details={"limit": limits.GRAPH_BYTES},
            )
        return message

    async def start(self, request: pb.StartComponentsRequest) -> Asked:
        """Begin a start; see live.fleet for what is raised."""
        ids, at_once = _ids(request.component_ids), _at_once(request.max_parallel)
        run = await self._live.fleet.start(ids, resolve=_resolve(request), at_once=at_once)
        return Asked(run, request.quiet)

    async def stop(self, request: pb.StopComponentsRequest) -> Asked:
        """Begin a stop; see live.fleet for what is raised.

        Raises:
            ValidationError: neither components nor all of them are named, or both.
        """
        ids = _ids(request.component_ids)
        if bool(ids) == request.all:
            raise ValidationError.of("all", "must be true, or component_ids be named, and not both", "one_of")
        timeout = request.timeout if request.HasField("timeout") else None
        if timeout is not None and not 0 <= timeout <= _STOP_SECONDS:
            message = f"must be between 0 and {_STOP_SECONDS:g} seconds"
            raise ValidationError.of("timeout", message, "range", limit=_STOP_SECONDS)
        run = await self._live.fleet.stop(
            ids,
            resolve=request.resolve_dependencies,
            force=request.force,
            timeout=timeout,
            at_once=_at_once(request.max_parallel),
        )
        return Asked(run, request.quiet)

    async def messages(self, asked: Asked) -> AsyncIterator[pb.FleetProgress]:
        """Tell how a run goes; see `Run.steps` and, for a quiet one, `Run.outcome` for what is raised."""
        if asked.quiet:
            yield self._progress(await asked.run.outcome(), asked.run.words)
            return
        async for step in asked.run.steps():
            yield self._progress(step, asked.run.words)

    async def bodies(self, asked: Asked) -> AsyncIterator[bytes]:
        """Tell how a run goes as server-sent events, or as one JSON document; see `messages`."""
        async for body in sse.document(self.messages(asked)) if asked.quiet else sse.progress(self.messages(asked)):
            yield body

    def _progress(self, step: Progress, words: Words) -> pb.FleetProgress:
        message = pb.FleetProgress(
            event=step.event,
            component_id=step.component_id,
            timestamp=convert.timestamp(step.at),
            seconds=round(step.seconds, 3),
            message=step.message,
            instance_uuid=step.instance_uuid,
            already=step.already,
            chain=step.chain,
        )
        if step.error is not None:
            message.error.CopyFrom(refusal.told(step.error))
        if step.plan is not None:
            message.plan.CopyFrom(self._plan(step.plan, words))
            if message.ByteSize() > limits.GRAPH_BYTES:
                # A start is not refused for what would only be shown.
                message.plan.ClearField("components")
        if step.summary is not None:
            one = step.summary
            message.summary.CopyFrom(
                pb.FleetSummary(
                    success=one.success,
                    succeeded=one.succeeded,
                    failed=one.failed,
                    skipped=one.skipped,
                    seconds=round(one.seconds, 3),
                )
            )
        return message

    def _plan(self, plan: Plan, words: Words) -> pb.FleetPlan:
        wave = {name: number for number, names in enumerate(plan.waves, 1) for name in names}
        return pb.FleetPlan(
            waves=[pb.DependencyWave(component_ids=names) for names in plan.waves],
            components=[self._planned(plan, name, words, wave.get(name, 0)) for name in (*plan.begins, *plan.skipped)],
            done=plan.done,
            missing=[pb.MissingDependency(component_id=name, needed_by=who) for name, who in plan.missing.items()],
            circular_dependencies=map(texts, plan.cycles),
            complete=plan.complete,
            message=plan.sentence,
        )

    def _planned(self, plan: Plan, name: str, words: Words, wave: int) -> pb.PlannedComponent:
        found = self._live.view.get(name)
        skipped = name in plan.skipped
        doing = "stop" if words is STOPS else "wait" if name in plan.free else "start"
        return pb.PlannedComponent(
            component_id=name,
            action="skip" if skipped else doing,
            status=convert.STATES[found.status if found is not None else ComponentState.UNKNOWN],
            wave=wave,
            waits_for=plan.begins.get(name, ()),
            requested=lookup_key(name) in plan.asked,
            chain=plan.skipped.get(name, ()),
            timeout_seconds=0.0 if words is STOPS or skipped else self._live.fleet.startup_timeout(name),
        )


def _ids(given: Sequence[str]) -> tuple[str, ...]:
    most = limits.PAGE_SIZE
    if len(given) > most:
        raise ValidationError.of("component_ids", f"must have at most {most} items", "max_items", limit=most)
    for index, one in enumerate(given):
        check_text(f"component_ids[{index}]", one, limits.ITEM_CHARS)
        if not one:
            raise ValidationError.of(f"component_ids[{index}]", "must not be empty", "required")
    return tuple(given)


def _resolve(request: pb.PlanStartRequest | pb.StartComponentsRequest) -> bool:
    return request.resolve_dependencies if request.HasField("resolve_dependencies") else True


def _at_once(asked: int) -> int:
    most = limits.PAGE_SIZE
    if not 0 <= asked <= most:
        raise ValidationError.of("max_parallel", f"must be between 0 and {most}", "range", limit=most)
    return asked or AT_ONCE
