"""Launches as decisions: one copy of each component, the last operator's word, and what the end of a process means."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tekton.core.errors import AlreadyExistsError, ComponentNotFoundError, RegistrationError, ValidationError
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandKind
from tekton.core.view import CommandChange, Launch, LaunchDesired, LaunchPhase
from tekton_server.domain.commands import PostCommand, RemoveComponent
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_commands import (
    AdoptLaunch,
    BeginLaunch,
    Claimed,
    ClaimLaunch,
    DeclareComponents,
    EndLaunch,
    Holder,
    StopAsked,
    StopLaunch,
)
from tekton_server.domain.launch_spec import LaunchSpec, Restart
from tests.unit.paper import Paper, a_registration, a_report, uuid_of

BOTH = frozenset({"one", "two"})
ONE, TWO = Holder("one", "h1", "p1", BOTH), Holder("two", "h2", "p2", BOTH)
ATHENA = FleetComponent(
    component_id="athena",
    component_name="Athena",
    component_type="core",
    dependencies=("hermes",),
    spec=LaunchSpec(command=("athena",)),
)


def a_claim(uuid: int = 1, holder: Holder = ONE, **fields: Any) -> ClaimLaunch:
    """A server claims athena."""
    return ClaimLaunch(component=ATHENA, instance_uuid=uuid_of(uuid), holder=holder, **fields)


def a_stop(holder: Holder = ONE, **fields: Any) -> StopLaunch:
    """An operator stops athena."""
    return StopLaunch(component_id="athena", holder=holder, seed=str(UUID(int=99)), **fields)


def an_end(launch: Launch, **fields: Any) -> EndLaunch:
    """The process of a launch has ended."""
    given: dict[str, Any] = {"exit": "exit code 1", "next_uuid": uuid_of(77)} | fields
    return EndLaunch(component_id="athena", epoch=launch.epoch, instance_uuid=launch.instance_uuid, **given)


def launch_of(paper: Paper) -> Launch:
    """The launch as it stands."""
    found = paper.view.launch("athena")
    assert found is not None
    return found


@pytest.fixture
def running() -> Paper:
    """Athena was launched as number 1, runs and is ready."""
    paper = Paper()
    assert paper.do(a_claim()).made
    paper.do(BeginLaunch(component_id="athena", epoch=1))
    paper.do(a_registration())
    paper.do(a_report(ComponentState.READY))
    return paper


def test_the_first_claim_of_a_component_makes_it_seen() -> None:
    """As its operator has described it; registering then says what it is itself."""
    paper = Paper()
    claimed: Claimed = paper.do(a_claim())
    assert claimed.made and claimed.launch == launch_of(paper)
    definition = paper.view.definition("athena")
    assert definition is not None and (definition.component_name, definition.dependencies) == ("Athena", ("hermes",))
    paper.do(a_registration(component_name="Athena herself"))
    assert paper.view.get("athena").definition.component_name == "Athena herself"  # type: ignore[union-attr]


def test_a_second_claim_is_told_the_first(running: Paper) -> None:
    """Whoever makes it."""
    for holder in (ONE, TWO):
        found: Claimed = running.changes_nothing(a_claim(2, holder))
        assert (found.made, found.launch) == (False, launch_of(running))


def test_a_claim_is_told_of_an_instance_that_nobody_launched() -> None:
    """Unless it is on its way out: then another copy is started."""
    paper = Paper()
    paper.do(a_registration(uuid=5))
    found: Claimed = paper.changes_nothing(a_claim())
    assert found.running is not None and found.running.instance_uuid == uuid_of(5)
    paper.brought_to(ComponentState.STOPPING, uuid=5)
    assert paper.do(a_claim()).made


def test_tekton_itself_is_not_launched() -> None:
    """It is there already."""
    core = FleetComponent(component_id="tekton-core", component_name="x", component_type="x", spec=ATHENA.spec)
    Paper().refuses(AlreadyExistsError, ClaimLaunch(component=core, instance_uuid=uuid_of(1), holder=ONE))


def test_a_claim_of_a_server_that_is_gone_counts_for_as_long_as_its_instance_holds_a_lease(running: Paper) -> None:
    """Then it is another's, with the next epoch; what comes back of the first changes nothing."""
    alone = Holder("two", "h2", "p2", frozenset({"two"}))
    old = launch_of(running)
    assert not running.do(a_claim(2, alone)).made
    running.expire()
    assert running.do(a_claim(2, alone)).made
    taken = launch_of(running)
    assert (taken.epoch, taken.server_id) == (2, "two")
    running.changes_nothing(BeginLaunch(component_id="athena", epoch=1))
    back = AdoptLaunch(component=ATHENA, component_id="athena", epoch=1, instance_uuid=old.instance_uuid, holder=ONE)
    assert running.changes_nothing(back) == taken
    running.changes_nothing(an_end(old))


