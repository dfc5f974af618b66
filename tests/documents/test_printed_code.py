"""The printed code of models and fallbacks runs as printed, against a real Tekton and components that answer.

Reads the documents where they stand beside the repository, and is skipped where they do not.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tekton.client import TektonClient, get_default_client, set_default_client
from tekton.core.graceful_degradation import GracefulDegradationManager, NoFallbackAvailableError
from tests.routing.fleet import ANSWER, DOCUMENTED, plane_with, serve
from tests.support.client import Stubs, stubs
from tests.support.ports import free_port
from tests.support.postgres import Cluster

DOCUMENTS = Path(__file__).parents[2].parent / "shared" / "spec"
_PYTHON = re.compile(r"```python\n(.*?)```", re.S)

pytestmark = pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the documents are not beside the repository")


def printed(document: str, holding: str) -> str:
    """Give the one block of code of a document that holds some text."""
    text = next(DOCUMENTS.glob(f"{document}_*.txt")).read_text()
    (found,) = [block for block in _PYTHON.findall(text) if holding in block]
    return found


async def run(code: str, **names: Any) -> dict[str, Any]:
    """Run code, with `await` outside of functions too, and give the names that it leaves."""
    names |= {"__name__": "printed"}
    compiled = compile(code, "printed", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    pending = eval(compiled, names)
    if inspect.isawaitable(pending):
        await pending
    return names


@asynccontextmanager
async def component(text: str | None) -> AsyncIterator[int]:
    """Serve /api/generate on a port: a text, or a failure."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        asked = json.loads(await reader.readexactly(int(length[1]) if length else 0) or b"{}")
        body = json.dumps({"text": f"{text}, by {asked['model']}"} if text else {}).encode()
        status = b"200 OK" if text else b"500 Internal Server Error"
        head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stubs]:
    """A Tekton with the documented models, as the one that the documented functions use."""
    async with (
        plane_with(cluster.new_database(), tmp_path_factory.mktemp("printed"), DOCUMENTED) as plane,
        stubs(plane.direct) as opened,
        TektonClient(plane.host, plane.port) as client,
    ):
        set_default_client(client)
        yield opened
        set_default_client(None)


async def test_the_printed_model_selection_gives_model_and_endpoint(
    api: Stubs, capsys: pytest.CaptureFixture[str]
) -> None:
    """IG, "Model Selection"; the endpoint is where rhetor listens."""
    await serve(api, "rhetor", host="localhost", port=8003)
    names = await run(printed("000", "async def select_appropriate_model"))
    assert await names["select_appropriate_model"]() == (ANSWER["selected_model"], ANSWER["endpoint"])
    assert "Selected model: claude-3-sonnet-20240229" in capsys.readouterr().out


async def test_the_printed_fallback_turns_to_the_local_model(api: Stubs) -> None:
    """IG, "Fallback Mechanisms": rhetor fails, local_llm answers; then nobody does."""
    names = await run(printed("000", "async def model_with_fallback"))
    async with component(None) as failing, component("Hello") as well:
        await serve(api, "rhetor", host="127.0.0.1", port=failing, replace=True)
        await serve(api, "local_llm", host="127.0.0.1", port=well)
        async with asyncio.timeout(10):
            while (said := await names["model_with_fallback"]()) != "Hello, by llama3":
                assert "Generated offline" in said
                await asyncio.sleep(0.05)
    assert "Generated offline" in await names["model_with_fallback"]()


async def test_the_printed_route_of_the_python_sdk(api: Stubs) -> None:
    """API, "Python SDK": the call alone, of the block that holds it."""
    block = printed("001", "client.route_task(")
    call = re.search(r"route_info = await client\.route_task\(.*?\n\)", block, re.S)
    assert call is not None
    names = await run(call[0], client=get_default_client())
    assert names["route_info"]["selected_model"] in {one.id for one in DOCUMENTED}


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ((), "rhetor wrote 100 tokens"),
        (("rhetor",), "local_llm with llama3 wrote 100 tokens"),
        (("rhetor", "local_llm"), "Sorry, text generation is currently unavailable"),
    ],
)
async def test_the_printed_degradation_manager(failing: tuple[str, ...], expected: str) -> None:
    """TD, "Graceful Degradation Manager": unmodified; the names that it takes for granted are given."""

    async def generate_text(prompt: str, max_tokens: int, component: str, model: str = "") -> str:
        if component in failing:
            raise ConnectionError(component)
        return f"{component}{f' with {model}' if model else ''} wrote {max_tokens} tokens"

    code = printed("002", "from tekton.core.graceful_degradation import GracefulDegradationManager")
    names = await run(
        code, generate_text=generate_text, prompt="Hello", NoFallbackAvailableError=NoFallbackAvailableError
    )
    assert names["result"] == expected
    manager = names["degradation_manager"]
    assert isinstance(manager, GracefulDegradationManager)
    status = manager.circuit_breaker("rhetor")
    assert status is not None and status.state == "closed"
