"""Whatever is asked, in whatever order and batches: what every decision keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tekton.core.errors import TektonError
from tekton.core.ids import Token, lookup_key
from tekton.core.lifecycle import VALID_TRANSITIONS
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Change, Commit, Definition, DefinitionChange, Instance, InstanceChange, View, address_of
from tekton_server.domain.commands import (
    Command,
    EndInstance,
    ExpireLease,
    JudgeBusy,
    RegisterComponent,
    RemoveComponent,
    ReportState,
    ReviveInstance,
    UpdateComponent,
)
from tekton_server.domain.decide import _DECIDERS, decide
from tekton_server.domain.overlay import Overlay
from tests.unit.paper import HISTORY, NOON, uuid_of

IDS = ["athena", "llm-adapter", "llm_adapter"]
UUIDS = [uuid_of(number) for number in range(1, 8)]
HOSTS = ["localhost", "127.0.0.1", "10.0.0.7"]
MACHINES = ["", "", "10.0.0.7"]
PORTS = [0, 8000, 8001]
ADDRESSES = sorted(
    {a for host in HOSTS for port in PORTS for where in MACHINES if (a := address_of(host, port, where))}
)

ids = st.sampled_from(IDS)
uuids = st.sampled_from(UUIDS)
grants = st.none() | st.none() | st.integers(1, 12)
tokens = grants.map(lambda granted: granted and Token(HISTORY, granted))
expectations = st.none() | st.none() | st.integers(0, 5)
registrations = st.builds(
    RegisterComponent,
    component_id=ids,
    component_name=st.sampled_from(["A", "B", ""]),
    component_type=st.sampled_from(["core", "core", "ui"]),
    version=st.sampled_from(["1.0.0", "1.0.0", "new"]),
    capabilities=st.lists(st.sampled_from(["planning", "memory"]), max_size=2).map(tuple),
    host=st.sampled_from(HOSTS),
    port=st.sampled_from(PORTS),
    machine=st.sampled_from(MACHINES),
    metadata=st.sampled_from([{"no_listener": True}, {"no_listener": True}, {}]),
    instance_uuid=uuids,
    replace=st.booleans(),
    expected_revision=expectations,
)

patches = st.fixed_dictionaries(
    {},
    optional={
        "component_name": st.sampled_from(["A", "B", None, 5]),
        "component_type": st.sampled_from(["core", "ui"]),
        "capabilities": st.none() | st.lists(st.sampled_from(["planning", "memory"]), max_size=2),
        "metadata": st.sampled_from([{}, {"a": 1}, {"a": None}, None]),
    },
)


class ARegistry(RuleBasedStateMachine):
    """Commands of every kind are decided in batches on an overlay, while a shadow view folds each commit at once."""

    @initialize()
    def empty(self) -> None:
        self.view, self.shadow = View(HISTORY), View(HISTORY)
        self.overlay = Overlay(self.view)
        self.pending: list[Commit] = []
        self.now = NOON

    @rule(command=registrations)
    def register(self, command: RegisterComponent) -> None:
        self._decide(command)

    @rule(
        uuid=uuids, other=ids, wrong=st.integers(0, 9), token=tokens, state=st.sampled_from(State), claim=st.booleans()
    )
    def report(self, uuid: str, other: str, wrong: int, token: Token | None, state: State, claim: bool) -> None:
        component_id = self._owner(uuid, other, wrong)
        self._decide(
            ReportState(component_id=component_id, instance_uuid=uuid, fencing_token=token, state=state, claim=claim)
        )

    @rule(uuid=uuids, other=ids, wrong=st.integers(0, 9), token=tokens, reason=st.sampled_from(["", "lease_expired"]))
    def end(self, uuid: str, other: str, wrong: int, token: Token | None, reason: str) -> None:
        component_id = self._owner(uuid, other, wrong)
        self._decide(EndInstance(component_id=component_id, instance_uuid=uuid, fencing_token=token, reason=reason))

    @rule(component_id=ids, expected=expectations, patch=patches)
    def update(self, component_id: str, expected: int | None, patch: dict[str, Any]) -> None:
        self._decide(UpdateComponent(component_id=component_id, patch=patch, expected_revision=expected))

    @rule(component_id=ids, expected=expectations)
    def remove(self, component_id: str, expected: int | None) -> None:
        self._decide(RemoveComponent(component_id=component_id, expected_revision=expected))

    @rule(uuid=uuids, wrong=st.integers(0, 9))
    def expire(self, uuid: str, wrong: int) -> None:
        """Judged for its present grant, mostly; sometimes for one of earlier."""
        instance = self.shadow.instance(uuid)
        self._decide(ExpireLease(instance_uuid=uuid, granted=instance.granted if instance and wrong else 1))

    @rule(uuid=uuids, wrong=st.integers(0, 9), busy=st.booleans())
    def judge_busy(self, uuid: str, wrong: int, busy: bool) -> None:
        """As an expiry is judged."""
        instance = self.shadow.instance(uuid)
        granted = instance.granted if instance and wrong else 1
        self._decide(JudgeBusy(instance_uuid=uuid, granted=granted, busy=busy))

    @rule(uuid=uuids, other=ids, wrong=st.integers(0, 9), token=tokens, state=st.none() | st.sampled_from(State))
    def revive(self, uuid: str, other: str, wrong: int, token: Token | None, state: State | None) -> None:
        component_id = self._owner(uuid, other, wrong)
        self._decide(ReviveInstance(component_id=component_id, instance_uuid=uuid, fencing_token=token, state=state))

    @rule()
    def commit(self) -> None:
        """The batch ends: the view folds it, and the next one is decided on a fresh overlay."""
        for commit in self.pending:
            self.view.fold(commit)
        self.pending.clear()
        self.overlay = Overlay(self.view)

    @invariant()
    def the_overlay_answers_like_a_view_that_folded_its_changes(self) -> None:
        overlay, shadow = self.overlay, self.shadow
        assert overlay.revision == shadow.revision + 1
        assert overlay.history_id == shadow.history_id
        for component_id in IDS:
            assert overlay.definition(component_id) == shadow.definition(component_id)
            assert overlay.instances_of(component_id) == shadow.instances_of(component_id)
        for uuid in UUIDS:
            assert overlay.instance(uuid) == shadow.instance(uuid)
        for address in ADDRESSES:
            assert overlay.leased_at(address) == shadow.leased_at(address)

    @invariant()
    def an_address_has_at_most_one_leased_instance(self) -> None:
        held = [i.address for i in self.shadow.instances.values() if i.leased and i.address]
        assert len(held) == len(set(held))
        for address in held:
            holder = self.shadow.leased_at(address)
            assert holder is not None and holder.leased and holder.address == address

    @invariant()
    def every_record_makes_sense_by_itself(self) -> None:
        revision = self.shadow.revision
        for instance in self.shadow.instances.values():
            assert instance.granted <= instance.revision <= revision
            assert instance.registered_at <= instance.state_since <= self.now
            assert (instance.state is State.STOPPED) is (instance.ended_at is not None)
            assert not (instance.leased and instance.state in (State.STOPPED, State.UNKNOWN))
            assert instance.leased or instance.state in (State.STOPPED, State.FAILED)
            assert self.shadow.definition(instance.component_id) is not None
        assert all(c.definition.revision <= revision for c in self.shadow.components.values())

    def _owner(self, uuid: str, other: str, wrong: int) -> str:
        """Mostly speak for an instance under its own component."""
        instance = self.shadow.instance(uuid)
        return instance.component_id if instance and wrong else other

    def _decide(self, command: Command) -> None:
        self.now += timedelta(seconds=1)
        revision = self.overlay.revision
        try:
            decision = decide(self.overlay, command, self.now)
        except TektonError:
            return
        if not decision.changes:
            return
        commit = Commit(revision, self.now, decision.changes)
        self._is_sound(commit, command)
        self.shadow.fold(commit)
        self.overlay.accept(decision.changes)
        self.pending.append(commit)

    def _is_sound(self, commit: Commit, command: Command) -> None:
        """Each change starts from what stands, carries the commit's revision, and is a legal step."""
        standing: dict[Any, Definition | Instance | None] = {}
        for change in commit.changes:
            key = type(change), lookup_key(change.key)
            before = standing[key] if key in standing else self._stands(change)
            assert change.old == before
            assert change.new != change.old
            standing[key] = change.new
            if change.new is not None:
                assert change.new.revision == commit.revision
            if isinstance(change, InstanceChange):
                _is_legal(change, commit, command)

    def _stands(self, change: Change) -> Definition | Instance | None:
        if isinstance(change, DefinitionChange):
            return self.shadow.definition(change.key)
        return self.shadow.instance(change.key)