@pytest.mark.parametrize("state", [one for one in ComponentState if one not in (ComponentState.UNKNOWN,)])
@pytest.mark.parametrize("clean", [True, False])
def test_a_process_that_ends_ends_its_instance_from_every_state(state: ComponentState, clean: bool) -> None:
    """It failed, unless it was on its way out and ended well, or had said goodbye."""
    paper = Paper()
    paper.do(a_claim())
    paper.do(a_registration())
    if state is not ComponentState.REGISTERING:
        paper.brought_to(state)
    paper.do(an_end(launch_of(paper), clean=clean, evidence={"exit_code": 1}))
    ended = paper.instance()
    well = state is ComponentState.STOPPED or (state is ComponentState.STOPPING and clean)
    assert ended.state is (ComponentState.STOPPED if well else ComponentState.FAILED)
    assert not ended.leased
    if state is not ComponentState.STOPPED:
        assert ended.reason == "process_exited"
    assert (launch_of(paper).phase, launch_of(paper).last_exit) == (LaunchPhase.ENDED, "exit code 1")


@pytest.mark.parametrize(("began", "reason"), [(True, "process_exited"), (False, "startup_failed")])
def test_a_process_that_ends_before_it_registered_is_a_failed_instance(began: bool, reason: str) -> None:
    """Its uuid is used up."""
    paper = Paper()
    paper.do(a_claim())
    paper.do(an_end(launch_of(paper), began=began))
    assert (paper.instance().state, paper.instance().reason) == (ComponentState.FAILED, reason)
    assert paper.view.get("athena").status is ComponentState.FAILED  # type: ignore[union-attr]


@pytest.mark.parametrize(("began", "phase"), [(True, LaunchPhase.BACKOFF), (False, LaunchPhase.ENDED)])
def test_one_that_began_and_ended_before_that_was_recorded_is_healed(began: bool, phase: LaunchPhase) -> None:
    """Its server was killed in between, so nobody was told; one that could not begin is the caller's business."""
    paper = Paper()
    paper.do(a_claim())
    paper.do(an_end(launch_of(paper), began=began, restart=Restart()))
    assert launch_of(paper).phase is phase


def test_a_stop_tells_the_instance_and_sets_a_deadline(running: Paper) -> None:
    """Twice is once: the shorter patience counts, and the force of either."""
    asked: StopAsked = running.do(a_stop(TWO, seconds=30))
    launch = launch_of(running)
    assert asked == StopAsked(launch, ())
    assert (launch.phase, launch.desired, launch.force) == (LaunchPhase.STOPPING, LaunchDesired.STOPPED, False)
    assert launch.stop_by == running.now + timedelta(seconds=30)
    [command] = running.view.commands.pending(uuid_of(1))
    assert command.kind is CommandKind.STOP
    running.changes_nothing(a_stop(seconds=300))
    running.do(a_stop(seconds=5, force=True))
    assert (launch_of(running).force, launch_of(running).stop_by) == (True, running.now + timedelta(seconds=5))
    running.changes_nothing(a_stop(seconds=100))
    assert len(running.view.commands.of(uuid_of(1))) == 1
    running.do(an_end(launch_of(running)))
    assert (running.instance().state, running.instance().reason) == (ComponentState.STOPPED, "stop_requested")
    assert launch_of(running).desired is LaunchDesired.STOPPED


