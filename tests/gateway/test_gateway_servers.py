"""Several servers behind one gateway: calls and streams go to those that say that they serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tekton.v1 import system_service_pb2, system_service_pb2_grpc
from tekton_gateway import Envoy, GatewayError, GatewaySettings, clusters, routes, several
from tests.faults.test_one_direction import OneWay
from tests.gateway.clients import StartGateway, rest_client

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class NamedServer(system_service_pb2_grpc.SystemServiceServicer):
    """A server on TCP that answers with its name, and says of its health what it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        system_service_pb2_grpc.add_SystemServiceServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def Health(self, request: object, context: object) -> system_service_pb2.HealthResponse:
        return system_service_pb2.HealthResponse(status=self.name)

    async def start(self) -> None:
        await self._server.start()

    async def serve(self, serving: bool) -> None:
        await self._health.set("", SERVING if serving else NOT_SERVING)

    async def stop(self) -> None:
        await self._server.stop(None)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[NamedServer, NamedServer]]:
    """Two servers that serve."""
    both = NamedServer("a"), NamedServer("b")
    for one in both:
        await one.start()
        await one.serve(True)
    yield both
    for one in both:
        await one.stop()


async def before(start_gateway: StartGateway, *servers: NamedServer) -> Envoy:
    """Put a gateway before servers."""
    return await start_gateway(upstream=tuple(("localhost", one.port) for one in servers))


async def until_only(gateway: Envoy, *names: str) -> None:
    """Call until those who answer are these for a whole round of calls."""
    async with asyncio.timeout(10), rest_client(gateway) as rest:
        while True:
            answers = [await rest.get("/api/health") for _ in range(20)]
            assert {answer.status_code for answer in answers} == {200}
            if {answer.json()["status"] for answer in answers} == set(names):
                return


async def test_every_server_gets_calls(start_gateway: StartGateway, pair: tuple[NamedServer, NamedServer]) -> None:
    """Named as localhost, which is 127.0.0.1 first."""
    await until_only(await before(start_gateway, *pair), "a", "b")


async def test_a_server_that_says_it_does_not_serve_gets_no_calls_until_it_does(
    start_gateway: StartGateway, pair: tuple[NamedServer, NamedServer]
) -> None:
    """As in a stop in order; not one call fails on the way."""
    gateway = await before(start_gateway, *pair)
    await pair[0].serve(False)
    await until_only(gateway, "b")
    await pair[0].serve(True)
    await until_only(gateway, "a", "b")


async def test_where_no_server_says_that_it_serves_any_is_tried(
    start_gateway: StartGateway, pair: tuple[NamedServer, NamedServer]
) -> None:
    """Health checks that fail under load must not turn slowness into an outage."""
    for one in pair:
        await one.serve(False)
    await until_only(await before(start_gateway, *pair), "a", "b")


async def test_calls_that_cannot_reach_a_server_go_to_another_at_once(
    start_gateway: StartGateway, pair: tuple[NamedServer, NamedServer]
) -> None:
    """Before any health check has noticed."""
    gateway = await before(start_gateway, *pair)
    await until_only(gateway, "a", "b")
    await pair[0].stop()
    await until_only(gateway, "b")


async def test_where_the_last_server_that_says_it_serves_dies_another_is_tried_in_the_same_call(
    start_gateway: StartGateway, pair: tuple[NamedServer, NamedServer]
) -> None:
    """As when one has only just come back: not one call fails."""
    gateway = await before(start_gateway, *pair)
    await pair[0].serve(False)
    await until_only(gateway, "b")
    await pair[1].stop()
    await until_only(gateway, "a")


