"""Resources as the servicers use them: what machines and components use, who watches it, and what is too much."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from tekton.core.errors import CORE_COMPONENT
from tekton.core.ids import lookup_key
from tekton.core.machine import Machine
from tekton.core.view import (
    Commit,
    Component,
    ConstraintsChange,
    Definition,
    DefinitionChange,
    Instance,
    InstanceChange,
    LaunchChange,
    View,
)
from tekton_server.domain import built_in
from tekton_server.domain.alarms import Alarm, Happened, MachineAlarms, Thresholds
from tekton_server.domain.usage import Usage
from tekton_server.live.leases import LeaseTable
from tekton_server.live.pulses import Claim
from tekton_server.live.resources.admission import Admission
from tekton_server.live.resources.book import UsageBook
from tekton_server.live.resources.exchange import Exchange
from tekton_server.live.resources.feed import ResourceFeed
from tekton_server.live.resources.machines import Machines
from tekton_server.live.resources.overuse import Action, Overuse
from tekton_server.live.resources.sampling import Root, Sample, Sampler
from tekton_server.live.standing import over_and_over
from tekton_server.live.writer import Writer
from tekton_server.storage.errors import StorageUnavailableError
from tekton_server.storage.usage import Point, Told, UsageStore

log = logging.getLogger(__name__)

# At first there is nothing to compare with, so the second reading comes soon.
SECOND_AFTER = 1.0
# How long who reads figures waits for the database, in seconds.
ASKED_WITHIN = 5.0

T = TypeVar("T")


class Terms(NamedTuple):
    """How resources are looked after: the settings `monitoring.*` and `resources.*`; times in seconds."""

    interval: float = 10.0
    history: float = 3600.0
    thresholds: Thresholds = Thresholds()
    constraints: Mapping[str, float] = {}
    over_limit: Action = "event"
    over_limit_after: float = 30.0


TERMS = Terms()
Roots = Callable[[], Mapping[str, Root]]
"""Gives where the processes of launched instances begin, by the instances' uuids."""


