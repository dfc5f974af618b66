"""A server that answers scrapers itself, on a port of their own; and one that tells no metrics at all."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import httpx
import msgspec
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tekton.v1 import system_service_pb2 as pb
from tekton_server import listening, metrics_port
from tekton_server.listening import ListenError
from tekton_server.metrics_port import MetricsPort
from tests.support.client import refused, stubs
from tests.support.control_plane import ControlPlane, control_plane, settings_for
from tests.support.ports import free_port
from tests.support.postgres import Cluster

MEDIA = "application/openmetrics-text; version=1.0.0; charset=utf-8"
Home = pytest.TempPathFactory


def asked(path: str = "/metrics", method: str = "GET", host: str = "localhost") -> bytes:
    """Write a request."""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def answer(port: int, sent: bytes) -> tuple[int, str]:
    """Send bytes, and give the status and all of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        text = (await reader.read()).decode()
    writer.close()
    return int(text.split()[1]), text


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Wait until the other side ends a connection, in order or not; give what it sent."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def told(text: bytes) -> bytes:
    """Give a text, a moment later."""
    await asyncio.sleep(0)
    return text


@asynccontextmanager
async def listener(text: str = "figures\n") -> AsyncIterator[int]:
    """Run the listener alone; give its port."""
    number = free_port()
    port = MetricsPort(partial(told, text.encode()), MEDIA, ("Tekton.example",))
    await port.start("127.0.0.1", number)
    yield number
    await port.stop()
    assert not port.open and not port.answering


@asynccontextmanager
async def plane(cluster: Cluster, home: Path, **monitoring: bool | int) -> AsyncIterator[ControlPlane]:
    """Run a control plane with these settings of `monitoring`."""
    url = cluster.new_database()
    usual = settings_for(url, home)
    told = msgspec.structs.replace(usual.monitoring, **monitoring)
    async with control_plane(url, home, settings=msgspec.structs.replace(usual, monitoring=told)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scraped(cluster: Cluster, tmp_path_factory: Home) -> AsyncIterator[ControlPlane]:
    """A control plane whose server has a port for its metrics."""
    async with plane(cluster, tmp_path_factory.mktemp("scraped"), metrics_port=free_port()) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(scraped: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on that port."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{scraped.settings.metrics_port}", timeout=10) as client:
        yield client


async def test_the_server_itself_tells_what_the_gateway_tells(scraped: ControlPlane, http: httpx.AsyncClient) -> None:
    """The same families, which the parser of Prometheus' library takes, under the same content type."""
    mine = await http.get("/metrics")
    async with httpx.AsyncClient(base_url=scraped.http) as gateway:
        theirs = await gateway.get("/metrics")
    assert (mine.status_code, mine.headers["content-type"]) == (200, theirs.headers["content-type"])
    names = [
        {family.name for family in text_string_to_metric_families(reply.text)}
        for reply in (mine, theirs, await http.get("/metrics?module=x"))
    ]
    assert "tekton_ready" in names[0] and names[0] == names[1] == names[2]


async def test_its_headers_are_told_without_its_text(http: httpx.AsyncClient) -> None:
    """HEAD."""
    reply = await http.head("/metrics")
    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, MEDIA, b"")
    assert int(reply.headers["content-length"]) > 1000


@pytest.mark.parametrize("path", ["/", "/metrics/", "/api/metrics", "/api/health", "//metrics", "*"])
async def test_nothing_else_is_there(scraped: ControlPlane, path: str) -> None:
    """404, in plain words, whatever the method."""
    for method in ("GET", "POST"):
        status, text = await answer(scraped.settings.metrics_port or 0, asked(path, method))
        assert status == 404 and "content-type: text/plain" in text
        assert text.endswith("there is nothing here but /metrics; the rest of Tekton is on its port\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"])
