"""Many watchers and a trickle of commits: how long after a commit was asked for has each watcher heard of it."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from bench.bodies import Registrations
from bench.load import Target, Window
from bench.messages import Messages, message
from bench.model import Figures
from bench.wire import Connection, Headers
from tekton.v1 import registry_service_pb2 as registry_pb

_SERVICE = "/tekton.v1.RegistryService"
_FIRST = 100_000
_CONNECTIONS = 10
_OPEN_WITHIN = 60.0
_LATEST = 5.0


@dataclass(frozen=True)
class WatchLoad:
    """Watches of one type of component, which is registered at a steady rate. The number sets rounds apart."""

    target: Target
    watchers: int
    per_second: float
    number: int
    window: Window

    async def go(self) -> Figures:
        """Load, on this event loop. The latencies run from sending the registration to hearing of it."""
        commits = _Commits(self.number)
        watching = [await self._watch(commits) for _ in range(_CONNECTIONS)]
        committer = await self._connect(lambda: _Committer(Headers(f"{_SERVICE}/RegisterComponent", "bench"), commits))
        try:
            await self._trickle(committer, commits)
        finally:
            for one in (*watching, committer):
                one.close()
        heard = [seconds for number, found in commits.heard.items() if number in commits.counted for seconds in found]
        missed = len(commits.counted) * self.watchers - len(heard)
        return Figures.of(heard, self.window.seconds, len(commits.sent), max(missed, 0) + commits.failures)

    async def _connect(self, make: object) -> Connection:
        assert callable(make)
        made = await asyncio.get_running_loop().create_connection(make, self.target.host, self.target.port)
        connection = made[1]
        assert isinstance(connection, Connection)
        return connection

    async def _watch(self, commits: _Commits) -> Connection:
        headers = Headers(f"{_SERVICE}/WatchRegistry", "bench")
        made = await self._connect(lambda: _Watching(headers, commits, self.watchers // _CONNECTIONS))
        assert isinstance(made, _Watching)
        async with asyncio.timeout(_OPEN_WITHIN):
            await made.open_all()
        return made

    async def _trickle(self, committer: Connection, commits: _Commits) -> None:
        assert isinstance(committer, _Committer)
        began = time.perf_counter()
        for step in range(round(self.window.whole * self.per_second)):
            due = step / self.per_second
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            number = committer.commit()
            if due >= self.window.warm_up:
                commits.counted.add(number)
        until = time.perf_counter() + _LATEST
        while time.perf_counter() < until and any(
            len(commits.heard.get(number, ())) < self.watchers for number in commits.counted
        ):
            await asyncio.sleep(0.02)


class _Commits:
    """What was asked for when, and how long after that each watcher heard of it."""

    def __init__(self, number: int) -> None:
        self.component_type = f"watched-{number}"
        self.prefix = f"tick-{number}"
        self.pattern = re.compile(f"{self.prefix}-([0-9]{{6}})".encode())
        self.sent: dict[int, float] = {}
        self.heard: dict[int, list[float]] = {}
        self.counted: set[int] = set()
        self.failures = 0


class _Committer(Connection):
    def __init__(self, headers: Headers, commits: _Commits) -> None:
        super().__init__(headers)
        self._commits = commits
        self._body = Registrations(commits.prefix, component_type=commits.component_type)
        self._answered: set[int] = set()

    def commit(self) -> int:
        """Register one component more, and give its number."""
        number = _FIRST + len(self._commits.sent)
        stream = self.open()
        self.send(stream, message(self._body.one(number)), end=True)
        self._commits.sent[number] = time.perf_counter()
        self.flush()
        return number

    def on_data(self, stream: int, data: bytes) -> None:
        self._answered.add(stream)

    def on_end(self, stream: int, reset: bool) -> None:
        self._commits.failures += stream not in self._answered


class _Watching(Connection):
    def __init__(self, headers: Headers, commits: _Commits, watchers: int) -> None:
        super().__init__(headers)
        self._commits = commits
        self._watchers = watchers
        self._messages: dict[int, Messages] = {}
        self._last: dict[int, int] = {}
        self._all = asyncio.Event()

    async def open_all(self) -> None:
        """Open the watches and wait for the first message of each, which follows an empty snapshot."""
        request = registry_pb.WatchRegistryRequest(component_types=[self._commits.component_type])
        for _ in range(self._watchers):
            stream = self.open()
            self._messages[stream] = Messages()
            self.send(stream, message(request.SerializeToString()), end=True)
        self.flush()
        await self._all.wait()

    def on_data(self, stream: int, data: bytes) -> None:
        now = time.perf_counter()
        for said in self._messages[stream].feed(data):
            last = self._last.setdefault(stream, 0)
            if len(self._last) == self._watchers:
                self._all.set()
            for found in self._commits.pattern.findall(said):
                if (number := int(found)) > last:
                    last = self._last[stream] = number
                    self._commits.heard.setdefault(number, []).append(now - self._commits.sent[number])

    def on_end(self, stream: int, reset: bool) -> None:
        self._commits.failures += 1