def _is_legal(change: InstanceChange, commit: Commit, command: Command) -> None:
    old, new = change.old, change.new
    if new is None:
        assert isinstance(command, RemoveComponent)
        assert old is not None and old.state is State.STOPPED
        return
    if old is None:
        assert isinstance(command, RegisterComponent)
        assert (new.state, new.leased, new.granted) == (State.REGISTERING, True, commit.revision)
        return
    assert old.state is not State.STOPPED, "nothing leaves stopped"
    assert new.state is old.state or new.state in VALID_TRANSITIONS[old.state]
    assert new.state_since == (old.state_since if new.state is old.state else commit.recorded_at)
    assert (new.granted, new.registered_at, new.fingerprint) == (old.granted, old.registered_at, old.fingerprint)
    if isinstance(command, JudgeBusy):
        assert old.leased and (old.state, new.state) in ((State.READY, State.DEGRADED), (State.DEGRADED, State.READY))
        assert State.READY is not new.state or old.reason == "event_loop_blocked"
    if new.leased and not old.leased:
        assert isinstance(command, ReviveInstance)
    elif not old.leased and not isinstance(command, ReviveInstance):
        assert new.state in (State.STOPPING, State.STOPPED), "without a lease there is only the end"


TestARegistry = ARegistry.TestCase
TestARegistry.settings = settings(max_examples=150)


def test_every_command_has_one_who_decides_it() -> None:
    """So that a new one is not found missing when it comes."""
    assert set(get_args(Command)) == set(_DECIDERS)