@pytest.mark.parametrize("count", [1, 3])
def test_streams_and_unary_calls_reach_every_server_by_ways_of_their_own(count: int) -> None:
    """Both clusters have all servers, each with windows for all streams of a connection, and check their health."""
    servers = tuple((f"server-{number}", 8011) for number in range(count))
    settings = GatewaySettings(upstream=servers if count > 1 else servers[0])
    streams, unary = clusters.render(settings)
    assert (streams["name"], unary["name"]) == (clusters.STREAMS, clusters.UNARY)
    for cluster in (streams, unary):
        [group] = cluster["load_assignment"]["endpoints"]
        found = [one["endpoint"]["address"]["socket_address"] for one in group["lb_endpoints"]]
        assert [(one["address"], one["port_value"]) for one in found] == list(servers)
        [asked] = cluster["health_checks"]
        assert asked["grpc_health_check"] == {}
        # Whoever is alone is given more time, and never left out: there is nobody else to go to.
        assert asked["interval"] == ("0.5s" if count > 1 else "1s")
        assert ("outlier_detection" in cluster) == (count > 1)
        [protocol] = cluster["typed_extension_protocol_options"].values()
        assert protocol["explicit_http_config"]["http2_protocol_options"]["max_concurrent_streams"] == 8192
    table = {row["match"]["path"]: row["route"] for row in routes.render(settings)["virtual_hosts"][0]["routes"]}
    assert table["/tekton.v1.RegistryService/ListComponents"]["retry_policy"]["retry_host_predicate"]
    assert "retry_policy" not in table["/tekton.v1.RegistryService/WatchRegistry"]


@pytest.mark.parametrize("upstream", [(), ("ser ver", 8011), ("server", 0), (("a", 1), ("http://b", 2))])
def test_a_server_that_cannot_be_is_refused(upstream: tuple[object, ...]) -> None:
    """None at all, no host, no port."""
    with pytest.raises(GatewayError, match="upstream"):
        GatewaySettings(upstream=upstream)  # type: ignore[arg-type]


async def test_a_stream_to_a_server_that_hangs_is_cut_by_the_gateways_pings(
    start_gateway: StartGateway, pair: tuple[NamedServer, NamedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else would tell its client: the connection stands, and nothing comes. The next stream goes elsewhere.

    Pings are sent more often here, so that no health check has said anything before.
    """
    monkeypatch.setattr(several, "keepalive", lambda: {"connection_keepalive": {"interval": "0.5s", "timeout": "0.3s"}})
    async with OneWay(pair[0].port) as one, OneWay(pair[1].port) as other:
        gateway = await start_gateway(upstream=(("localhost", one.port), ("localhost", other.port)))
        await until_only(gateway, "a", "b")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            streams = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
            for stream in streams:
                assert (await stream.read()).status == SERVING
            waiting = [asyncio.ensure_future(stream.read()) for stream in streams]
            # Longer than a ping and its patience: streams that are merely quiet stay.
            done, _ = await asyncio.wait(waiting, timeout=1.5)
            assert not done
            began = asyncio.get_running_loop().time()
            for direction in ("to the server", "to the client"):
                one.lose(direction)
                other.lose(direction)
            for read in waiting:
                with pytest.raises(grpc.aio.AioRpcError) as cut:
                    await asyncio.wait_for(read, 5)
                # The gateway had begun to answer, so that all it can do is reset the stream.
                assert cut.value.code() is grpc.StatusCode.INTERNAL
            assert asyncio.get_running_loop().time() - began < 2
            again = stub.Watch(health_pb2.HealthCheckRequest())
            assert (await asyncio.wait_for(again.read(), 5)).status == SERVING
            again.cancel()


def test_only_where_there_are_several_servers_hanging_streams_are_cut() -> None:
    """Whoever is alone may take its time: there is nobody else to go to. Its clients notice by themselves."""
    options = []
    for upstream in (("a", 1), (("a", 1), ("b", 2))):
        streams, _ = clusters.render(GatewaySettings(upstream=upstream))
        [protocol] = streams["typed_extension_protocol_options"].values()
        options.append(protocol["explicit_http_config"]["http2_protocol_options"].get("connection_keepalive"))
    assert options == [None, {"interval": "7s", "timeout": "3s"}]
