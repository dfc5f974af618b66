"""Single cases of leases and sessions that a race or a fault decides, on a paper database and in virtual time.

Beats are due every 2 s and leases are lost after 6 s. The machine in test_liveness_machine.py plays it all together.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tekton.core.errors import StaleSessionError, TektonError
from tekton_server.domain.commands import EndInstance, ReviveInstance
from tekton_server.live.freshness import Freshness
from tekton_server.live.lease import Lease
from tekton_server.live.pulses import Claim, Pulse
from tekton_server.live.sessions import Session
from tekton_server.storage.errors import StorageUnavailableError
from tests.support.paper_database import Row
from tests.support.paper_server import PaperServer
from tests.unit.paper import uuid_of
from tests.unit.stage import TIMEOUT, Stage, claim


def queued(server: PaperServer, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Tell what commands are queued from now on."""
    found: list[Any] = []
    submit = server.writer.submit_nowait

    def submitted(command: Any, **given: Any) -> Any:
        found.append(command)
        return submit(command, **given)

    monkeypatch.setattr(server.writer, "submit_nowait", submitted)
    return found


def test_claims_that_nobody_knows_queue_no_command(
    stage: Stage, server: PaperServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand of them, and one that comes back: the refusals are read from what was confirmed."""
    gone = stage.register(server)
    stage.wait(TIMEOUT + 2)
    commands = queued(server, monkeypatch)
    strange = [Claim("athena", uuid_of(10**6 + number), None) for number in range(10_000)]
    answers = stage.run(server.pulses.find([*strange, claim(gone)]))
    assert [type(one) for one in commands] == [ReviveInstance]
    assert {answer.number for answer in answers[:-1] if isinstance(answer, TektonError)} == {1001}
    assert isinstance(answers[-1], Lease)


def test_what_has_ended_or_is_claimed_by_a_wrong_token_queues_no_command_either(
    stage: Stage, server: PaperServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told what it is; and a claim that is right is not refused for one beside it that is wrong."""
    ended, superseded, gone = stage.register(server), stage.register(server, 50), stage.register(server, 60)
    stage.register(server, 50)
    stage.run(server.writer.submit(EndInstance(component_id="athena", instance_uuid=ended.instance_uuid)))
    stage.wait(TIMEOUT + 2)
    commands = queued(server, monkeypatch)
    wrong = claim(gone, right=False)
    answers = stage.run(server.pulses.find([claim(ended), claim(superseded), claim(gone), wrong]))
    reasons = [getattr(answer, "details", {}).get("reason") for answer in answers]
    assert reasons == ["deregistered", "superseded", None, "lease_expired"]
    assert isinstance(answers[2], Lease) and isinstance(answers[3], StaleSessionError)
    assert len(commands) == 1


def test_a_beat_of_an_older_session_gives_no_time_to_a_lease_that_is_judged(stage: Stage, server: PaperServer) -> None:
    """Its call waits for nothing, and the lease is failed."""
    instance = stage.register(server)
    stage.session(server, instance).close()
    older = server.leases.get(instance.instance_uuid).session_epoch  # type: ignore[union-attr]
    stage.wait(0.1)
    stage.session(server, instance).close()
    lease = stage.until_judged(server, instance)
    beaten = lease.beat_seconds
    with pytest.raises(StaleSessionError):
        stage.run(server.pulses.lease(claim(instance, epoch=older)))
    assert lease.beat_seconds == beaten
    stage.database.held = False
    stage.wait(0.5)
    assert instance.instance_uuid not in server.leases


def test_a_beat_of_an_older_session_brings_nothing_back(stage: Stage, server: PaperServer) -> None:
    """An instance that was failed is as fenced as before, also at another server and after a start."""
    instance = stage.register(server)
    stage.session(server, instance).close()
    older = server.leases.get(instance.instance_uuid).session_epoch  # type: ignore[union-attr]
    stage.wait(0.1)
    stage.session(server, instance).close()
    epoch = server.leases.get(instance.instance_uuid).session_epoch  # type: ignore[union-attr]
    other = stage.server()
    stage.wait(TIMEOUT + 4)
    late = stage.server()
    for one in (server, other, late):
        assert instance.instance_uuid not in one.leases
        with pytest.raises(StaleSessionError):
            stage.run(one.pulses.lease(claim(instance, epoch=older)))
        with pytest.raises(StaleSessionError):
            one.pulses.check_epoch(instance.instance_uuid, older)
    lease = stage.run(late.pulses.lease(claim(instance, epoch=epoch)))
    assert lease.session_epoch == epoch
    with pytest.raises(StaleSessionError):
        stage.run(late.pulses.lease(claim(instance, epoch=older)))


def test_a_hello_that_is_answered_after_its_stream_was_closed_takes_nothing(stage: Stage, server: PaperServer) -> None:
    """Its claims were on the way to the database when the client went away."""
    instance = stage.register(server)
    lease = stage.until_judged(server, instance)
    session = Session(server.pulses, server.commands)

    async def closed_meanwhile() -> None:
        hello = asyncio.ensure_future(session.hello([claim(instance)]))
        await asyncio.sleep(0.1)
        session.close()
        stage.database.held = False
        await asyncio.wait_for(hello, 5)

    stage.run(closed_meanwhile())
    assert lease.session is None and lease.session_epoch == 0
    assert instance.instance_uuid in server.leases, "it has beaten all the same"
    assert not server.pulses.renew(lease, Pulse())


def test_who_is_cancelled_as_an_answer_comes_is_cancelled(stage: Stage) -> None:
    """On Python 3.11 `asyncio.wait_for` swallows it then."""

    async def cancelled() -> bool:
        answer = asyncio.Event()

        async def refresh() -> None:
            await answer.wait()

        asking = asyncio.ensure_future(Freshness(refresh, 5.0).confirm())
        for _ in range(5):
            await asyncio.sleep(0)
        answer.set()
        # One turn for the refresh to end, and then both at once.
        for turns in range(10):
            await asyncio.sleep(0)
            if turns == 1:
                asking.cancel()
        await asyncio.wait([asking])
        return asking.cancelled()

    assert stage.run(cancelled())


def test_a_database_that_does_not_answer_in_time_is_not_waited_for(stage: Stage) -> None:
    """Whoever asks is told so after the time that was set."""

    async def never() -> None:
        await asyncio.Event().wait()

    async def asked() -> None:
        freshness = Freshness(never, 5.0)
        try:
            await freshness.confirm()
        finally:
            await freshness.close()

    began = stage.loop.time()
    with pytest.raises(StorageUnavailableError):
        stage.run(asked())
    assert stage.loop.time() - began == pytest.approx(5.0)


def test_a_server_that_was_given_up_believes_rows_though_a_failover_made_them_older(
    stage: Stage, server: PaperServer
) -> None:
    """What it knew of them is worth nothing any more, the versions of before included."""
    instance = stage.register(server)
    other = stage.server()
    lease = server.leases.get(instance.instance_uuid)
    assert lease is not None and lease.mine
    for _ in range(3):
        there = other.leases.get(instance.instance_uuid)
        assert there is not None
        other.leases.sign_of_life(there)
        stage.wait(1.5)
    stage.database.cut_off(server.server_id)
    stage.wait(3.0)
    row, tx = stage.database.leases[instance.instance_uuid]
    assert row.server_id == other.server_id and row.version > 2
    stage.database.leases[instance.instance_uuid] = Row(row._replace(version=1), tx)
    stage.database.let_in(server.server_id)
    stage.wait(1.5)
    assert (lease.owner, lease.mine) == (other.server_id, False)


def test_nobody_is_failed_while_another_server_cannot_store_what_it_heard(stage: Stage, server: PaperServer) -> None:
    """It beats there, and its judge does not hear of it; but it hears how far behind the other is."""
    instance = stage.register(server)
    other = stage.server()
    stage.wait(1.0)
    there = other.leases.get(instance.instance_uuid)
    lease = server.leases.get(instance.instance_uuid)
    assert there is not None and lease is not None and lease.mine and not there.mine
    stage.database.stuck.add(other.server_id)
    for _ in range(20):
        other.pulses.renew(there, Pulse())
        stage.wait(1.0)
    assert server.leases.now() - lease.beat_seconds > 2 * TIMEOUT, "it has not heard of any"
    assert instance.instance_uuid in server.leases
    stage.database.stuck.clear()
    stage.wait(3.0)
    assert server.leases.now() - lease.beat_seconds < TIMEOUT / 2
    stage.wait(2 * TIMEOUT)
    assert instance.instance_uuid not in server.leases, "now that nobody beats"
