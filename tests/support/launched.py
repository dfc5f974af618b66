"""Fleets of small real processes for a control plane to launch, and the proof that nothing of them is left."""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tekton_server.config import Settings
from tekton_server.fleet_files import Fleet, load_fleet
from tekton_server.host.cgroups import Cgroups
from tekton_server.host.launch_files import LaunchFiles, launches
from tekton_server.host.launch_order import Surroundings
from tekton_server.host.launcher import LocalLauncher
from tekton_server.host.place import place_of
from tekton_server.host.running import kill_left_behind
from tekton_server.host.secrets import Secrets
from tekton_server.host.shim import proc
from tekton_server.live.lifecycle.site import Means
from tests.support.control_plane import TIMEOUT, ControlPlane, control_plane
from tests.support.ports import LAUNCHED

# Root does not launch without a user.
OURSELVES = {"user": pwd.getpwuid(os.geteuid()).pw_name} if os.geteuid() == 0 else {}
FOREVER = ["sleep", "1000"]
SMALL = Path(__file__).with_name("small_component.py")


def launch(*command: str, **more: Any) -> dict[str, Any]:
    """Make an entry of components.json that has only a launch specification; it is healed where the test says how."""
    given = {"stop_timeout": 5, "restart": {"policy": "never"}, **OURSELVES, **more}
    return {"launch": {"command": list(command or FOREVER), **given}}


def small(name: str, *needs: str, number: int = 0, beat: float = 0.4, **more: Any) -> dict[str, Any]:
    """Make the entry of a component that registers, is ready and beats; `number` tells its port from others'."""
    port = LAUNCHED[number or sum(name.encode())]
    command = launch(sys.executable, "-I", "-S", str(SMALL), name, str(port), str(beat), *needs, **more)
    return {"dependencies": list(needs), **command}


def write_fleet(home: Path, components: dict[str, dict[str, Any]], **files: Any) -> Fleet:
    """Write the files of a fleet and read them."""
    home.mkdir(mode=0o700, exist_ok=True)
    for name, content in {"components": components, **files}.items():
        (home / f"{name}.json").write_text(json.dumps({name: content}))
        (home / f"{name}.json").chmod(0o600)
    return load_fleet(home)


@asynccontextmanager
async def launching(
    database_url: str,
    home: Path,
    components: dict[str, dict[str, Any]],
    *,
    timeout: float = TIMEOUT,
    settings: Settings | None = None,
    **files: Any,
) -> AsyncIterator[ControlPlane]:
    """Run a control plane with a fleet to launch, of which nothing is left; its data directory is `home`/d."""
    data_dir = home / "d"
    try:
        fleet = write_fleet(home / "f", components, **files)
        async with control_plane(database_url, data_dir, timeout=timeout, settings=settings, fleet=fleet) as running:
            yield running
    finally:
        kill_all(data_dir)


def means(data_dir: Path, fleet: Fleet, **more: Any) -> Means:
    """Make what a server launches with; it can be used once, as a server that ends lets go of what it follows."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    around = Surroundings("127.0.0.1", 8010, os.environ, Secrets((), {}), fleet.home, 65536, 3)
    launcher = LocalLauncher(data_dir, around, cgroups=Cgroups(None, "none is wanted here"))
    return Means(launcher, fleet.launchable(), "here", place_of(data_dir), fleet.needs(), **more)


def left(data_dir: Path) -> list[tuple[int, str]]:
    """Give every process of any launch of a data directory that is alive, shims and descendants, wherever they went."""
    cookies = [f"TEKTON_INSTANCE_UUID={one.instance_uuid}".encode() for one in launches(data_dir)]
    found = []
    for pid in proc.everybody():
        words = _command(pid)
        shim = str(data_dir / "launched") in words
        if pid != os.getpid() and not proc.is_zombie(pid) and (shim or any(proc.carries(pid, one) for one in cookies)):
            found.append((pid, words))
    return found


def sweep(data_dir: Path, within: float = 5.0) -> None:
    """See to it that nothing is left, after a test has stopped everything; what is left all the same is killed."""
    end = time.monotonic() + within
    while (found := left(data_dir)) and time.monotonic() < end:
        time.sleep(0.02)
    for one in launches(data_dir) if found else ():
        kill_left_behind(one.instance_uuid)
    assert not found, found


def kill_all(data_dir: Path) -> None:
    """Kill whatever a data directory has launched: for the end of a module whose processes live on by design."""
    end = time.monotonic() + 10
    while (found := left(data_dir)) and time.monotonic() < end:
        for pid, _ in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    sweep(data_dir)


def files_of(data_dir: Path, component_id: str) -> list[LaunchFiles]:
    """Give the launches of a component, the newest first."""
    return launches(data_dir, component_id)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
