"""What the heart says: leases with nothing new beat together, news go out alone, and the loop's lag is told."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tekton._loop_lag import LoopLag, LoopLags
from tekton.client import LeaseLost, TektonClient, ValidationError
from tekton.v1 import heartbeat_service_pb2 as pb
from tests.sdk.fake import FakeTekton, dropped, registered
from tests.sdk.fleet import component

INTERVAL = 0.4


async def test_leases_with_nothing_new_to_say_beat_together_and_not_all_at_once(
    faked: TektonClient, fake: FakeTekton
) -> None:
    """A few messages an interval for hundreds of leases; each of them is renewed in time, and told so."""
    results = await faked.register_components([component() for _ in range(300)])
    tasks = [faked.start_heartbeat(one.component_id, instance_uuid=one.instance_uuid) for one in fake.registered]
    assert all(results)
    await fake.until(lambda: len(fake.all("beat")) >= 300)
    await asyncio.sleep(INTERVAL)
    fake.heard.clear()
    began = time.monotonic()
    await asyncio.sleep(3 * INTERVAL)
    heard, spent = list(fake.heard), time.monotonic() - began
    batches = [(at, one.beat_batch) for at, one in heard if one.WhichOneof("message") == "beat_batch"]
    renewed = {handle for _, batch in batches for handle in batch.handles} | {
        one.beat.handle for _, one in heard if one.WhichOneof("message") == "beat"
    }
    assert len(renewed) == 300
    assert len(batches) <= 12 * spent / INTERVAL
    assert max(len(batch.handles) for _, batch in batches) < 200
    assert [batch.sequence for _, batch in batches] == sorted({batch.sequence for _, batch in batches})
    # Most say nothing; some in turn speak for themselves, to hear their state.
    assert len(fake.all("beat")) < 300
    acknowledged = [task.last_ack for task in tasks]
    assert all(acknowledged)
    assert max(a.timestamp() for a in acknowledged if a) - min(a.timestamp() for a in acknowledged if a) < 2 * INTERVAL


async def test_who_has_news_speaks_for_itself(faked: TektonClient, fake: FakeTekton) -> None:
    """Metrics, work in hand and health: once each time they change, among many that are quiet."""
    await faked.register_components([component() for _ in range(20)])
    tasks = [faked.start_heartbeat(one.component_id, instance_uuid=one.instance_uuid) for one in fake.registered]
    await fake.until(lambda: len(fake.all("beat")) >= 20)
    jobs = ["one", "two"]
    tasks[3].report(in_flight=lambda: len(jobs), metrics={"cpu_percent": 7})
    first = await fake.until(lambda: [beat for beat in fake.all("beat") if beat.in_flight == 2])
    assert dict(first[0].metrics) == {"cpu_percent": 7}
    jobs.append("three")
    await fake.until(lambda: [beat for beat in fake.all("beat") if beat.in_flight == 3])
    tasks[3].report(in_flight=0, health={"database": "slow"})
    told = await fake.until(lambda: [beat for beat in fake.all("beat") if beat.health])
    assert (told[0].in_flight, told[0].handle) == (0, first[0].handle)
    with pytest.raises(ValidationError, match="in_flight"):
        tasks[3].report(in_flight=-1)


async def test_work_in_hand_that_cannot_be_told_costs_no_beat(faked: TektonClient, fake: FakeTekton) -> None:
    """What the application gave is dropped and its fault shown; the lease goes on."""
    name, _ = await registered(faked)

    def broken() -> int:
        raise OSError("the queue is gone")

    task = faked.start_heartbeat(name, in_flight=broken)
    await fake.until(lambda: task.fault is not None)
    await fake.until(lambda: task.fault is None and fake.all("beat"))
    assert task.running


async def test_a_blocked_loop_tells_its_lag_and_then_that_it_is_gone(faked: TektonClient, fake: FakeTekton) -> None:
    """Before it beats in a batch again."""
    await faked.register_components([component() for _ in range(8)])
    for one in fake.registered:
        faked.start_heartbeat(one.component_id)
    await fake.until(lambda: fake.all("beat_batch"))
    fake.heard.clear()
    time.sleep(4 * INTERVAL)
    blocked = len(fake.heard)
    assert max(beat.loop_lag_seconds for beat in fake.all("beat")) > 2 * INTERVAL

    def batched_again() -> bool:
        return any(one.WhichOneof("message") == "beat_batch" for _, one in fake.heard[blocked:])

    await fake.until(batched_again)
    busy: set[int] = set()
    for _, message in fake.heard:
        if message.WhichOneof("message") == "beat_batch":
            assert not busy & set(message.beat_batch.handles)
        elif message.beat.loop_lag_seconds:
            busy.add(message.beat.handle)
        else:
            busy.discard(message.beat.handle)


async def test_the_lag_is_that_of_the_loop_on_which_the_heartbeat_was_started(fake: FakeTekton) -> None:
    """Another loop that is blocked does not matter, nor does one that is closed."""
    client = TektonClient("127.0.0.1", fake.port)
    name, uuid = await registered(client)

    def keep() -> None:
        async def beat_and_leave() -> None:
            client.keep_alive(name, uuid)

        asyncio.run(beat_and_leave())

    await asyncio.to_thread(keep)
    await fake.until(lambda: fake.all("beat"))
    time.sleep(2 * INTERVAL)
    assert {beat.loop_lag_seconds for beat in fake.all("beat")} == {0.0}
    await dropped(client)


def test_a_loop_is_asked_once_at_a_time_and_only_while_it_runs() -> None:
    """A loop that is blocked for an hour has one question waiting, and answers it with an hour."""
    loop = asyncio.new_event_loop()
    lag = LoopLag(loop)
    lag.look(0.0, 1.0)
    assert lag.seconds(50.0) == 0.0, "it does not run"
    blocked, go_on = threading.Event(), threading.Event()

    def block() -> None:
        blocked.set()
        go_on.wait(10)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    loop.call_soon_threadsafe(block)
    assert blocked.wait(10)
    now = time.monotonic()
    waiting = len(loop._ready)  # type: ignore[attr-defined]
    for later in range(10):
        lag.look(now + later, 1.0)
    assert len(loop._ready) == waiting + 1  # type: ignore[attr-defined]
    assert lag.seconds(now + 9) == pytest.approx(9, abs=0.5)
    go_on.set()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    assert lag.seconds(now + 10) == 0.0
    loop.close()
    lag.look(now + 20, 1.0)
    assert lag.seconds(now + 20) == 0.0


async def test_leases_of_one_loop_ask_it_together_also_after_a_pause() -> None:
    """Thousands of leases are one question; a lease that is taken up again is not left with an answer of long ago."""
    lags, loop = LoopLags(), asyncio.get_running_loop()
    before = lags.of(loop)
    assert lags.of(loop) is before
    lags.look([], 1.0, 0.0)
    after = lags.of(loop)
    lags.look([before, after, after], 1.0, 100.0)
    assert (before.next_at, after.next_at, lags.next_at()) == (100.25, 100.25, 100.25)


async def test_a_lease_that_ran_out_is_claimed_again_before_it_is_registered_again(
    faked: TektonClient, fake: FakeTekton
) -> None:
    """A registration would push out whoever has taken its place; whether somebody has, only the server knows."""
    name, uuid = await registered(faked)
    told: list[LeaseLost] = []
    task = faked.start_heartbeat(name, state="ready", on_lease_lost=told.append)
    await fake.until(lambda: task.state == "ready")
    ran_out = pb.LeaseLost(instance_uuid=uuid, reason=pb.LeaseLost.REASON_EXPIRED)
    fake.say(lease_lost=ran_out)
    await fake.until(lambda: len(fake.all("hello")) == 2)
    claimed = await fake.until(lambda: [beat for beat in fake.all("beat") if beat.handle == 2])
    assert claimed[0].state == "ready"
    assert (len(fake.registered), task.instance_uuid, told) == (1, uuid, [])
    fake.refused.add(uuid)
    fake.say(lease_lost=ran_out)
    await fake.until(lambda: told)
    assert (told[0].reason, len(fake.registered)) == ("superseded", 1)