async def test_other_methods_are_told_which_there_are(http: httpx.AsyncClient, method: str) -> None:
    """405 with Allow; what is sent along, and is never read, does not take the answer away."""
    reply = await http.request(method, "/metrics", content=b"x" * 3_000_000)
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")
    assert reply.text == "/metrics takes GET and HEAD only\n"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9090", "[::1]:9090", "10.1.2.3", "TEKTON.example:80"])
async def test_it_may_be_called_by_its_names_and_by_any_address(host: str) -> None:
    """A scraper says where it asks."""
    async with listener() as port:
        assert (await answer(port, asked(host=host)))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "[", "a b", "user@evil.example"])
async def test_a_name_that_somebody_else_gives_this_machine_is_refused(host: str) -> None:
    """Else a page elsewhere could read here what its visitor may read; the sentence says what to do."""
    async with listener() as port:
        status, text = await answer(port, asked(host=host))
        assert status == 400 or (status == 403 and "add the name to allowed_hosts" in text)
        assert "figures" not in text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000, 431),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
        (asked() + asked(), 200),
    ],
)
async def test_what_is_no_request_is_told_so(sent: bytes, status: int) -> None:
    """And an old one, or two at once, is answered once."""
    async with listener() as port:
        found, text = await answer(port, sent)
        assert found == status and len(re.findall(r"HTTP/1\.1 \d{3} ", text)) == 1
        assert "connection: close" in text.lower()


async def test_a_request_may_come_in_pieces() -> None:
    """As the network likes."""
    async with listener() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in asked():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await ended(reader)).endswith(b"figures\n")
        writer.close()


async def test_who_has_sent_all_he_has_to_say_gets_his_answer() -> None:
    """A client may close its half right after the request, as netcat does; and one that said nothing gets nothing."""
    async with listener() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked())
        writer.write_eof()
        assert (await ended(reader)).endswith(b"figures\n")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write_eof()
        assert await ended(reader) == b""
        writer.close()


async def test_an_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one that a stop finds under way; nothing goes on behind them."""
    begun, given_up = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def never() -> bytes:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.release()
        raise AssertionError

    monkeypatch.setattr(metrics_port, "WITHIN", 0.3)
    number, port = free_port(), MetricsPort(never, MEDIA, ())
    await port.start("127.0.0.1", number)
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(asked())
        assert await ended(reader) == b""
        await begun.acquire()
        await given_up.acquire()
        writer.close()
        monkeypatch.setattr(metrics_port, "WITHIN", 60)
        _, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(asked())
        await begun.acquire()
        await port.stop()
        await given_up.acquire()
        writer.close()
    assert not port.answering


async def test_who_says_nothing_reads_nothing_or_stays_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection has so much time for everything."""
    monkeypatch.setattr(metrics_port, "WITHIN", 0.3)
    async with listener("x" * 50_000_000) as port:
        silent = await asyncio.open_connection("127.0.0.1", port)
        slow = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        slow[1].write(asked())
        half = await asyncio.open_connection("127.0.0.1", port)
        half[1].write(b"GET /met")
        assert (await ended(silent[0]), await ended(half[0])) == (b"", b"")
        assert len(await ended(slow[0])) < 50_000_000
        for _, writer in (silent, slow, half):
            writer.close()


