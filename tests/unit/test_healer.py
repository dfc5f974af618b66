"""The healer by the test's own clock: what it begins and when, what holds it, and how it goes on after a restart."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from tekton.core.lifecycle import ComponentState
from tekton.core.view import LaunchDesired, LaunchPhase
from tekton_server.domain.commands import JudgeDependencies, ReviveInstance
from tekton_server.domain.dependents import WITH_AGAIN
from tekton_server.domain.launch_commands import Holder, StopLaunch
from tests.unit.paper import a_registration, a_report
from tests.unit.ward import CAP, ME, OTHER, PATIENCE, STEP, Ward


@pytest_asyncio.fixture
async def ward() -> AsyncIterator[Ward]:
    """A fleet of nobody yet."""
    async with Ward() as made:
        yield made


async def test_a_mass_failure_is_healed_at_the_pace_of_the_cap_and_all_of_it(ward: Ward) -> None:
    """Two hundred fail at once: never more than ten are under way, nor sixty begun within a minute."""
    names = [f"c{number}" for number in range(200)]
    for name in names:
        ward.add(name, dependents="leave")
    for name in names:
        ward.crash(name)
    most, begun = 0, deque[tuple[float, int]]()

    def look() -> None:
        nonlocal most
        up = sum(ward.state(name) == "ready" for name in names)
        claimed = sum(ward.launch(name).epoch > 1 for name in names)
        most = max(most, claimed - up)
        begun.append((ward.clock, claimed))
        while begun[0][0] < ward.clock - 60:
            begun.popleft()
        assert begun[-1][1] - begun[0][1] <= CAP.per_minute

    await ward.run(59, look)
    left = [name for name in names if ward.state(name) != "ready"]
    assert len(left) == 140 and "60 restarts have begun within a minute" in ward.healer.held(left[0])
    await ward.run(150, look)
    assert {ward.state(name) for name in names} == {"ready"} and most == CAP.at_once
    assert ward.healer.restarts == 200


@pytest.mark.parametrize("trouble", ["self-preservation is on", "the database does not answer"])
async def test_while_something_of_ours_is_ill_nothing_is_healed(ward: Ward, trouble: str) -> None:
    """Neither what ended nor what hangs; it is said why, and all of it goes on afterwards."""
    ward.add("a")
    ward.add("b")
    ward.trouble = trouble
    await ward.run(1)
    ward.crash("a")
    ward.hang("b")
    await ward.run(120)
    assert ward.asked == [] and ward.launch("b").phase is LaunchPhase.RUNNING
    assert (ward.healer.held("a"), ward.healer.held("b"), ward.healer.trouble) == (trouble,) * 3
    ward.trouble = None
    await ward.run(20)
    assert (ward.state("a"), ward.state("b"), ward.healer.held("a")) == ("ready", "ready", "")


async def test_one_that_hung_in_our_outage_and_beats_again_is_left_alone(ward: Ward) -> None:
    """Its process was well all the time."""
    ward.add("a")
    ward.trouble = "self-preservation is on"
    await ward.run(1)
    ward.hang("a")
    await ward.run(5)
    uuid = ward.launch("a").instance_uuid
    ward.do(ReviveInstance(component_id="a", instance_uuid=uuid))
    ward.trouble = None
    await ward.run(60)
    assert ward.asked == [] and ward.state("a") == "ready" and ward.launch("a").epoch == 1


async def test_one_that_says_it_failed_is_taken_at_its_word_after_a_while(ward: Ward) -> None:
    """It may come back by itself until then."""
    ward.add("a")
    number = int(ward.launch("a").instance_uuid.replace("-", ""), 16)
    ward.do(a_report(ComponentState.FAILED, "a", number))
    await ward.run(PATIENCE - 1)
    assert ward.asked == []
    ward.do(a_report(ComponentState.READY, "a", number))
    await ward.run(PATIENCE)
    assert ward.asked == []
    ward.do(a_report(ComponentState.FAILED, "a", number))
    await ward.run(PATIENCE + 10)
    assert ward.asked[0] == ("end", "a") and ward.state("a") == "ready"


async def test_a_restart_waits_until_what_it_needs_serves(ward: Ward) -> None:
    """A whole chain comes back from below; who is only waiting takes nobody's place."""
    ward.add("low", backoff=ward.fleet_backoff(8.0))
    ward.add("mid", "low")
    ward.add("top", "mid")
    for name in ("top", "mid", "low"):
        ward.crash(name)
    await ward.run(5)
    assert ward.asked == [] and ward.healer.held("top") == "it needs mid" and ward.healer.held("mid") == "it needs low"
    await ward.run(30)
    assert ward.asked == [("again", "low"), ("again", "mid"), ("again", "top")]
    assert {ward.state(name) for name in ("low", "mid", "top")} == {"ready"}


