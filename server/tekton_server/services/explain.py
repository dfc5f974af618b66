"""Why a component is not ready, as replies show it: the chain out of the view, the evidence out of the journal."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.view import Cause, Component, Instance
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.domain import explain, explain_launch, explain_notes
from tekton_server.domain.explain import Condition, Explanation
from tekton_server.domain.explain_notes import Liveness
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, starting
from tekton_server.services.base import now
from tekton_server.services.graphs import texts
from tekton_server.storage.error_reports import KeptReport
from tekton_server.storage.errors import StorageUnavailableError
from tekton_server.storage.transitions import END

log = logging.getLogger(__name__)

# An operator asks when things are bad: what is known is told soon, without what the database keeps back.
_EVIDENCE_WITHIN = 2.0
# Of so many, why they came into their state is looked up where their last change does not tell.
_FIRST_CAUSES = 10
_NO_EVIDENCE = "its evidence is in the journal, which cannot be read now"


class _Evidence(NamedTuple):
    """Why an instance changed last, and, where that left its state as it was, why it had come into it."""

    last: Cause
    first: Cause | None


class _Kept(NamedTuple):
    """What the database has of those who are explained: by instance, and by look-up key."""

    evidence: dict[str, _Evidence]
    errors: dict[str, KeptReport]


class Explanations:
    """Makes the replies. That something is missing is only said after asking the database."""

    def __init__(self, live: LiveRegistry) -> None:
        self._live = live

    async def confirmed(self, component: Component) -> Explanation:
        """Explain a component.

        Raises:
            StorageUnavailableError: something is missing, as far as is known, and that cannot be asked now.
        """
        found = explain.explain(self._live.view, component)
        if found.missing:
            await self._live.confirm()
            # One that was removed meanwhile is explained as it was.
            component = self._live.view.get(component.definition.component_id) or component
            found = explain.explain(self._live.view, component)
        return found

    async def reply(self, component: Component) -> pb.ExplainComponentResponse:
        """Explain a component, with its evidence where the journal can be read."""
        found = await self.confirmed(component)
        kept = await self._kept(found)
        return pb.ExplainComponentResponse(
            component_id=found.conditions[0].component_id,
            status=convert.STATES[found.conditions[0].status],
            well=found.well,
            message=found.message,
            conditions=[self._condition(one, kept) for one in found.conditions],
            root_causes=found.root_causes,
            circular_dependencies=map(texts, found.cycles),
            complete=found.complete,
        )

    async def _kept(self, found: Explanation) -> _Kept | None:
        """Read what the database has of the instances; None where it cannot be read now."""
        shown = [one.instance for one in found.conditions if one.instance is not None and not one.instance.built_in]
        if not shown:
            return _Kept({}, {})
        try:
            async with asyncio.timeout(_EVIDENCE_WITHIN):
                keys = [lookup_key(one.component_id) for one in shown]
                return _Kept(await self._read(shown), await self._live.error_reports.store.last(keys))
        except (StorageUnavailableError, TimeoutError) as error:
            log.info("an explanation goes without its evidence: %s", error or "the database does not answer")
            return None

    async def _read(self, shown: list[Instance]) -> dict[str, _Evidence]:
        last = await self._live.store.last_changes({one.instance_uuid: one.revision for one in shown})
        evidence: dict[str, _Evidence] = {}
        asked = 0
        for instance in shown:
            change = last.get(instance.instance_uuid)
            if change is None:
                continue
            first = None
            if not change.moved and asked < _FIRST_CAUSES:
                asked += 1
                first = await self._first_cause(instance)
            evidence[instance.instance_uuid] = _Evidence(change.cause, first)
        return evidence

    async def _first_cause(self, instance: Instance) -> Cause | None:
        """Read why an instance came into its state, where its last change only confirmed that."""
        key = lookup_key(instance.component_id)
        page = await self._live.store.transitions(key, END, instance.instance_uuid, 1, 1)
        return page.found[0].change.cause if page.found else None

    def _condition(self, found: Condition, kept: _Kept | None) -> pb.Condition:
        notes = explain_notes.notes(self._live.view, found, self._lease(found.instance), now())
        message = pb.Condition(
            component_id=found.component_id,
            status=convert.STATES[found.status],
            registered=found.component is not None,
            message=f"{found.component_id} {found.sentence}",
            waits_for=found.waits_for,
            root_cause=found.root_cause,
            status_detail=starting.detail(found.launch),
        )
        if found.launch is not None:
            held = self._live.healer.held(found.component_id) if self._live.healer is not None else ""
            notes += explain_launch.notes(found.launch, held)
        if found.instance is not None:
            self._fill_in(message, found.instance)
            if kept is not None:
                notes += _remembered(message, found.instance, kept)
            elif not found.instance.built_in:
                notes.append(_NO_EVIDENCE)
        message.notes.extend(notes)
        return message

    def _fill_in(self, message: pb.Condition, instance: Instance) -> None:
        message.instance_uuid = instance.instance_uuid
        message.status_reason = instance.reason
        # Empty values are shown.
        message.evidence.SetInParent()
        convert.set_time(message.status_since, instance.state_since)
        stamp = self._live.leases.stamp(instance)
        message.suspect = stamp.suspect
        if stamp.beat_at > instance.registered_at:
            convert.set_time(message.last_heartbeat, stamp.beat_at)

    def _lease(self, instance: Instance | None) -> Liveness | None:
        lease = self._live.leases.get(instance.instance_uuid) if instance is not None else None
        if lease is None or instance is None:
            return None
        silent = max(0.0, self._live.leases.now() - lease.beat_seconds)
        beaten = lease.beat_at if lease.beat_at > instance.registered_at else None
        return Liveness(beaten, lease.suspect, silent, lease.terms.timeout)


def _remembered(message: pb.Condition, instance: Instance, kept: _Kept) -> list[str]:
    """Put an instance's evidence into its message; gives what else is remembered of it."""
    notes = []
    known = kept.evidence.get(instance.instance_uuid)
    if known is not None:
        message.evidence.update(known.last.evidence)
        notes += explain_notes.before(instance, known.first)
    error = kept.errors.get(lookup_key(instance.component_id))
    if error is not None:
        notes.append(explain_notes.reported(error.report, error.reported_at))
    return notes
