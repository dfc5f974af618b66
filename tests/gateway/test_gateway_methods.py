"""HEAD where there is a GET, OPTIONS everywhere, what a path takes where it does not take the method, and the root."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import Any

import httpx
import pytest

from tekton_gateway import Envoy, paths
from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, rest_client
from tests.gateway.test_gateway_rest import COMPONENTS, EVENTS, INTERNALS, JSON, error_of

pytestmark = pytest.mark.timeout(30)

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
# What says when, or is of the one connection.
OWN = ("x-request-id", "date", "connection", "transfer-encoding")
SERVED = ["/", "/api/health", f"{COMPONENTS}/vector", f"{COMPONENTS}/large", f"{COMPONENTS}?page_size=5"]
FAILED = [f"{COMPONENTS}/missing", f"{COMPONENTS}/late", "/nowhere", "/api/health?nope=1", "/api/health?nope"]


def headers_of(reply: httpx.Response) -> dict[str, str]:
    """Give the headers that do not differ from call to call."""
    return {name: value for name, value in reply.headers.items() if name not in OWN}


@pytest.mark.parametrize("path", SERVED + FAILED)
async def test_head_is_answered_as_get_would_be_without_the_body(rest: httpx.AsyncClient, path: str) -> None:
    """The same status and headers, the length among them; only of the gateway's own refusals it is left out."""
    got, head = await rest.get(path), await rest.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    expected = headers_of(got)
    if "content-length" not in head.headers:
        assert path in FAILED
        del expected["content-length"]
    assert headers_of(head) == expected


