"""The stock gRPC-Web client from npm: one process of node that makes calls as it is told (tests/grpcweb/client.js)."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tekton_gateway.contract import DESCRIPTORS

CLIENT = Path(__file__).parents[1] / "grpcweb"
INSTALLED = Path(__file__).parents[2] / "build"
INSTALL_DEADLINE = 12.0

Json = dict[str, Any]


class Call:
    """One call: its messages, and then its end, with code, message, details and metadata."""

    def __init__(self, client: StockClient, number: int) -> None:
        self._client = client
        self._number = number
        self.said: asyncio.Queue[Json] = asyncio.Queue()

    async def next(self, within: float = 10.0) -> Json:
        """Wait for what comes next: `{"message": …}` or `{"end": …}`."""
        async with asyncio.timeout(within):
            return await self.said.get()

    def cancel(self) -> None:
        """Leave."""
        self._client.say({"cancel": self._number})


class StockClient:
    """The process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}

    def call(self, rpc: str, request: Json) -> Call:
        """Begin a call of `package.Service.Method`, the request as JSON."""
        number = next(self._numbers)
        self._calls[number] = Call(self, number)
        self.say({"call": number, "rpc": rpc, "request": request})
        return self._calls[number]

    def say(self, line: Json) -> None:
        """Tell the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def read(self) -> None:
        """Take to each call what is said of it, until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            self._calls[said.pop("call")].said.put_nowait(said)


@asynccontextmanager
async def stock_client(port: int, folder: Path) -> AsyncIterator[StockClient]:
    """Run the client against a gateway; skips the test where it cannot be had."""
    (folder / "node_modules").symlink_to(await asyncio.to_thread(_packages))
    for file in ("client.js", "package.json"):
        shutil.copy(CLIENT / file, folder)
    process = await asyncio.create_subprocess_exec(
        *("node", "client.js", f"http://127.0.0.1:{port}", str(DESCRIPTORS)),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    client = StockClient(process)
    reading = asyncio.create_task(client.read())
    try:
        yield client
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await reading
    finally:
        reading.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


def _packages() -> Path:
    """Give the folder of the client's packages, installed once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    package = (CLIENT / "package.json").read_bytes()
    packages = INSTALLED / f"grpcweb-{hashlib.sha256(package).hexdigest()[:12]}" / "node_modules"
    if not packages.exists():
        packages.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=packages.parent) as folder:
            shutil.copytree(CLIENT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
            _install(npm, Path(folder))
            # Whole or not at all, whatever other runs do meanwhile.
            try:
                (Path(folder) / "node_modules").rename(packages)
            except OSError:
                if not packages.exists():
                    raise
    return packages


def _install(npm: str, folder: Path) -> None:
    argv = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_DEADLINE)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the client within {INSTALL_DEADLINE:g} s")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install the client: {done.stderr.strip().splitlines()[-1:]}")
