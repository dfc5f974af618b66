"""gRPC-Web on the same port: its frames as the protocol has them, and a stock client from npm."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api import httpbody_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from tekton.v1 import component_pb2, registry_service_pb2
from tekton_gateway import Envoy
from tekton_gateway.contract import DESCRIPTORS
from tests.gateway.canned_server import CannedServer

pytestmark = pytest.mark.timeout(45)

SERVICE = "/tekton.v1.RegistryService"
HEADERS = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
TRAILERS = 0x80

CLIENT = Path(__file__).parents[1] / "grpcweb"
INSTALLED = Path(__file__).parents[2] / "build"
INSTALL_DEADLINE = 12.0


def framed(message: Message) -> bytes:
    data = message.SerializeToString()
    return struct.pack(">BI", 0, len(data)) + data


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut a whole reply into (flags, content)."""
    found = []
    while data:
        flags, length = struct.unpack(">BI", data[:5])
        assert len(data) >= 5 + length
        found.append((flags, data[5 : 5 + length]))
        data = data[5 + length :]
    return found


def trailers_of(content: bytes) -> dict[str, str]:
    lines = content.decode("ascii").split("\r\n")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


def reason_of(details: str) -> str:
    """Give the ErrorInfo.reason of a grpc-status-details-bin."""
    status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def call(rest: httpx.AsyncClient, method: str, request: Message) -> httpx.Response:
    return await rest.post(f"{SERVICE}/{method}", content=framed(request), headers=HEADERS)


async def test_a_unary_call_gets_its_message_and_then_its_status(rest: httpx.AsyncClient) -> None:
    """Both in frames of the body; metadata of the server are headers."""
    reply = await call(rest, "RegisterComponent", registry_service_pb2.RegisterComponentRequest(component_id="vector"))
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/grpc-web+proto"
    assert reply.headers["tekton-revision"] == "h.7"
    (flags, message), (last, trailers) = frames(reply.content)
    assert (flags, last) == (0, TRAILERS)
    assert registry_service_pb2.RegisterComponentResponse.FromString(message).component_id == "vector"
    assert trailers_of(trailers)["grpc-status"] == "0"


async def test_text_is_the_same_in_base64(rest: httpx.AsyncClient) -> None:
    """As grpc-web's text mode wants it."""
    request = base64.b64encode(framed(registry_service_pb2.GetComponentRequest(component_id="vector")))
    headers = HEADERS | {"content-type": "application/grpc-web-text", "accept": "application/grpc-web-text"}
    reply = await rest.post(f"{SERVICE}/GetComponent", content=request, headers=headers)
    assert reply.headers["content-type"].startswith("application/grpc-web-text")
    # Pieces are padded one by one.
    pieces = [base64.b64decode(one + b"=" * (-len(one) % 4)) for one in reply.content.split(b"=") if one]
    (_, message), (last, trailers) = frames(b"".join(pieces))
    assert component_pb2.Component.FromString(message).component_id == "vector"
    assert last == TRAILERS and trailers_of(trailers)["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("component_id", "status", "reason"), [("missing", "5", "component_not_found"), ("late", "14", "unavailable")]
)
async def test_a_failure_has_its_status_and_its_details(
    rest: httpx.AsyncClient, component_id: str, status: str, reason: str
) -> None:
    """In the headers where the server sent nothing else, and else in the frame of the trailers; never as JSON."""
    reply = await call(rest, "GetComponent", registry_service_pb2.GetComponentRequest(component_id=component_id))
    assert reply.status_code == 200
    found = trailers_of(frames(reply.content)[-1][1]) if reply.content else dict(reply.headers)
    assert found["grpc-status"] == status and "tekton-error" not in found
    assert reason_of(found["grpc-status-details-bin"]) == reason


async def test_a_server_stream_arrives_message_by_message(rest: httpx.AsyncClient, server: CannedServer) -> None:
    """The first is here while the stream is open, and leaving ends it on the server."""
    request = framed(registry_service_pb2.WatchRegistryRequest())
    async with rest.stream("POST", f"{SERVICE}/WatchRegistry", content=request, headers=HEADERS) as reply:
        received = b""
        async for chunk in reply.aiter_raw():
            received += chunk
            if len(received) >= 5 + struct.unpack(">BI", received[:5])[1]:
                break
        await server.until_open(1)
        ((_, message),) = frames(received)
        assert registry_service_pb2.WatchRegistryResponse.FromString(message).history_id == "h"
    await server.until_idle()


async def test_a_server_stream_that_ends_says_how(rest: httpx.AsyncClient) -> None:
    """Well or not, after its messages."""
    for wanted, status in (("short", "0"), ("breaks", "11")):
        reply = await call(rest, "StreamRegistry", registry_service_pb2.WatchRegistryRequest(component_ids=[wanted]))
        *messages, (last, trailers) = frames(reply.content)
        assert [b"first" in httpbody_pb2.HttpBody.FromString(data).data for _, data in messages] == [True]
        assert last == TRAILERS and trailers_of(trailers)["grpc-status"] == status


def stock_client() -> Path:
    """Give the folder of the client's packages, installed once; skip the test where that cannot be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    package = (CLIENT / "package.json").read_bytes()
    packages = INSTALLED / f"grpcweb-{hashlib.sha256(package).hexdigest()[:12]}" / "node_modules"
    if not packages.exists():
        packages.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=packages.parent) as folder:
            shutil.copytree(CLIENT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
            install(npm, Path(folder))
            # Whole or not at all, whatever other runs do meanwhile.
            try:
                (Path(folder) / "node_modules").rename(packages)
            except OSError:
                if not packages.exists():
                    raise
    return packages


def install(npm: str, folder: Path) -> None:
    argv = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_DEADLINE)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the client within {INSTALL_DEADLINE:g} s")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install the client: {done.stderr.strip().splitlines()[-1:]}")


@pytest.fixture
async def answers(gateway: Envoy, tmp_path: Path) -> Any:
    """Run the stock client once."""
    (tmp_path / "node_modules").symlink_to(await asyncio.to_thread(stock_client))
    for file in ("client.js", "package.json"):
        shutil.copy(CLIENT / file, tmp_path)
    node = await asyncio.create_subprocess_exec(
        *("node", "client.js", f"http://127.0.0.1:{gateway.port}", str(DESCRIPTORS)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await asyncio.wait_for(node.communicate(), 20)
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    assert node.returncode == 0, complained.decode()
    return json.loads(said)


async def test_a_stock_client_from_npm_is_served(answers: dict[str, Any], server: CannedServer) -> None:
    """Unary calls with their headers, failures with their details, streams to their end and without one."""
    assert answers["unary"] == {"component_id": "vector", "revision": "h.7"}
    for name, code, reason in (
        ("failure", "NotFound", "component_not_found"),
        ("late_failure", "Unavailable", "unavailable"),
    ):
        failure = answers[name]
        assert failure["code"] == code
        (detail,) = failure["details"]
        assert detail["type"] == "google.rpc.ErrorInfo"
        info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(detail["value"]))
        assert (info.reason, info.domain) == (reason, "tekton")
    assert answers["failure"]["message"] == 'no "missing" here\n\u00e9'
    assert answers["whole_stream"] == ["event: registry\ndata: first\n\n"]
    assert answers["endless_stream"] == {"historyId": "h"}
    await server.until_idle()