async def test_one_that_was_late_when_this_server_did_not_run_has_its_time_again(ward: Ward) -> None:
    """All timers come at once then, and what the component has said meanwhile waits to be read."""
    ward.add("a")
    ward.up_after = 1000.0
    ward.crash("a")
    await ward.run(3)
    ward.begun("a")
    await ward.run(1)
    ward.clock += 90.0
    ward.paper.now += timedelta(seconds=90)
    ward.healer._overdue("a", ward.launch("a"))
    await ward.run(5)
    assert ("end", "a") not in ward.asked and ward.watched("a")
    ward.healer._overdue("a", ward.launch("a"))
    await ward.run(5)
    assert ("end", "a") in ward.asked


async def test_what_an_operator_stopped_is_not_healed(ward: Ward) -> None:
    """Neither one that ends then, nor one that waited for its restart."""
    for name in ("a", "b"):
        ward.add(name)
    holder = Holder(ME, "h", "p", frozenset((ME,)))
    ward.do(StopLaunch(component_id="a", holder=holder, seed=ward.new_uuid()))
    ward.crash("a")
    ward.crash("b")
    ward.do(StopLaunch(component_id="b", holder=holder, seed=ward.new_uuid()))
    await ward.run(60)
    assert ward.asked == [] and {ward.launch(name).phase for name in ("a", "b")} == {LaunchPhase.ENDED}


async def test_another_servers_launches_are_its_own_to_heal_and_count_all_the_same(ward: Ward) -> None:
    """All servers together keep within one cap: it is asked under the journal lock."""
    ward = Ward(CAP._replace(at_once=1))
    async with ward:
        ward.add("mine")
        ward.add("theirs", server=OTHER)
        ward.crash("theirs")
        await ward.run(20)
        assert ward.asked == []
        ward.up_after = 15.0
        ward.again_by(OTHER, "theirs")
        ward.crash("mine")
        await ward.run(10)
        assert ward.asked == [] and ward.healer.held("mine").startswith("1 restarts are under way")
        await ward.run(30)
        assert ward.state("theirs") == "ready" and ward.asked == [("again", "mine")]


async def test_a_server_that_begins_again_goes_on_with_the_same_pause(ward: Ward) -> None:
    """And with what has begun within the last minute."""
    ward.add("a", backoff=ward.fleet_backoff(8.0))
    ward.crash("a")
    await ward.run(5)
    await ward.new_server()
    await ward.run(2.5)
    assert ward.asked == []
    await ward.run(1)
    assert ward.asked == [("again", "a")]
    assert ward.launch("a").restart_count == 1
    ward.new_healer()
    assert len(ward.healer._ledger.radius().lately) == 1


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_changes_no_pause(ward: Ward, hours: int) -> None:
    """It is not waited an hour longer, and not skipped."""
    ward.add("a", backoff=ward.fleet_backoff(8.0))
    ward.crash("a")
    await ward.run(1)
    ward.jump = timedelta(hours=hours)
    await ward.run(6.5)
    assert ward.asked == []
    await ward.run(1)
    assert ward.asked == [("again", "a")]


async def test_after_a_restart_of_the_server_a_clock_that_was_set_back_costs_one_longest_pause(ward: Ward) -> None:
    """And not the hour."""
    ward.add("a", backoff=ward.fleet_backoff(8.0))
    ward.crash("a")
    ward.jump = timedelta(hours=-1)
    await ward.new_server()
    await ward.run(7.5)
    assert ward.asked == []
    await ward.run(1)
    assert ward.asked == [("again", "a")]


