"""Where a call comes from: the loopback of one machine is not that of another."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import msgspec
import psutil
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from grpc import aio

from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.services.caller import CLIENT_ADDRESS
from tests.support.client import Stubs, new_id, refused, registration, stubs
from tests.support.control_plane import ControlPlane, control_plane, settings_for
from tests.support.ports import free_port
from tests.support.postgres import Cluster

ELSEWHERE = ((CLIENT_ADDRESS, "10.0.0.7"), ("x-forwarded-for", "10.0.0.8"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs in the gateway's place: on the server's Unix socket."""
    async with stubs(f"unix:{tekton.settings.data_path / 'gateway' / 'server.sock'}") as opened:
        yield opened


async def machine(api: Stubs, component_id: str) -> str:
    """Give the machine that a component's newest instance was registered from."""
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=component_id))
    return found.instances[0].machine


async def test_localhost_of_two_machines_is_no_conflict(api: Stubs, behind: Stubs) -> None:
    """The machine is told with the instance; on one machine the address is still one."""
    port = free_port()
    here, there = (registration(host=host, port=port) for host in ("localhost", "127.0.0.1"))
    await api.registry.RegisterComponent(here)
    await behind.registry.RegisterComponent(there, metadata=ELSEWHERE)
    assert await machine(api, here.component_id) == ""
    assert await machine(api, there.component_id) == "10.0.0.7"
    third = registration(host="::1", port=port)
    with refused("already_exists") as failure:
        await api.registry.RegisterComponent(third)
    assert here.component_id in failure.message
    with refused("already_exists") as failure:
        await behind.registry.RegisterComponent(third, metadata=ELSEWHERE)
    assert there.component_id in failure.message


async def test_a_batch_comes_from_one_machine(behind: Stubs) -> None:
    item = registration(host="localhost", port=free_port())
    request = registry_pb.BatchRegisterComponentsRequest(components=[item])
    assert (await behind.registry.BatchRegisterComponents(request, metadata=ELSEWHERE)).success
    assert await machine(behind, item.component_id) == "10.0.0.7"


async def test_a_client_cannot_say_that_it_is_another_machine(api: Stubs) -> None:
    """Neither on the server's own port nor through the gateway, which puts in what it sees itself."""
    request = registration(host="localhost", port=free_port())
    await api.registry.RegisterComponent(request, metadata=ELSEWHERE)
    assert await machine(api, request.component_id) == ""


async def test_a_rest_client_cannot_say_so_either(tekton: ControlPlane) -> None:
    """Not with any of the headers that proxies use."""
    body: dict[str, Any] = {
        "component_id": new_id(), "component_name": "R", "component_type": "service", "version": "1.0.0",
        "port": free_port(),
    }  # fmt: skip
    headers = dict.fromkeys(
        (CLIENT_ADDRESS, "x-forwarded-for", "forwarded", "x-real-ip", "x-envoy-external-address", "true-client-ip"),
        "10.0.0.7",
    )
    async with httpx.AsyncClient(base_url=tekton.http, headers=headers) as http:
        assert (await http.post("/api/tekton/components", json=body)).status_code == 201
        shown = (await http.get(f"/api/tekton/components/{body['component_id']}")).json()
    assert (shown["instances"][0]["machine"], shown["host"]) == ("", "localhost")


async def test_a_direct_caller_that_says_it_is_rest_only_gets_its_own_failures_in_other_words(
    tekton: ControlPlane,
) -> None:
    """So nothing has to keep the mark from the server's own port: it allows nothing and concerns nobody else."""
    request = registry_pb.GetComponentRequest(component_id="nobody")
    async with stubs(tekton.direct) as direct:
        with pytest.raises(aio.AioRpcError) as caught:
            await direct.registry.GetComponent(request, metadata=(("x-tekton-rest", "1"),))
        trailers = dict(caught.value.trailing_metadata() or ())
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert "component_not_found" in str(trailers["tekton-error"])
        with refused("component_not_found"):
            await direct.registry.GetComponent(request)


async def test_the_machine_outlives_a_restart(tekton: ControlPlane, behind: Stubs) -> None:
    """It is stored with the instance, so that the address stays held."""
    item = registration(host="localhost", port=free_port())
    await behind.registry.RegisterComponent(item, metadata=ELSEWHERE)
    loaded = (await tekton.app.live.store.load()).view
    [instance] = loaded.instances_of(item.component_id)
    assert instance.machine == "10.0.0.7" and loaded.leased_at(instance.address or ("", 0)) == instance


def outer_address() -> str:
    """Give an address of this machine that is not the loopback's; empty when there is none."""
    found = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family == socket.AF_INET]
    return next((address for address in found if not address.startswith("127.")), "")


@pytest.mark.skipif(not outer_address(), reason="this machine has only the loopback")
async def test_a_call_over_the_network_is_from_the_machine_it_comes_from(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Natively, and as REST through the gateway; beside a caller on this machine's loopback."""
    data, url, outer = tmp_path_factory.mktemp("n"), cluster.new_database(), outer_address()
    settings = msgspec.structs.replace(settings_for(url, data), host="0.0.0.0", insecure=True)
    body = MessageToDict(registration(host="localhost", port=7000), preserving_proto_field_name=True)
    async with (
        control_plane(url, data, settings=settings) as running,
        stubs(f"{outer}:{running.grpc_port}") as native,
        stubs(f"127.0.0.1:{running.grpc_port}") as local,
        httpx.AsyncClient() as http,
    ):
        far, near = registration(host="127.0.0.1", port=7001), registration(host="localhost", port=7001)
        await native.registry.RegisterComponent(far)
        await local.registry.RegisterComponent(near)
        path = f"http://{outer}:{running.port}/api/tekton/components"
        assert (await http.post(path, json=body)).status_code == 201
        assert await machine(native, far.component_id) == outer
        assert await machine(native, near.component_id) == ""
        assert await machine(native, body["component_id"]) == outer
        core = (await http.get(f"{path}/tekton_core")).json()
    # An address that stands for all of them is none that others can call.
    assert core["host"] == socket.gethostname()