async def exchange(gateway: Envoy, *requests: tuple[str, str], at_once: bool = False) -> list[tuple[bytes, bytes]]:
    """Send requests over one connection, and give the status line and the body of each reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    texts = [f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() for method, path in requests]
    found = []
    for number, text in enumerate(texts):
        if not at_once or number == 0:
            writer.write(b"".join(texts) if at_once else text)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        empty = requests[number][0] == "HEAD"
        body = b"" if empty else await reader.readexactly(int(lines.get(b"content-length", b"0")))
        found.append((head.split(b"\r\n")[0], body))
    writer.close()
    return found


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "pipelined"])
@pytest.mark.parametrize("path", [*SERVED, f"{COMPONENTS}/missing", "/nowhere", EVENTS])
async def test_a_connection_serves_on_after_a_head(
    gateway: Envoy, server: CannedServer, path: str, at_once: bool
) -> None:
    """Not a byte of the body that GET would have is left on it, to be taken for the next reply."""
    _, (status, body) = await exchange(gateway, ("HEAD", path), ("GET", "/api/health"), at_once=at_once)
    assert status == b"HTTP/1.1 200 OK" and b'"healthy"' in body


async def test_head_of_an_event_stream_is_answered_at_once_and_opens_none(
    rest: httpx.AsyncClient, server: CannedServer
) -> None:
    """With the status and the type that a GET begins with; a monitor costs no watcher."""
    head = await rest.head(EVENTS)
    assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/event-stream", b"")
    assert server.calls == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="httpx speaks HTTP/1.1 only; curl speaks HTTP/2")
@pytest.mark.parametrize(
    ("path", "status"), [("/api/health", 200), (f"{COMPONENTS}/missing", 404), ("/nowhere", 404), (EVENTS, 200)]
)
async def test_head_works_over_http2(gateway: Envoy, server: CannedServer, path: str, status: int) -> None:
    """Its stream ends, and no trailer with internals comes after it."""
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--max-time", "5", "--http2-prior-knowledge", "--head"),
        f"http://127.0.0.1:{gateway.port}{path}",
        stdout=asyncio.subprocess.PIPE,
    )
    shown = (await curl.communicate())[0].decode()
    assert curl.returncode == 0 and shown.startswith(f"HTTP/2 {status} ")
    assert [line for line in shown.splitlines() if line.startswith(INTERNALS)] == []


async def test_head_without_a_server_is_503_like_get(start_gateway: StartGateway) -> None:
    """This is what monitors ask for."""
    async with rest_client(await start_gateway()) as rest:
        head = await rest.head("/api/health")
    assert (head.status_code, head.headers["retry-after"], head.content) == (503, "1", b"")


async def test_head_is_refused_to_foreign_pages_like_get(rest: httpx.AsyncClient, server: CannedServer) -> None:
    """It is a read like any other."""
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        for path in ("/api/health", EVENTS):
            assert (await rest.head(path, headers=headers)).status_code == 403
            assert (await rest.options(path, headers=headers)).status_code == 403
    assert server.calls == []


def concrete(path: paths.RestPath) -> str:
    """Fill a template."""
    return path.template.replace("{component_id}", "vector")


@pytest.mark.parametrize("path", paths.table(), ids=lambda path: path.template)
async def test_a_method_that_a_path_does_not_take_is_404_with_those_that_it_takes(
    rest: httpx.AsyncClient, server: CannedServer, path: paths.RestPath
) -> None:
    """In the message for people, and in details.allowed and Allow for programs; whatever its content type."""
    # A rest of any length may be empty: what the path below takes goes to the server, which refuses it by its field.
    below = [one for one in paths.table() if re.fullmatch(re.escape(path.template) + r"/\{\w+=\*\*\}", one.template)]
    taken = {verb for one in below for verb in one.bindings}
    refused = [verb for verb in (*paths.VERBS, "TRACE") if verb not in path.allowed and verb not in taken]
    for method in refused:
        for headers in (JSON, {}, {"content-type": "text/plain"}):
            reply = await rest.request(method, concrete(path), headers=headers)
            error = error_of(reply, 404, 1009, "unknown_path")
            assert error["details"] == {"allowed": list(path.allowed)}
            assert reply.headers["allow"] == ", ".join(path.allowed)
            assert error["message"].endswith(f"on this gateway: this path takes {', '.join(path.allowed)}.")
    if "HEAD" not in path.allowed:
        head = await rest.head(concrete(path))
        assert (head.status_code, head.headers["allow"]) == (404, ", ".join(path.allowed))
    assert server.calls == [] and refused


@pytest.mark.parametrize("path", paths.table(), ids=lambda path: path.template)
async def test_options_is_204_with_the_methods_of_the_path(
    rest: httpx.AsyncClient, server: CannedServer, path: paths.RestPath
) -> None:
    """And nothing for a page of others: there is no CORS."""
    reply = await rest.options(concrete(path), headers={"access-control-request-method": "POST"})
    assert (reply.status_code, reply.headers["allow"], reply.content) == (204, ", ".join(path.allowed), b"")
    assert set(reply.headers) == {"allow", "date", "server", "x-request-id"}
    assert server.calls == []


async def test_a_path_that_nobody_knows_has_no_methods(rest: httpx.AsyncClient) -> None:
    """404 without Allow, for OPTIONS too."""
    for method in ("GET", "OPTIONS", "DELETE"):
        reply = await rest.request(method, "/api/tekton/nowhere")
        error = error_of(reply, 404, 1009, "unknown_path")
        assert "allow" not in reply.headers and error["details"] == {}


def of_the_table(template: str) -> Any:
    return next(path for path in paths.table() if path.template == template)


def test_every_path_of_the_contract_is_in_the_table() -> None:
    """GET brings HEAD along, and OPTIONS is for all; the streams are known."""
    assert of_the_table(COMPONENTS).allowed == ("GET", "HEAD", "POST", "OPTIONS")
    assert of_the_table(f"{COMPONENTS}:batch").allowed == ("POST", "OPTIONS")
    assert of_the_table(EVENTS).streams and not of_the_table(COMPONENTS).streams


def test_a_pattern_takes_dots_dashes_and_verbs_as_they_are() -> None:
    """Lua reads some of them otherwise."""
    assert paths.RestPath("/a-b/c.d/{x}:run").pattern == "^/a%-b/c%.d/[^/]+:run/*$"
    assert paths.RestPath("/m/{id=**}").pattern == "^/m/.+/*$" and paths.RestPath("/").pattern == "^/*$"


async def test_the_root_tells_a_program_where_everything_is(rest: httpx.AsyncClient) -> None:
    """As JSON from the contract, like every other path."""
    reply = await rest.get("/")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json()["docs"] == "/docs"


async def test_the_root_sends_a_browser_to_the_page(rest: httpx.AsyncClient) -> None:
    """Relative, so that it holds behind a prefix as well."""
    for method in ("GET", "HEAD"):
        reply = await rest.request(method, "/", headers=BROWSER)
        assert (reply.status_code, reply.content) == (303, b"")
        assert reply.next_request is not None and reply.next_request.url.path == "/docs"