async def test_of_two_servers_that_take_the_last_room_at_once_one_gets_it(ward: Ward) -> None:
    """The other sees it under the journal lock, and comes later."""
    async with Ward(CAP._replace(at_once=1)) as both:
        both.add("mine")
        both.add("theirs", server=OTHER)
        both.crash("theirs")
        both.crash("mine")
        both.up_after = 3.0
        both.before_claim = lambda: both.again_by(OTHER, "theirs")
        await both.run(2)
        assert both.asked == [("again", "mine")] and both.launch("mine").phase is LaunchPhase.BACKOFF
        assert both.launch("theirs").epoch == 2
        await both.run(20)
        assert both.state("mine") == both.state("theirs") == "ready"


async def test_a_restart_that_comes_to_nothing_is_not_tried_without_end(ward: Ward) -> None:
    """Somebody has started one beside it: as long as that serves, there is none to be made."""
    ward.add("a")
    ward.crash("a")
    await ward.run(STEP)
    ward.do(a_registration("a", 4711, host="10.9.9.9"))
    ward.do(a_report(ComponentState.READY, "a", 4711))
    await ward.run(60)
    assert 1 < len(ward.asked) < 25 and ward.launch("a").epoch == 1


async def test_what_components_json_lost_is_not_started_again_and_says_so(ward: Ward) -> None:
    """Nobody says any more how."""
    ward.add("a")
    ward.crash("a")
    del ward.fleet["a"]
    ward.new_healer()
    await ward.run(30)
    assert ward.asked == [] and ward.healer.held("a") == "components.json does not have it any more"


async def test_without_auto_recover_nothing_is_healed() -> None:
    """What waited for a restart when it was switched off waits on, and says why."""
    async with Ward(auto_recover=False) as ward:
        ward.add("a")
        ward.add("b")
        ward.crash("a")
        ward.hang("b")
        await ward.run(60)
        assert ward.asked == [] and ward.healer.held("a") == "components.auto_recover is off"


async def test_one_that_is_well_for_its_period_begins_anew_with_short_pauses(ward: Ward) -> None:
    """Counted from when it came to serve, over degradations."""
    ward.add("a", reset_after=20.0)
    ward.crash("a")
    await ward.run(5)
    assert (ward.state("a"), ward.launch("a").restart_count) == ("ready", 1)
    await ward.run(8)
    number = int(ward.launch("a").instance_uuid.replace("-", ""), 16)
    ward.do(a_report(ComponentState.DEGRADED, "a", number))
    await ward.run(2)
    ward.do(a_report(ComponentState.READY, "a", number))
    await ward.run(4)
    assert ward.launch("a").restart_count == 1
    await ward.run(4)
    assert ward.launch("a").restart_count == 0 and len(ward.launch("a").restarts) == 1


async def test_a_server_that_begins_again_counts_from_when_the_journal_says_that_it_served(ward: Ward) -> None:
    """What it was well for before is not lost."""
    ward.add("a", reset_after=20.0)
    ward.crash("a")
    await ward.run(15)
    await ward.new_server()
    await ward.run(5)
    assert ward.launch("a").restart_count == 1
    await ward.run(4)
    assert ward.launch("a").restart_count == 0


async def test_dependents_are_restarted_within_the_same_cap(ward: Ward) -> None:
    """Forty rest on one that failed and wants it: they follow, no more than so many at once, and theirs after them."""
    ward.add("base", dependents="restart")
    names = [f"c{number}" for number in range(40)]
    for name in names:
        ward.add(name, "base", dependents="restart")
    ward.add("top", "c7")
    ward.crash("base")
    await ward.run(STEP)
    assert {ward.state(name) for name in names} == {"degraded"}
    under_way: list[int] = []
    await ward.run(30, lambda: under_way.append(ward.healer._ledger.radius().under_way))
    assert {ward.state(name) for name in ("base", *names, "top")} == {"ready"}
    assert [ward.launch(name).epoch for name in ("base", *names, "top")] == [2] * 42
    recovered = [
        change for commit in ward.paper.journal for change in commit.changes if change.cause.reason == WITH_AGAIN
    ]
    assert recovered == [], "who is restarted is not brought back before"
    assert max(under_way) == CAP.width(42) and {ward.launch(name).restart_count for name in names} == {0}


async def test_dependents_that_wait_for_their_restart_get_it_after_a_restart_of_the_server(ward: Ward) -> None:
    """They are still degraded for what failed: that is what is left of it in the journal."""
    ward.add("base", dependents="restart")
    ward.add("upper", "base")
    ward.crash("base")
    await ward.run(1)
    assert ward.state("upper") == "degraded"
    while ward.state("base") != "ready":
        ward.clock += STEP
        ward.paper.now += timedelta(seconds=STEP)
        ward.up_now()
        if ward.state("base") != "ready":
            await ward.settle()
    await ward.new_server()
    await ward.run(10)
    assert ("restart", "upper") in ward.asked and ward.state("upper") == "ready"


