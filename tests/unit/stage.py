"""A stage for single cases of liveness: servers on a paper database, in virtual time.

Beats are due every 2 s and leases are lost after 6 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tekton.core.ids import Token
from tekton.core.records import CommandKind
from tekton.core.view import Instance, InstanceCommand
from tekton_server.domain.commands import PostCommand, RegisterComponent
from tekton_server.live.lease import Lease, Timing
from tekton_server.live.pulses import Claim
from tekton_server.live.sessions import Session
from tests.support.paper_database import HISTORY, PaperDatabase
from tests.support.paper_server import PaperServer
from tests.support.virtual_time import VirtualLoop
from tests.unit.paper import uuid_of

T = TypeVar("T")

TIMEOUT = 6.0


class Stage:
    """A paper database, servers on it, and their time."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.database = PaperDatabase(self.loop, lambda commit, by, decided: None)
        self.registered = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something."""
        return self.loop.run(work)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def server(self, ahead: float = 0.0) -> PaperServer:
        """Start a server whose wall clock is wrong by so many seconds."""
        server = PaperServer(self.database, Timing(2.0, TIMEOUT), ahead)
        self.run(server.start())
        self.wait(1.0)
        return server

    def register(self, server: PaperServer, port: int = 0) -> Instance:
        """Register an instance."""
        self.registered += 1
        command = RegisterComponent(
            component_id="athena", component_name="A", component_type="core", version="1.0.0", host="10.0.0.1",
            port=port or self.registered, instance_uuid=uuid_of(self.registered),
        )  # fmt: skip
        granted: Instance = self.run(server.writer.submit(command)).instance
        return granted

    def session(self, server: PaperServer, *instances: Instance) -> Session:
        """Open a stream that carries instances."""
        session = Session(server.pulses, server.commands)
        self.run(session.hello([claim(one) for one in instances]))
        return session

    def post(self, server: PaperServer, instance: Instance, seconds: float = 30.0) -> InstanceCommand:
        """Give an instance a command."""
        command = PostCommand(
            component_id=instance.component_id, kind=CommandKind.RELOAD, seed=uuid_of(10**9),
            instance_uuid=instance.instance_uuid, deadline_seconds=seconds,
        )  # fmt: skip
        (posted,) = self.run(server.writer.submit(command))
        assert isinstance(posted, InstanceCommand)
        return posted

    def until_judged(self, server: PaperServer, instance: Instance) -> Lease:
        """Let the expiry of an instance wait for the journal's lock."""
        lease = server.leases.get(instance.instance_uuid)
        assert lease is not None
        self.wait(lease.deadline + server.leases.ownership.slack - 0.1 - self.loop.time())
        self.database.held = True
        self.wait(0.5)
        assert lease.judging is not None
        return lease


def claim(instance: Instance, *, right: bool = True, epoch: int = 0) -> Claim:
    """Claim a lease."""
    token = Token(HISTORY, instance.granted + (not right))
    return Claim(instance.component_id, instance.instance_uuid, token, epoch)
