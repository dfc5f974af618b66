"""Small real processes under a launcher, and the proof that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import pwd
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tekton.core.ids import new_uuid
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.host.cgroups import Cgroups
from tekton_server.host.launch_files import LaunchFiles, Status
from tekton_server.host.launch_order import Surroundings
from tekton_server.host.launcher import LocalLauncher
from tekton_server.host.secrets import Secrets
from tekton_server.host.shim import proc
from tekton_server.live.launching import Launched, LaunchIdentity

# Root does not launch without a user.
OURSELVES = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() == 0 else None


class Fleet:
    """A launcher on a data directory, and everything that was launched with it."""

    def __init__(self, data: Path, *, cgroups: Cgroups | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self.data = data
        secrets = Secrets((data / "secrets",), environ)
        self.around = Surroundings("127.0.0.1", 8010, environ, secrets, data, 65536, 3)
        self.launcher = LocalLauncher(data, self.around, cgroups=cgroups or Cgroups(None, "none is wanted here"))
        self.known: list[LaunchIdentity] = []

    def identity(self, component_id: str = "notes", epoch: int = 7) -> LaunchIdentity:
        """Make one that has never been."""
        self.known.append(LaunchIdentity(component_id, new_uuid(), epoch))
        return self.known[-1]

    async def launch(self, *command: str, identity: LaunchIdentity | None = None, **spec: Any) -> Launched:
        """Launch a command as ourselves."""
        given = {"command": command, "user": OURSELVES, "stop_timeout": 1.0} | spec
        return await self.launcher.launch(msgspec.convert(given, LaunchSpec), identity or self.identity())

    def files(self, launched: Launched | LaunchIdentity) -> LaunchFiles:
        """Give the files of a launch."""
        identity = launched.identity if isinstance(launched, Launched) else launched
        return LaunchFiles(self.data, identity.component_id, identity.instance_uuid)

    def status(self, launched: Launched) -> Status:
        """Give what its shim says of itself."""
        status = self.files(launched).status()
        assert status is not None
        return status

    async def said(self, launched: Launched, text: str) -> str:
        """Wait until it has written a text; give all it has written."""
        return await until(lambda: self.launcher.log_tail(launched.identity, 1000), lambda log: text in log)

    def left(self) -> list[tuple[int, str]]:
        """Give every process of any of the launches that is alive, shims and descendants, wherever they went."""
        cookies = [f"TEKTON_INSTANCE_UUID={one.instance_uuid}".encode() for one in self.known]
        return [
            (pid, _command(pid))
            for pid in proc.everybody()
            if not proc.is_zombie(pid)
            and (str(self.data) in _command(pid) or any(proc.carries(pid, cookie) for cookie in cookies))
            and pid != os.getpid()
        ]


async def until(look: Callable[[], Any], good: Callable[[Any], bool], within: float = 10.0) -> Any:
    """Look until it is good; give what was seen."""
    end = time.monotonic() + within
    while True:
        seen = look()
        seen = await seen if asyncio.iscoroutine(seen) else seen
        if good(seen):
            return seen
        assert time.monotonic() < end, seen
        await asyncio.sleep(0.01)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