async def test_dependents_come_back_wherever_what_they_need_does(ward: Ward) -> None:
    """The server that followed it has judged them and is gone; an operator starts it here."""
    ward.add("base", server=OTHER)
    ward.add("upper", "base", server=OTHER)
    ward.crash("base")
    upper = ward.view.instances[ward.launch("upper").instance_uuid]
    ward.do(JudgeDependencies(instance_uuid=upper.instance_uuid, granted=upper.granted, lacking=("base",)))
    await ward.run(5)
    assert ward.state("upper") == "degraded" and ward.asked == []
    ward.add("base")
    await ward.run(1)
    assert ward.state("base") == ward.state("upper") == "ready"


async def test_the_last_word_of_a_dependent_itself_stands(ward: Ward) -> None:
    """It says that it is ready without what failed: so it is, until that has come back and fails anew."""
    ward.add("base", backoff=ward.fleet_backoff(8.0))
    ward.add("upper", "base")
    ward.crash("base")
    await ward.run(1)
    assert ward.state("upper") == "degraded"
    number = int(ward.launch("upper").instance_uuid.replace("-", ""), 16)
    ward.do(a_report(ComponentState.READY, "upper", number))
    await ward.run(3)
    assert ward.state("upper") == "ready"
    await ward.run(20)
    ward.crash("base")
    await ward.run(1)
    assert ward.state("upper") == "degraded"


async def test_who_was_stopped_by_an_operator_meanwhile_is_not_started_again_with_what_it_needs(ward: Ward) -> None:
    """Its restart is decided, and then somebody stops it: a wish to have it stopped wins over all healing."""
    ward.add("base", dependents="restart")
    ward.add("upper", "base")
    ward.before_end = lambda: ward.do(StopLaunch(component_id="upper", holder=ward.holder, seed=ward.new_uuid()))
    ward.crash("base")
    await ward.run(30)
    assert ("restart", "upper") in ward.asked and ward.state("base") == "ready"
    assert (ward.launch("upper").desired, ward.launch("upper").epoch) == (LaunchDesired.STOPPED, 1)


async def test_what_the_machine_refuses_ends_no_healing(ward: Ward) -> None:
    """A full disk, say, while one that hangs is to be stopped: it is tried again, and the others are healed."""
    ward.add("hanging")
    ward.add("other")

    def full() -> None:
        raise OSError(28, "No space left on device")

    ward.before_end = full
    ward.hang("hanging")
    ward.crash("other")
    await ward.run(3)
    assert ward.state("other") == "ready" and ward.state("hanging") == "failed"
    await ward.run(20)
    assert ward.asked.count(("end", "hanging")) == 2 and ward.state("hanging") == "ready"


async def test_one_that_registers_as_another_component_is_late(ward: Ward) -> None:
    """What it is ready as is not what was started."""
    ward.add("a")
    ward.up_after = 1000.0
    ward.crash("a")
    await ward.run(3)
    ward.begun("a")
    number = int(ward.launch("a").instance_uuid.replace("-", ""), 16)
    ward.do(a_registration("b", number, host="10.9.9.9"))
    ward.do(a_report(ComponentState.READY, "b", number))
    await ward.run(1)
    assert ward.watched("a")
    ward.healer._overdue("a", ward.launch("a"))
    await ward.run(1)
    assert ward.asked[-1] == ("end", "a")


async def test_a_large_fleet_of_which_everything_is_down_holds_nobody_up(ward: Ward) -> None:
    """Each look at it takes a moment of the event loop, however much lies below each component."""
    layers = [[f"c{layer}-{number}" for number in range(20)] for layer in range(75)]
    for below, layer in zip([[], *layers], layers, strict=False):
        for number, name in enumerate(layer):
            ward.add(name, *(below * 2)[number : number + 3])
    for layer in layers:
        for name in layer:
            ward.crash(name)
    ward.healer.look(ward._group)
    began = time.process_time()
    ward.healer.look(ward._group)
    assert time.process_time() - began < 0.5
    assert ward.healer.held("c9-8").startswith("it needs c8_8, c8_9, c8_10")
