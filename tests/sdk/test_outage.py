"""Tekton goes away and comes back: nobody fails for it, and nobody is told something false meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from tekton.client import TektonClient, UnavailableError
from tests.sdk.fleet import component, eventually
from tests.sdk.server import TIMEOUT, ServerProcess, running_server
from tests.support.postgres import Cluster


@pytest.fixture(scope="module")
def own_server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that only these tests stop."""
    with running_server(cluster.new_database(), tmp_path_factory.mktemp("outage")) as running:
        yield running


@pytest_asyncio.fixture
async def client(own_server: ServerProcess) -> AsyncIterator[TektonClient]:
    """A client with little patience."""
    async with TektonClient(own_server.host, own_server.port, timeout=2.0) as opened:
        yield opened


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_heart_outlives_its_server(client: TektonClient, own_server: ServerProcess, end: str) -> None:
    """After the outage the same instance goes on, and its state was never anything but ready."""
    registration = component()
    await client.register_component(registration)
    task = client.start_heartbeat(registration.component_id, state="ready")

    async def ready() -> bool:
        return task.state == "ready"

    await eventually(ready)
    since = (await client.get_component_status(registration.component_id))["status_since"]
    await asyncio.to_thread(getattr(own_server, end))
    await asyncio.to_thread(own_server.start)
    started = task.last_ack

    async def heard_again() -> bool:
        return task.last_ack != started

    await eventually(heard_again, within=10)
    await asyncio.sleep(1.5 * TIMEOUT)
    status = await client.get_component_status(registration.component_id)
    assert (status["status"], status["instance_uuid"]) == ("ready", registration.instance_uuid)
    assert status["status_since"] == since


async def test_a_heart_registers_again_where_its_instance_is_unknown(
    client: TektonClient, own_server: ServerProcess
) -> None:
    """Tekton comes back with an empty database: a new uuid, the state it had; the first uuid still names it here."""
    registration = component()
    await client.register_component(registration)
    task = client.start_heartbeat(registration.component_id, state="ready")
    first = task.instance_uuid

    async def ready() -> bool:
        return task.state == "ready"

    await eventually(ready)
    await asyncio.to_thread(own_server.stop)
    connection = await asyncpg.connect(own_server.database_url.replace("+asyncpg", ""))
    await connection.execute("TRUNCATE histories, journal, components, instances, leases, requests, tombstones")
    await connection.close()
    await asyncio.to_thread(own_server.start)

    async def registered_again() -> bool:
        return task.instance_uuid != first and task.state == "ready"

    await eventually(registered_again, within=10)
    assert (await client.get_component_status(registration.component_id))["status"] == "ready"
    answer = await client.update_component_state(registration.component_id, first, "degraded")
    assert answer["status"] == "degraded"
    await client.deregister_component(registration.component_id, first)
    assert (await client.get_component_status(registration.component_id))["status"] == "stopped"


async def test_what_is_known_is_still_found_and_nothing_is_denied(
    client: TektonClient, own_server: ServerProcess
) -> None:
    """During the outage the view answers; "there is none" needs Tekton. Afterwards the watch goes on."""
    registration = component()
    await client.register_component(registration)
    client.start_heartbeat(registration.component_id)
    await client.update_component_state(registration.component_id, registration.instance_uuid, "ready")

    async def looked_up() -> bool:
        await client.registry.synced()
        return client.registry.lookup(registration.component_id) is not None

    await eventually(looked_up)
    await asyncio.to_thread(own_server.kill)
    assert await client.find_component(registration.component_id) is not None
    unanswered = await asyncio.gather(
        client.find_component("there_is_none"),
        client.find_components_by_capability("nobody_can_this"),
        return_exceptions=True,
    )
    assert [type(error) for error in unanswered] == [UnavailableError, UnavailableError]
    await asyncio.to_thread(own_server.start)
    async with TektonClient(own_server.host, own_server.port) as other:
        newcomer = component()
        await other.register_component(newcomer)
        # Kept alive: the watch may come back later than a lease of these tests lasts.
        other.start_heartbeat(newcomer.component_id)
        await other.update_component_state(newcomer.component_id, newcomer.instance_uuid, "ready")

        async def followed() -> bool:
            return client.registry.lookup(newcomer.component_id) is not None

        await eventually(followed, within=15)
    assert client.registry.trouble is None


async def test_who_was_answered_once_rides_out_a_restart(own_server: ServerProcess) -> None:
    """Retries last as long as the timeout, so a restart of Tekton is not seen by its callers."""
    async with TektonClient(own_server.host, own_server.port, timeout=20.0, connect_timeout=0.1) as patient:
        assert await patient.find_component("there_is_none") is None
        await asyncio.to_thread(own_server.stop)
        registering = asyncio.ensure_future(patient.register_component(component()))
        await asyncio.to_thread(own_server.start)
        success, _ = await registering
        assert success


async def test_who_is_told_to_wait_for_a_server_that_is_starting_does(own_server: ServerProcess) -> None:
    """`connect_timeout` is for components that are started together with Tekton."""
    await asyncio.to_thread(own_server.stop)
    async with TektonClient(own_server.host, own_server.port, timeout=20.0, connect_timeout=20.0) as patient:
        registering = asyncio.ensure_future(patient.register_component(component()))
        watching = asyncio.ensure_future(anext(aiter(patient.watch())))
        await asyncio.to_thread(own_server.start)
        success, _ = await registering
        assert success
        assert (await watching).type == "put"


async def test_a_wait_for_dependencies_goes_on_after_an_outage(client: TektonClient, own_server: ServerProcess) -> None:
    """Its watch resumes: who becomes ready afterwards is seen, and who registered before is still known."""
    before, after = component(), component()
    await client.register_component(before)
    client.start_heartbeat(before.component_id, state="ready")
    waiting = asyncio.create_task(client.wait_for_dependencies([before.component_id, after.component_id], 30.0))
    await client.registry.synced()
    await asyncio.to_thread(own_server.kill)
    await asyncio.to_thread(own_server.start)
    assert not waiting.done()
    await client.register_component(after)
    client.start_heartbeat(after.component_id, state="ready")
    assert await waiting == (True, [])