async def test_clients_that_only_hold_connections_keep_no_scraper_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that came first makes room; those that came later stay."""
    monkeypatch.setattr(metrics_port, "MOST", 4)
    async with listener() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(6)]
        assert (await answer(port, asked()))[0] == 200
        assert [await ended(reader) for reader, _ in held[:3]] == [b"", b"", b""]
        held[-1][1].write(asked())
        assert (await ended(held[-1][0])).endswith(b"figures\n")
        for _, writer in held:
            writer.close()


async def test_a_fault_of_ours_is_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    """500 in plain words; the cause is in the log, and the next one is answered."""

    async def broken() -> bytes:
        raise ZeroDivisionError("secret")

    number, port = free_port(), MetricsPort(broken, MEDIA, ())
    await port.start("127.0.0.1", number)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            status, text = await answer(number, asked())
            assert status == 500 and "secret" not in text and "the server's log has the cause" in text
    assert [record.getMessage() for record in caplog.records] == ["the metrics could not be gathered"] * 2
    await port.stop()
    await port.stop()


async def test_a_port_that_is_taken_is_refused_with_the_remedy() -> None:
    """As at the start, where it is looked for before anything is started."""
    async with listener() as port:
        with pytest.raises(ListenError, match=r"127\.0\.0\.1:\d+ cannot be listened on .*monitoring\.metrics_port"):
            await MetricsPort(partial(told, b""), MEDIA, ()).start("127.0.0.1", port)


async def test_a_stop_gives_the_port_back_at_once_and_cuts_who_is_there() -> None:
    """Even right after a scrape, when the system remembers the connection."""
    number, port = free_port(), MetricsPort(partial(told, b"figures\n"), MEDIA, ())
    for _ in range(3):
        await port.start("127.0.0.1", number)
        assert (await answer(number, asked()))[0] == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        await asyncio.sleep(0)
        await port.stop()
        assert await ended(reader) == b""
        writer.close()


async def test_a_listener_that_is_gone_is_opened_again_and_tekton_is_ready_meanwhile(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The health tells it, and so does the figure of restarts."""
    monkeypatch.setattr(listening, "PROBE_EVERY", 0.05)
    made: list[MetricsPort] = []
    taken, start = asyncio.Event(), MetricsPort.start

    async def unless_taken(self: MetricsPort, host: str, port: int) -> None:
        made.append(self)
        if taken.is_set():
            raise ListenError("somebody else has it")
        await start(self, host, port)

    monkeypatch.setattr(MetricsPort, "start", unless_taken)
    async with plane(cluster, tmp_path, metrics_port=free_port()) as running, httpx.AsyncClient() as http:
        assert (await http.get(f"{running.http}/api/health")).json()["checks"]["metrics"] == "passing"
        port = running.settings.metrics_port or 0
        taken.set()
        await made[0].stop()
        async with asyncio.timeout(10):
            while len(made) < 3:
                await asyncio.sleep(0.02)
        found = (await http.get(f"{running.http}/api/health")).json()
        assert found["checks"]["metrics"] == "failing"
        assert found["details"]["metrics"].startswith("the port of the metrics does not start (somebody else has it)")
        assert (await http.get(f"{running.http}/api/ready")).status_code == 200
        taken.clear()
        async with asyncio.timeout(10):
            while (await http.get(f"{running.http}/api/health")).json()["checks"]["metrics"] != "passing":
                await asyncio.sleep(0.02)
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        assert 'tekton_part_restarts_total{part="metrics"} 1.0' in text


async def test_metrics_that_are_off_are_told_to_be_off_and_are_not_gathered(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented error names the setting, over REST and gRPC alike; no port is opened; the JSON is there."""

    def gathered(*_: object) -> None:
        raise AssertionError("somebody gathers metrics")

    monkeypatch.setattr("tekton_server.services.exposition.Exposition.__init__", gathered)
    port = free_port()
    async with plane(cluster, tmp_path, enable_metrics=False, metrics_port=port) as running:
        async with httpx.AsyncClient(base_url=running.http) as http:
            reply = await http.get("/metrics")
            assert (await http.get("/api/metrics")).status_code == 200
        assert reply.status_code == 404
        error = reply.json()["error"]
        assert (error["code"], error["reason"], error["component"]) == (1009, "unknown_path", "tekton_core")
        assert "metrics are off" in error["message"] and "monitoring.enable_metrics to true" in error["message"]
        assert error["details"] == {"setting": "monitoring.enable_metrics"}
        async with stubs(running.direct) as direct:
            with refused("unknown_path") as failure:
                await direct.system.Exposition(pb.ExpositionRequest())
        assert failure.status is grpc.StatusCode.NOT_FOUND
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