class Resources:
    """One server's. `sampler` None reads no machine."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        leases: LeaseTable,
        store: UsageStore,
        holder: Callable[[Claim], Awaitable[Instance]],
        sampler: Sampler | None,
        terms: Terms,
    ) -> None:
        self.terms = terms
        self._view = view
        self._leases = leases
        self._store = store
        self._holder = holder
        self._sampler = sampler
        self.machines = Machines(terms.interval, terms.history)
        if sampler is None:
            self.machines.trouble = "nothing reads them here"
        self.book = UsageBook()
        self.feed = ResourceFeed()
        self.machine_alarms = MachineAlarms(terms.thresholds)
        self.overuse = Overuse(
            view, writer, leases, self.book, self._tell, action=terms.over_limit, after=terms.over_limit_after
        )
        self.admission = Admission(view, self.machines, terms.constraints, used=self._launched)
        self.roots: Roots = dict
        self._samples = 0

    @property
    def alarms(self) -> list[Alarm]:
        """What is too much now."""
        return [*self.machine_alarms.standing, *self.overuse.alarms.standing]

    def jobs(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Give the tasks that keep all this going, by their names."""
        failing = "the figures of this machine cannot be read"
        jobs = {
            "resource limits": self.overuse.run(),
            **Exchange(self, self._store, self._leases.ownership, self.terms.interval, self.terms.history).jobs(),
        }
        if self._sampler is not None:
            jobs["figures"] = over_and_over(self.sample, self._pause, failing, again="they can again", at_once=True)
        return jobs

    def _pause(self) -> float:
        return min(SECOND_AFTER, self.terms.interval) if self._samples == 1 else self.terms.interval

    def close(self) -> None:
        """End every watch, and let go of the machine."""
        self.feed.close()
        if self._sampler is not None:
            self._sampler.close()

    # What comes in.

    async def sample(self) -> None:
        """Read the machine and the launched instances once.

        Raises:
            UnavailableError: that cannot be done now.
        """
        assert self._sampler is not None
        self._samples += 1
        try:
            self.take(await self._sampler.sample(self.roots()))
        except Exception as error:
            self.machines.trouble = str(error)
            raise

    def take(self, sample: Sample) -> None:
        """Take a reading."""
        self.machines.take(sample.machine, sample.owners)
        self._tell(self.machine_alarms.look(sample.machine))
        self.book.unmeasured(set(sample.usage))
        launched = {one.instance_uuid: one.component_id for one in self._view.launches.values() if one.active}
        for instance_uuid, usage in sample.usage.items():
            instance = self._view.instance(instance_uuid)
            if instance is not None and instance.leased:
                self.book.measure(instance_uuid, usage, sample.machine.at, store=True)
                self._changed(instance)
            elif instance_uuid in launched:
                # It has not registered yet, or never does.
                self.book.measure(instance_uuid, usage, sample.machine.at, store=True)
                self.overuse.look(instance_uuid, launched[instance_uuid])
                self._component_changed(launched[instance_uuid])
            elif instance_uuid in self._built_in:
                # Every server's own, so that nobody else is told.
                self.book.measure(instance_uuid, usage, sample.machine.at, store=False)
                self._component_changed(CORE_COMPONENT)
        self.feed.machines()

    async def report(self, claim: Claim, usage: Usage) -> None:
        """Take what an instance says that it uses.

        Raises:
            ComponentNotFoundError, RegistrationError, StaleSessionError: nobody who may say so.
            StorageUnavailableError: that cannot be known now.
        """
        instance = await self._holder(claim)
        self.book.report(instance.instance_uuid, usage, datetime.now(UTC))
        self._changed(instance)

    def heard(self, told: Told) -> None:
        """Another server has heard what an instance uses."""
        instance = self._view.instance(told.instance_uuid)
        if instance is not None and instance.leased and self.book.heard(told):
            self._changed(instance)

    def others(self, machines: Sequence[Machine]) -> None:
        """Take the figures of the machines of the other servers, all of them."""
        own = self.machines.own.host if self.machines.own is not None else ""
        # Two servers on one machine say the same of it.
        fresh = {machine.host: machine for machine in machines if machine.host != own}
        for machine in fresh.values():
            self._tell(self.machine_alarms.look(machine))
        for gone in {machine.host for machine in self.machines.others} - fresh.keys():
            self._tell(self.machine_alarms.forget(gone))
        if fresh or self.machines.others:
            self.machines.others = tuple(fresh.values())
            self.feed.machines()

    def on_commit(self, commit: Commit) -> None:
        """Follow who there is, in which state, and what may be used."""
        for change in commit.changes:
            if isinstance(change, ConstraintsChange):
                self.overuse.constrained(change.component_id)
            elif isinstance(change, InstanceChange):
                if change.new is None or not change.new.leased:
                    self.book.forget(change.key)
                    self.overuse.forget(change.key)
                self._component_changed(change.component_id)
            elif isinstance(change, LaunchChange) and (change.new is None or not change.new.active):
                launch = change.old or change.new
                if launch is not None and self._view.instance(launch.instance_uuid) is None:
                    self.book.forget(launch.instance_uuid)
                    self.overuse.forget(launch.instance_uuid)
            elif isinstance(change, DefinitionChange):
                self.feed.component(lookup_key(change.key), change.new or change.old)

    # What goes out.

    def owners(self) -> dict[int, str]:
        """Give the component of each process on a GPU of this machine that has one."""
        found: dict[int, str] = {}
        for pid, instance_uuid in self.machines.owners.items():
            instance = self._view.instance(instance_uuid) or self._built_in.get(instance_uuid)
            if instance is not None:
                found[pid] = instance.component_id
        return found

    def counted(self, component: Component) -> list[str]:
        """Give the instances that count for what a component uses now: those with a lease, and a launch that has not
        registered; Tekton's own part.
        """
        found = [one.instance_uuid for one in component.instances.values() if one.leased or one.built_in]
        launch = self._view.launch(component.definition.component_id)
        unheard = launch is not None and launch.active and launch.instance_uuid not in component.instances
        return [*found, launch.instance_uuid] if launch is not None and unheard else found

    async def newest(self, instance_uuids: Sequence[str]) -> dict[str, Told]:
        """Give what is known of instances, from the database where this server alone cannot know.

        Raises:
            StorageUnavailableError: nothing is known here, and the database cannot be asked.
        """
        found = {
            one: Told(one, known.at, known.usage) for one in instance_uuids if (known := self.book.get(one)) is not None
        }
        stored = [one for one in instance_uuids if one not in built_in.UUIDS]
        if stored and (self._leases.ownership.others or len(found) < len(stored)):
            try:
                for told in await _asked(self._store.newest(stored)):
                    if told.instance_uuid not in found or found[told.instance_uuid].at < told.at:
                        found[told.instance_uuid] = self.book.beside(told)
            except StorageUnavailableError:
                if not found:
                    raise
        return found

    async def history(self, instance_uuids: Sequence[str], seconds: float) -> list[Point]:
        """Give what instances used together, in steps of half a minute.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        stored = [one for one in instance_uuids if one not in built_in.UUIDS]
        return await _asked(self._store.history(stored, seconds)) if stored else []

    @property
    def _built_in(self) -> Mapping[str, Instance]:
        core = self._view.built_in.get(CORE_COMPONENT)
        return core.instances if core is not None else {}

    def _launched(self, key: str) -> Usage | None:
        launch = self._view.launches.get(key)
        known = self.book.get(launch.instance_uuid) if launch is not None and launch.active else None
        return known.usage if known is not None else None

    def _changed(self, instance: Instance) -> None:
        self.overuse.look(instance.instance_uuid)
        self._component_changed(instance.component_id)

    def _component_changed(self, component_id: str) -> None:
        if len(self.feed):
            self.feed.component(lookup_key(component_id), self._definition(component_id))

    def _definition(self, component_id: str) -> Definition | None:
        found = self._view.get(component_id)
        return found.definition if found is not None else None

    def _tell(self, happened: list[Happened]) -> None:
        for one in happened:
            log.log(logging.WARNING if one.raised else logging.INFO, "%s", _said(one))
        self.feed.happened(happened, self._definition)


async def _asked(reading: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(ASKED_WITHIN):
            return await reading
    except TimeoutError:
        raise StorageUnavailableError("the database does not answer; try again") from None


def _said(happened: Happened) -> str:
    return happened.alarm.sentence if happened.raised else f"{happened.alarm.sentence}: no longer too much"