def test_a_stop_counts_though_too_many_commands_wait(running: Paper) -> None:
    """It is signalled then."""
    for _ in range(16):
        running.do(
            PostCommand(component_id="athena", kind=CommandKind.RELOAD, seed=str(UUID(int=len(running.journal))))
        )
    running.do(a_stop())
    assert launch_of(running).phase is LaunchPhase.STOPPING
    assert not [one for one in running.last() if isinstance(one, CommandChange)]


def test_a_restart_is_claimed_again_in_the_commit_of_the_end(running: Paper) -> None:
    """So that no crash comes in between; a stop that comes after it wins."""
    restart = a_stop(desired=LaunchDesired.RUNNING, kind=CommandKind.RESTART)
    running.do(restart)
    running.do(an_end(launch_of(running)))
    again = launch_of(running)
    assert (again.epoch, again.phase, again.instance_uuid) == (2, LaunchPhase.CLAIMED, uuid_of(77))
    running.do(restart)
    running.do(a_stop())
    running.do(an_end(launch_of(running)))
    assert (launch_of(running).epoch, launch_of(running).phase) == (2, LaunchPhase.ENDED)


def test_a_restart_of_one_launch_leaves_alone_what_an_operator_said_since(running: Paper) -> None:
    """Whoever heals a dependent must not start again what was stopped, nor what was started again already."""
    restart = a_stop(desired=LaunchDesired.RUNNING, kind=CommandKind.RESTART, epoch=1)
    running.do(a_stop())
    assert running.changes_nothing(restart) == StopAsked(None, ())
    running.do(an_end(launch_of(running)))
    running.changes_nothing(restart)
    running.do(a_claim(2))
    running.do(BeginLaunch(component_id="athena", epoch=2))
    running.changes_nothing(restart)
    assert running.do(msgspec.structs.replace(restart, epoch=2)).launch.phase is LaunchPhase.STOPPING


def test_a_stop_of_what_nobody_launched_is_a_command_alone() -> None:
    """Every instance is told."""
    paper = Paper()
    paper.do(a_registration(uuid=1))
    paper.do(a_registration(uuid=2, port=8006))
    asked: StopAsked = paper.do(a_stop())
    assert asked.launch is None and len(asked.others) == 2
    assert all(isinstance(one, CommandChange) for one in paper.last())
    assert paper.do(a_stop(instance_uuid=uuid_of(2))).others == (paper.instance(2),)


def test_what_nobody_knows_is_not_stopped() -> None:
    """Nor is a part of Tekton, nor anything for less than no time."""
    paper = Paper()
    paper.refuses(ComponentNotFoundError, a_stop())
    core = StopLaunch(component_id="tekton_core", holder=ONE, seed=uuid_of(9))
    paper.refuses(RegistrationError, core)
    for seconds in (-1.0, 3601.0, float("nan"), float("inf")):
        paper.refuses(ValidationError, a_stop(seconds=seconds))


def test_a_component_that_is_removed_is_stopped_at_once(running: Paper) -> None:
    """Its launch is forgotten with the end of its process; one that does not run, at once."""
    running.do(RemoveComponent(component_id="athena"))
    launch = launch_of(running)
    assert (launch.phase, launch.force, launch.stop_by) == (LaunchPhase.STOPPING, True, running.now)
    running.do(an_end(launch))
    assert running.view.launches == {} and running.view.components == {}
    running.do(a_claim(3))
    running.do(an_end(launch_of(running)))
    running.do(RemoveComponent(component_id="athena"))
    assert running.view.launches == {}


