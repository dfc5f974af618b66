"""The judge of leases by the test's own clock: who is failed, who is pardoned and how often, and how fast.

Terms are the documented ones: beats every 10 s, lost after 30 s. The writer is of paper: it records at once, or not.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tekton.core.errors import UnavailableError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Instance
from tekton_server.domain.preservation import Word
from tekton_server.live.evictions import DEPTH, LEAST, MOST_UNDER_WAY
from tekton_server.live.judge import TICK, Judge
from tekton_server.live.lease import Lease, LeaseHolder, Timing
from tekton_server.live.pace import Pace
from tekton_server.live.presence import Presence

INTERVAL, TIMEOUT = 10.0, 30.0


class PaperWriter:
    """Takes expiries as the writer does: the guard is asked when a batch is decided."""

    def __init__(self, leases: dict[str, Lease], judge: Callable[[], Judge], clock: Callable[[], float]) -> None:
        self.down_since: float | None = None
        self.fails = False
        self.paused = False
        self.expired: dict[str, float] = {}
        self._leases, self._judge, self._clock = leases, judge, clock
        self._waiting: list[tuple[Any, Callable[[], bool], asyncio.Future[Any]]] = []

    def submit_nowait(self, command: Any, *, guard: Callable[[], bool]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, guard, future))
        return future

    def write(self) -> bool:
        """Decide and commit what waits, or fail it; tell whether there was anything."""
        if self.paused or self.down_since is not None or not self._waiting:
            return False
        waiting, self._waiting = self._waiting, []
        for command, guard, future in waiting:
            if self.fails:
                future.set_exception(UnavailableError("not now"))
                continue
            if guard():
                lease = self._leases.pop(command.instance_uuid)
                self._judge().preservation.roll.leave(lease, self._clock(), evicted=True)
                self.expired[command.instance_uuid] = self._clock()
            future.set_result(None)
        return True


class Court:
    """A judge, leases that beat or do not, and a clock that only `run` moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.leases: dict[str, Lease] = {}
        self.writer = PaperWriter(self.leases, lambda: self.judge, lambda: self.now)
        self.pace = Pace(Timing(INTERVAL, TIMEOUT))
        self.judge = Judge(self.leases, self.writer, self, self.pace, lambda: self.now)  # type: ignore[arg-type]
        self.beating: dict[str, float] = {}

    # The ownership of a server that is alone: it judges all, and knows at once of every beat.
    slack = 0.0

    def certain_until(self, lease: Lease) -> float:
        return self.now

    def add(self, name: str, *, stream: Presence | None = None, host: str = "a", beats: bool = True) -> Lease:
        """Grant a lease; it beats at a time of its own within each interval."""
        at = datetime.now(UTC)
        instance = Instance(
            instance_uuid=name, component_id="c", version="1.0.0", host=host, port=1, machine="",
            state=ComponentState.READY, state_since=at, reason="", registered_at=at, ready_at=None, ended_at=None,
            leased=True, granted=1, revision=1, fingerprint="",
        )  # fmt: skip
        lease = self.leases[name] = Lease(instance, self.now, None, self.pace.timing)
        lease.mine = True
        self.judge.preservation.roll.enter(lease, instance, self.now)
        if stream is not None:
            self.judge.preservation.roll.move(lease, stream, self.now)
        self.judge.watch(lease)
        if beats:
            self.beating[name] = self.now + len(self.beating) * 0.37 % INTERVAL
        return lease

    async def run(self, seconds: float, *, heard: bool = True, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass in ticks; beats are `heard` or lost on their way."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += TICK
            each()
            for name, due in self.beating.items():
                if self.now >= due:
                    self.beating[name] = due + INTERVAL
                    if heard and name in self.leases:
                        self.leases[name].beat_seconds = self.now
                        self.leases[name].terms = self.pace.timing
            self.judge.tick()
            while self.writer.write():
                await asyncio.sleep(0)


@pytest.fixture
async def court() -> Court:
    """A court in which nothing has happened yet."""
    return Court()


async def test_who_stops_beating_is_failed_after_its_timeout_and_nobody_else(court: Court) -> None:
    """One of three dies: not earlier, and at most a few ticks later."""
    for name in ("a", "b", "c"):
        court.add(name)
    await court.run(100)
    del court.beating["b"]
    last = court.leases["b"].beat_seconds
    await court.run(60)
    assert list(court.writer.expired) == ["b"]
    assert TIMEOUT <= court.writer.expired["b"] - last <= TIMEOUT + 5 * TICK


async def test_a_database_that_is_down_for_two_timeouts_fails_nobody(court: Court) -> None:
    """Nor does it afterwards fail those who could not be heard meanwhile before a full timeout is over."""
    for number in range(3):
        court.add(str(number))
    await court.run(50)
    court.writer.down_since = court.now
    await court.run(2 * TIMEOUT, heard=False)
    court.writer.down_since = None
    await court.run(TIMEOUT - INTERVAL - 1, heard=False)
    assert not court.writer.expired
    await court.run(100)
    assert not court.writer.expired


@pytest.mark.parametrize("part", ["gateway", "api"])
async def test_a_way_to_us_that_is_closed_for_two_timeouts_fails_nobody(court: Court, part: str) -> None:
    """And who does not come back is failed a full timeout after it is open again."""
    court.add("back")
    court.add("dead")
    await court.run(50)
    court.judge.part(part, False)
    await court.run(2 * TIMEOUT, heard=False)
    court.judge.part(part, False)
    court.judge.part(part, True)
    up = court.now
    del court.beating["dead"]
    await court.run(2 * TIMEOUT)
    assert list(court.writer.expired) == ["dead"]
    assert TIMEOUT <= court.writer.expired["dead"] - up <= TIMEOUT + 1


async def test_a_gateway_that_never_heals_holds_only_for_those_who_beat_through_it(court: Court) -> None:
    """Who is heard all the same calls us directly, and is failed in its time when it dies; no other is at all."""
    direct, dead = court.add("direct"), court.add("dead")
    for number in range(20):
        court.add(f"behind-{number}", stream=Presence())
    await court.run(50)
    behind = {name: court.beating.pop(name) for name in list(court.beating) if name.startswith("behind")}
    court.judge.part("gateway", False)
    await court.run(2 * TIMEOUT)
    del court.beating["dead"]
    died = dead.beat_seconds
    await court.run(10 * TIMEOUT)
    assert list(court.writer.expired) == ["dead"]
    assert TIMEOUT <= court.writer.expired["dead"] - died <= TIMEOUT + 1
    assert not court.judge.preservation.times, "those behind it are not missing, we are"
    court.judge.part("gateway", True)
    await court.run(INTERVAL)
    assert not direct.pardoned, "it was in nobody's way"
    for name in list(behind)[:15]:
        court.beating[name] = court.now
    await court.run(2 * TIMEOUT)
    assert sorted(court.writer.expired) == sorted(["dead", *list(behind)[15:]])


async def test_who_comes_to_another_door_while_the_gateway_is_gone_is_judged_there(court: Court) -> None:
    """Its expiry may already have been put off."""
    lease = court.add("moves")
    await court.run(50)
    court.judge.part("gateway", False)
    await court.run(2 * TIMEOUT, heard=False)
    await court.run(2 * TIMEOUT)
    assert not court.writer.expired
    del court.beating["moves"]
    last = lease.beat_seconds
    await court.run(2 * TIMEOUT)
    assert list(court.writer.expired) == ["moves"]
    assert court.writer.expired["moves"] - last <= 1.5 * TIMEOUT + 1


async def test_a_gateway_that_goes_while_an_expiry_waits_wins(court: Court) -> None:
    """Whoever is judged may beat through it."""
    behind = court.add("behind", beats=False)
    court.writer.paused = True
    await court.run(TIMEOUT + 1)
    assert behind.judging is not None
    court.judge.part("gateway", False)
    court.writer.paused = False
    await court.run(10 * TIMEOUT)
    assert not court.writer.expired


async def test_an_outage_shorter_than_a_beat_interval_pardons_nobody(court: Court) -> None:
    """It costs a beat at most, and three fit into a timeout."""
    court.add("dead", beats=False)
    began = court.now
    await court.run(20)
    court.writer.down_since = court.now
    await court.run(INTERVAL - 1)
    court.writer.down_since = None
    await court.run(5)
    assert court.writer.expired["dead"] - began < TIMEOUT + 1


async def test_a_database_that_flaps_does_not_hide_a_death(court: Court) -> None:
    """Down for 12 s, up for 3 s, for ever: one pardon, and then the dead one is failed; the living are not."""
    for name in ("dead", "alive"):
        court.add(name)
    await court.run(100)
    del court.beating["dead"]
    died = court.now
    for _ in range(12):
        court.writer.down_since = court.now
        await court.run(12)
        court.writer.down_since = None
        await court.run(3)
    assert list(court.writer.expired) == ["dead"]
    assert court.writer.expired["dead"] - died <= 3 * TIMEOUT


async def test_who_was_healthy_for_a_full_timeout_is_pardoned_again(court: Court) -> None:
    """Not before: a beat or two after the first outage are no proof."""
    soon, later = court.add("soon"), court.add("later")
    await court.run(50)
    for lease, healthy in ((soon, TIMEOUT / 2), (later, 3 * TIMEOUT)):
        court.judge.part("gateway", False)
        await court.run(15, heard=False)
        court.judge.part("gateway", True)
        await court.run(0.2)
        first = lease.pardoned
        await court.run(healthy)
        court.judge.part("gateway", False)
        await court.run(15, heard=False)
        court.judge.part("gateway", True)
        await court.run(0.2)
        assert (lease.pardoned > first) == (lease is later)
        await court.run(4 * TIMEOUT)
    assert not court.writer.expired


async def test_an_expiry_that_cannot_be_recorded_is_tried_again_soon_and_gives_no_more_time(court: Court) -> None:
    """It was a full timeout more, each time, for as long as writes failed now and then."""
    court.add("dead", beats=False)
    began = court.now
    court.writer.fails = True
    await court.run(TIMEOUT + 10)
    court.writer.fails = False
    await court.run(3)
    assert court.writer.expired["dead"] - began < TIMEOUT + 13


async def test_an_outage_that_begins_while_an_expiry_waits_wins(court: Court) -> None:
    """The guard is asked under the journal's lock, when the database may just have come back."""
    court.add("late", beats=False)
    court.writer.paused = True
    await court.run(TIMEOUT + 1)
    assert court.leases["late"].judging is not None
    # The whole process was stopped, and this is the first thing that happens now.
    court.now += 15
    court.writer.paused = False
    court.writer.write()
    await asyncio.sleep(0)
    assert not court.writer.expired and court.leases["late"].judging is None
    await court.run(3)
    assert list(court.writer.expired) == ["late"], "its time had been over before"


async def test_many_deaths_at_once_are_evicted_at_a_bounded_rate(court: Court) -> None:
    """8,000 leases of one stream: no tick brings more than its share, and all are failed in ten seconds."""
    stream = Presence()
    for number in range(8000):
        court.add(str(number), stream=stream, beats=False)
    ticks: list[int] = []
    await court.run(TIMEOUT + 20, each=lambda: ticks.append(len(court.writer.expired)))
    assert len(court.writer.expired) == 8000
    grown = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    assert max(grown) <= 800 * DEPTH + MOST_UNDER_WAY
    took = max(court.writer.expired.values()) - min(court.writer.expired.values())
    assert 9 <= took <= 12 and 8000 / took > LEAST
    assert not court.judge.preservation.times, "one session went missing, whatever it carried"


async def test_when_many_sessions_go_missing_at_once_nobody_is_evicted_for_three_timeouts(court: Court) -> None:
    """15 of 40 streams vanish: not one is failed before the mode ends by itself, and then all are, in turn."""
    streams = [Presence() for _ in range(40)]
    for number, stream in enumerate(streams):
        court.add(str(number), stream=stream, host=f"host-{number}")
    await court.run(50)
    for number in range(15):
        del court.beating[str(number)]
    vanished = court.now
    await court.run(1.1 * TIMEOUT)
    told = court.judge.preservation.told()
    assert told.active and (told.missing, told.sessions, told.kept) == (15, 40, 15)
    assert told.reason.startswith("15 of 40 heartbeat sessions are missing")
    await court.run(4 * TIMEOUT)
    assert sorted(map(int, court.writer.expired)) == list(range(15))
    first = min(court.writer.expired.values()) - vanished
    assert 3 * TIMEOUT + TIMEOUT / 2 - INTERVAL <= first <= 4 * TIMEOUT
    await court.run(3 * TIMEOUT)
    assert len(court.writer.expired) == 15 and court.judge.preservation.times == 1


async def test_those_who_come_back_end_it_and_are_spared(court: Court) -> None:
    """The network was it: 12 of 15 beat again, the mode ends, and three are failed."""
    for number in range(40):
        court.add(str(number), stream=Presence())
    await court.run(50)
    quiet = {name: court.beating.pop(name) for name in map(str, range(15))}
    await court.run(1.5 * TIMEOUT)
    assert court.judge.preservation.active
    for name in list(quiet)[:12]:
        court.beating[name] = court.now
    await court.run(2 * TIMEOUT)
    assert not court.judge.preservation.active
    assert sorted(court.writer.expired) == ["12", "13", "14"]
    assert court.judge.evictions.spared == 12


async def test_a_host_whose_leases_beat_by_calls_is_one_session(court: Court) -> None:
    """500 on one host die among ten living streams: they are failed; so is one alone on a host that lives."""
    for number in range(500):
        court.add(f"unary-{number}", host="one", beats=False)
    for number in range(10):
        court.add(f"stream-{number}", stream=Presence())
    court.add("neighbour", host="two")
    court.add("dead", host="two", beats=False)
    assert court.judge.preservation.roll.sessions == 12
    await court.run(TIMEOUT + 10)
    assert len(court.writer.expired) == 501 and not court.judge.preservation.times
    assert court.judge.preservation.roll.sessions == 11


async def test_a_lease_is_judged_by_the_terms_it_was_told_last(court: Court) -> None:
    """Who still believes in the longer interval when it shrinks is not failed by the shorter one."""
    court.pace = court.judge._pace = Pace(Timing(INTERVAL, TIMEOUT), ceiling=0.05)
    court.pace.follow(2, court.now)
    long = court.pace.timing
    assert long.timeout > 3 * TIMEOUT
    lease = court.add("slow", beats=False)
    court.pace.timing = Timing(INTERVAL, TIMEOUT)
    await court.run(long.timeout - 1)
    assert "slow" in court.leases and lease.terms == long
    await court.run(3)
    assert "slow" in court.writer.expired


async def test_an_operator_stops_evictions_for_as_long_as_they_like(court: Court) -> None:
    """And says when they go on; what came back meanwhile goes on as if nothing had been."""
    court.add("dead", beats=False)
    court.judge.preservation.say(Word.ON, None)
    await court.run(10 * TIMEOUT)
    assert not court.writer.expired
    assert "an operator has stopped evictions; 1 overdue" in (court.judge.preservation.trouble or "")
    court.judge.preservation.say(Word.AUTO, None)
    await court.run(1)
    assert list(court.writer.expired) == ["dead"]


async def test_shorter_terms_hold_at_once_for_who_beats_by_calls_and_on_a_stream_from_the_next_beat(
    court: Court,
) -> None:
    """All get a full timeout of theirs first, those too whose end had begun; each is failed once."""
    court.add("calls", beats=False)
    court.add("stream", beats=False).session = LeaseHolder()
    gone = court.add("gone", beats=False)
    court.writer.paused = True
    await court.run(TIMEOUT - 5)
    for name in ("calls", "stream"):
        court.leases[name].beat_seconds = court.now
    await court.run(6)
    began = court.now
    court.judge.retime(Timing(1.0, 3.0))
    assert gone.judging is not None
    court.writer.paused = False
    await court.run(2.5)
    assert not court.writer.expired
    await court.run(2)
    for name in ("calls", "gone"):
        assert court.writer.expired[name] - began == pytest.approx(3.0, abs=3 * TICK)
    assert "stream" in court.leases
    # It is told the new terms with its next beat.
    court.leases["stream"].terms, court.leases["stream"].beat_seconds = court.pace.timing, court.now
    beaten = court.now
    await court.run(20)
    assert court.writer.expired["stream"] - beaten < TIMEOUT
    assert court.judge.evictions.done == 3


async def test_longer_terms_hold_too(court: Court) -> None:
    court.add("slow", beats=False)
    await court.run(20)
    court.judge.retime(Timing(INTERVAL, 2 * TIMEOUT))
    began = court.now
    await court.run(2 * TIMEOUT - 1)
    assert not court.writer.expired
    await court.run(2)
    assert court.writer.expired["slow"] - began == pytest.approx(2 * TIMEOUT, abs=3 * TICK)
