"""Calling another component over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tekton.utils.component_client import ComponentClient
from tekton.utils.tekton_errors import ComponentError, DependencyError, TektonError
from tests.support.ports import free_port


class _Component(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        match path:
            case "/api/health":
                self._answer(200, {"status": "healthy"})
            case "/ill":
                self._answer(503, {"status": "unhealthy"})
            case "/text":
                self._answer(200, "hello", "text/plain")
            case "/nothing":
                self._answer(204, "")
            case "/slow":
                self.server.released.wait(5)  # type: ignore[attr-defined]
            case "/headers":
                self._answer(200, {"authorization": self.headers["authorization"], "query": query})
            case "/documented":
                body = {"message": "Item not found", "code": "not_found", "component": "engram", "details": {}}
                self._answer(400, {"error": body})
            case _:
                self._answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(200, {"path": self.path, "sent": sent, "x": self.headers["x-mine"]})

    def _answer(self, status: int, body: Any, kind: str = "application/json") -> None:
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A component's port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Component)
    server.released = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def _client(port: int, **options: Any) -> ComponentClient:
    return ComponentClient(component_id="engram", host="localhost", port=port, **options)


async def test_calls_send_and_give_json(port: int) -> None:
    """Method, body and headers as the guide shows them."""
    answer = await _client(port).call_api(
        path="/api/memory/store", method="POST", data={"key": "k", "value": {"some": "data"}}, headers={"X-Mine": "1"}
    )
    assert answer == {"path": "/api/memory/store", "sent": {"key": "k", "value": {"some": "data"}}, "x": "1"}
    assert await _client(port).call_api("nothing") is None


async def test_data_of_a_get_is_its_query(port: int) -> None:
    """A GET has no body."""
    answer = await _client(port).call_api("/headers", data={"limit": 3})
    assert answer["query"] == "limit=3"


async def test_the_token_goes_with_every_call(port: int) -> None:
    """Unless the call brings its own."""
    client = _client(port, auth_token="secret")
    assert (await client.call_api("/headers"))["authorization"] == "Bearer secret"
    own = await client.call_api("/headers", headers={"authorization": "Bearer mine"})
    assert own["authorization"] == "Bearer mine"


async def test_health_is_an_answer_also_when_it_is_bad(port: int) -> None:
    """503 with a JSON object is a health; a missing path is none."""
    assert await _client(port).check_health() == {"status": "healthy"}
    assert await _client(port, health_check="/ill").check_health() == {"status": "unhealthy"}
    with pytest.raises(ComponentError):
        await _client(port, health_check="/wrong").check_health()


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [("/documented", "not_found", 400), ("/missing", "http_404", 404), ("/text", "invalid_response", 200)],
)
async def test_failures_are_component_errors(port: int, path: str, code: str, status: int) -> None:
    """With the component's own code where its body has one."""
    with pytest.raises(ComponentError) as caught:
        await _client(port).call_api(path)
    error = caught.value
    assert (error.component, error.code, error.details["status"]) == ("engram", code, status)
    assert "engram" in str(error)


async def test_a_component_that_is_not_there_or_not_answering(port: int) -> None:
    """Two different codes."""
    with pytest.raises(ComponentError) as nobody:
        await _client(free_port()).call_api("/anything")
    assert nobody.value.code == "unavailable"
    with pytest.raises(ComponentError) as late:
        await _client(port, timeout=0.2).call_api("/slow")
    assert late.value.code == "timeout"


def test_each_event_loop_has_its_own_connections(port: int) -> None:
    """A component can be called in run after run of one process."""
    client = _client(port)
    assert asyncio.run(client.check_health()) == asyncio.run(client.check_health())


def test_the_errors_of_the_guide() -> None:
    """A component's own class, with a string for its code."""

    class MyComponentError(ComponentError):
        def __init__(self, message: str, code: str | None = None, details: dict[str, Any] | None = None) -> None:
            super().__init__(message, component="my_component", code=code, details=details)

    error = MyComponentError("Missing data field", code="validation_error")
    assert isinstance(error, TektonError)
    assert (str(error), error.code, error.component, error.details) == (
        "Missing data field",
        "validation_error",
        "my_component",
        {},
    )
    assert MyComponentError("broken").code == "component_error"
    assert issubclass(DependencyError, TektonError)