class OneCopy(RuleBasedStateMachine):
    """Two servers with one configuration, operators who want everything at once, and a world with processes in it."""

    def __init__(self) -> None:
        super().__init__()
        self.paper = Paper()
        self.processes: set[str] = set()
        self.ever: list[str] = []
        self.wanted = LaunchDesired.STOPPED
        self.number = 0

    @property
    def launch(self) -> Launch | None:
        return self.paper.view.launch("athena")

    @rule(holder=st.sampled_from([ONE, TWO]), again=st.booleans())
    def start(self, holder: Holder, again: bool) -> None:
        """An operator's start, or a restart that thinks the launch is in back-off, which it never is here."""
        self.number += 1
        before = self.launch
        claimed: Claimed = self.paper.do(a_claim(self.number, holder, after=before.epoch if again and before else None))
        assert not (again and before and claimed.made)
        if claimed.made:
            self.wanted = LaunchDesired.RUNNING

    @precondition(lambda self: self.launch is not None)
    @rule(
        holder=st.sampled_from([ONE, TWO]), seconds=st.sampled_from([0.0, 30.0]), force=st.booleans(), up=st.booleans()
    )
    def stop(self, holder: Holder, seconds: float, force: bool, up: bool) -> None:
        """A stop, or a restart."""
        desired = LaunchDesired.RUNNING if up else LaunchDesired.STOPPED
        asked: StopAsked = self.paper.do(a_stop(holder, seconds=seconds, force=force, desired=desired))
        if asked.launch is not None or not up:
            self.wanted = desired

    @precondition(lambda self: self.launch is not None and self.launch.phase is LaunchPhase.CLAIMED)
    @rule(told=st.booleans())
    def begin(self, told: bool) -> None:
        """The keeper launches what is claimed; a launcher begins an instance once. It may die before it says so."""
        launch = self.launch
        assert launch is not None
        if launch.instance_uuid not in self.ever:
            self.processes.add(launch.instance_uuid)
            self.ever.append(launch.instance_uuid)
        if told:
            self.paper.do(BeginLaunch(component_id="athena", epoch=launch.epoch))

    @precondition(lambda self: self.launch is not None and self.launch.active)
    @rule(twice=st.booleans())
    def end(self, twice: bool) -> None:
        """The process ends, or never was; the record of it may be repeated."""
        launch = self.launch
        assert launch is not None
        self.processes.discard(launch.instance_uuid)
        self.number += 1
        command = an_end(launch, next_uuid=uuid_of(self.number))
        self.paper.do(command)
        if twice:
            self.paper.changes_nothing(command)

    @precondition(lambda self: self.launch is not None)
    @rule(holder=st.sampled_from([ONE, TWO]))
    def adopt(self, holder: Holder) -> None:
        """A server goes on with the launches of its place."""
        launch = self.launch
        assert launch is not None
        self.paper.do(
            AdoptLaunch(
                component=ATHENA,
                component_id="athena",
                epoch=launch.epoch,
                instance_uuid=launch.instance_uuid,
                holder=holder,
            )
        )

    @invariant()
    def one_copy_runs_and_it_is_the_one_that_is_recorded(self) -> None:
        assert len(self.processes) <= 1
        for uuid in self.processes:
            assert self.launch is not None and self.launch.active and self.launch.instance_uuid == uuid

    @invariant()
    def the_last_word_of_an_operator_stands(self) -> None:
        if self.launch is not None:
            assert self.launch.desired is self.wanted

    @invariant()
    def each_launch_has_an_instance_of_its_own(self) -> None:
        epochs: dict[int, str] = {}
        for commit in self.paper.journal:
            for change in commit.changes:
                new = change.new
                if isinstance(new, Launch):
                    assert epochs.setdefault(new.epoch, new.instance_uuid) == new.instance_uuid
        assert len(set(epochs.values())) == len(epochs)


TestOneCopy = OneCopy.TestCase
TestOneCopy.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_what_the_operator_adds_to_the_needs_of_a_component_that_runs_is_seen(running: Paper) -> None:
    """Its own definition stays as it said it; a second time changes nothing."""
    before = running.view.definition("athena")
    assert before is not None
    added = msgspec.structs.replace(ATHENA, component_name="Another", dependencies=("ergon",))
    running.do(DeclareComponents(components=(added,)))
    after = running.view.definition("athena")
    assert after is not None
    assert after.dependencies == ("ergon", *before.dependencies)
    assert after.component_name == before.component_name
    running.do(DeclareComponents(components=(added,)))
    assert running.view.definition("athena") == after
