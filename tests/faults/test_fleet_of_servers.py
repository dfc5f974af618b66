"""Three servers on one database behind one Envoy: whichever is asked, stopped or killed, there is one history."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tekton.v1 import component_pb2 as component_pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.faults.fleet import SERVER_LEASE, TIMEOUT, Fleet, running_fleet
from tests.faults.history import History, Watch, violations
from tests.faults.load import Load, journal, load, sdk_heart
from tests.faults.running import INTERVAL, suspended
from tests.faults.watchers import Follow, grpc_watch
from tests.support.client import Stubs, stubs
from tests.support.postgres import Cluster

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def fleet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three servers and a gateway for the module."""
    with running_fleet(cluster.new_database(), tmp_path_factory.mktemp("fleet")) as running:
        yield running


@asynccontextmanager
async def three(fleet: Fleet) -> AsyncIterator[list[Stubs]]:
    """Open a channel to each server."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(stubs(f"127.0.0.1:{port}")) for port in fleet.ports]


async def test_what_one_server_did_is_found_and_seen_at_the_others(fleet: Fleet) -> None:
    """At once by who asks, before a second has passed by who watches, and nothing was written there."""
    async with three(fleet) as (one, two, other):
        watch = other.registry.WatchRegistry(registry_pb.WatchRegistryRequest())
        while (await watch.read()).phase != registry_pb.WatchRegistryResponse.PHASE_SNAPSHOT_END:
            pass
        for _ in range(10):
            granted = await one.register()
            asked = registry_pb.GetComponentRequest(component_id=granted.component_id)
            found = await two.registry.GetComponent(asked, timeout=2)
            assert [one.instance_uuid for one in found.instances] == [granted.instance_uuid]
            async with asyncio.timeout(1):
                seen = await watch.read()
            assert {event.revision for event in seen.events} == {granted.revision}
        watch.cancel()


async def test_a_beat_at_one_server_is_seen_at_another_within_two_seconds(fleet: Fleet) -> None:
    """By watchers, with its figures, and in what is read of the component."""
    async with three(fleet) as (one, two, other):
        granted = await one.register()
        watch = other.heartbeat.WatchHeartbeats(heartbeat_pb.WatchHeartbeatsRequest(component_id=granted.component_id))
        beat = heartbeat_pb.SendHeartbeatRequest(
            component_id=granted.component_id, instance_uuid=granted.instance_uuid, metrics={"cpu_percent": 3.5}
        )
        await two.heartbeat.SendHeartbeat(beat, timeout=2)
        async with asyncio.timeout(2):
            while dict((event := await watch.read()).metrics) != {"cpu_percent": 3.5}:
                pass
        watch.cancel()
        asked = registry_pb.GetComponentRequest(component_id=granted.component_id)
        shown = await other.registry.GetComponent(asked, timeout=2)
        assert shown.last_heartbeat.ToDatetime() >= event.timestamp.ToDatetime()


async def test_a_command_posted_at_one_server_reaches_the_stream_at_another(fleet: Fleet) -> None:
    """And its answer, given there, is known at a third."""
    async with three(fleet) as (one, two, other):
        granted = await one.register()
        stream = two.heartbeat.Connect()
        await stream.write(heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=[claim_of(granted)])))
        while not (await stream.read()).HasField("welcome"):
            pass
        asked = lifecycle_pb.PostCommandRequest(component_id=granted.component_id, kind="reload")
        posted = await other.lifecycle.PostCommand(asked, timeout=2)
        async with asyncio.timeout(2):
            while not (message := await stream.read()).HasField("command"):
                pass
        ack = heartbeat_pb.CommandAck(command_id=message.command.command_id, accepted=True)
        await stream.write(heartbeat_pb.ConnectRequest(command_ack=ack))
        wanted = lifecycle_pb.GetCommandRequest(component_id=granted.component_id, command_id=ack.command_id)
        async with asyncio.timeout(2):
            while (await one.lifecycle.GetCommand(wanted)).state != component_pb.CommandState.accepted:
                await asyncio.sleep(0.05)
        stream.cancel()
        assert posted.commands[0].command_id == ack.command_id


def claim_of(granted: registry_pb.RegisterComponentResponse) -> heartbeat_pb.LeaseClaim:
    """Claim what was granted."""
    return heartbeat_pb.LeaseClaim(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, fencing_token=granted.fencing_token
    )


async def test_unary_beats_spread_at_random_fail_nobody(fleet: Fleet) -> None:
    """Not even where the server that granted a lease, and judges it, never hears of it itself."""
    async with three(fleet) as servers:
        found = [await servers[number % 3].register() for number in range(9)]
        end = time.monotonic() + TIMEOUT + SERVER_LEASE + 1
        while time.monotonic() < end:
            for number, granted in enumerate(found):
                beat = heartbeat_pb.SendHeartbeatRequest(
                    component_id=granted.component_id, instance_uuid=granted.instance_uuid
                )
                elsewhere = servers[(number + random.choice((1, 2))) % 3]
                await elsewhere.heartbeat.SendHeartbeat(beat, timeout=2)
            await asyncio.sleep(INTERVAL)
        assert not await failures(fleet, {granted.instance_uuid for granted in found})


async def test_an_instance_whose_stream_moves_as_it_is_judged_has_one_legal_history(fleet: Fleet) -> None:
    """Around the moment of its expiry, from one server to the next: it is failed and comes back, or neither."""
    async with three(fleet) as servers:
        found = [await servers[0].register() for _ in range(6)]
        begun = time.monotonic()

        async def move(granted: registry_pb.RegisterComponentResponse, after: float) -> None:
            hello = heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=[claim_of(granted)]))
            await asyncio.sleep(begun + after - time.monotonic())
            for server in (servers[1], servers[2], servers[1]):
                stream = server.heartbeat.Connect()
                await stream.write(hello)
                while not (await stream.read()).HasField("welcome"):
                    pass
                await asyncio.sleep(0.3)
                stream.cancel()

        # About so long after its timeout the owner has it judged; these begin before, at and after that.
        moves = (TIMEOUT + 1.0 + number * 0.25 for number in range(len(found)))
        await asyncio.gather(*(move(granted, after) for granted, after in zip(found, moves, strict=True)))
        rows = await journal(fleet.dsn)
    for granted in found:
        states = [row.after for row in rows if row.key == granted.instance_uuid and row.after != row.before]
        assert states in (["registering"], ["registering", "failed", "initializing"]), states
        assert await fleet.owner(granted.instance_uuid) in (1, 2)


async def test_a_server_that_is_stopped_for_longer_than_its_lease_spoils_nothing(fleet: Fleet) -> None:
    """SIGSTOP and SIGCONT: what it owned is judged elsewhere, and it fails nobody when it goes on."""
    async with load(fleet.where(0)) as running:
        beaters = {one.instance_uuid for one in running.history.beaters}
        with suspended(fleet.process(1)):
            await asyncio.gather(running.history.more(60), asyncio.sleep(TIMEOUT + SERVER_LEASE))
        await asyncio.gather(running.history.more(60), asyncio.sleep(TIMEOUT))
        await running.end()
        wrong = violations(running.history, await journal(fleet.dsn), one_server=False)
    assert not wrong, wrong
    assert fleet.servers[1].said("it joins them again")
    assert not await failures(fleet, beaters)


async def test_a_server_that_is_killed_costs_nothing_that_was_acknowledged(fleet: Fleet) -> None:
    """kill -9 of the one that holds a heartbeat stream, under load; callers, hearts and watchers go on within 5 s."""
    hearts = History()
    async with sdk_heart(fleet.gateway, hearts):
        # One stream carries all hearts of this process.
        heart = hearts.beaters[0].instance_uuid
        victim = await fleet.owner(heart, streamed=True)
        await killed_under_load(fleet, victim)
        assert await fleet.owner(heart, streamed=True) != victim
        assert not await failures(fleet, {heart})


async def killed_under_load(fleet: Fleet, victim: int) -> None:
    """Kill a server, and check everything that was recorded."""
    other = (victim + 1) % 3
    async with load(fleet.where(other)) as running:
        moved = running.watch("moved watch", by_turns(fleet.ports[victim], fleet.ports[other]))
        await running.history.more(10)
        fleet.servers[victim].kill()
        killed = time.monotonic()
        await going_on(running, killed)
        assert time.monotonic() - killed < 5
        await asyncio.gather(running.history.more(60), asyncio.sleep(TIMEOUT + SERVER_LEASE))
        await running.end()
        wrong = violations(running.history, await journal(fleet.dsn), one_server=False)
    assert not wrong, wrong
    assert moved.connections > 1 and len(moved.beginnings) == 1, "it resumed, and did not begin anew"


def by_turns(*ports: int) -> Follow:
    """Watch at one server, and resume at the next."""
    turns = itertools.cycle(ports)

    async def follow(watch: Watch, token: str) -> str:
        return await grpc_watch(next(turns))(watch, token)

    return follow


async def going_on(running: Load, since: float) -> None:
    """Wait until every caller was acknowledged, every watcher told and every beat counted after a moment."""
    history = running.history
    # The SDK counts none: of its hearts the journal tells.
    beaters = [(one, one.beats) for one in history.beaters if one.beats]
    last = max(one.revision for one in history.acknowledged)
    for watch in history.watches:
        await watch.reached(last + 1)
    async with asyncio.timeout(5):
        while not all(one.beats > before for one, before in beaters):
            await asyncio.sleep(0.01)
        for name in ("register", "update", "state"):
            while not any(one.began > since and one.operation.startswith(name) for one in history.acknowledged):
                await asyncio.sleep(0.01)


async def failures(fleet: Fleet, instances: set[str]) -> set[str]:
    """Give those of the instances that were failed."""
    return {row.key for row in await journal(fleet.dsn) if row.after == "failed"} & instances
