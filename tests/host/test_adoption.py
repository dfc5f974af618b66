"""What outlives a server that was killed, and how the next one takes it over."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tekton.core.errors import TektonTimeoutError
from tekton_server.host.shim import files as shim_files
from tekton_server.live.launching import Launched, LaunchIdentity
from tests.host.fleet import OURSELVES, Fleet, until

SERVER = Path(__file__).with_name("server.py")


@contextlib.asynccontextmanager
async def server(data: Path, identities: list[LaunchIdentity], *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run a server that launches a command for each; it is killed at the end."""
    spec = {"command": command, "user": OURSELVES, "stop_timeout": 1.0}
    orders = [{"spec": spec, "identity": msgspec.to_builtins(one)} for one in identities]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), str(data), json.dumps(orders), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def heard(lines: asyncio.StreamReader, word: str) -> None:
    """Wait for a line of the server's."""
    async with asyncio.timeout(20):
        while (line := await lines.readline()).decode().strip() != word:
            assert line, f"the server ended before it said {word!r}"


async def test_what_was_launched_outlives_its_server_and_is_adopted(fleet: Fleet) -> None:
    """Its log goes on, its exit is recorded, and the next server stops it as if it had launched it itself."""
    identity = fleet.identity()
    script = "trap 'echo bye; exit 3' TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"
    async with server(fleet.data, [identity], "sh", "-c", script) as lines:
        await heard(lines, "all")
    assert await fleet.launcher.alive() == [identity]
    launched = await fleet.launcher.adopt(identity)
    assert launched is not None and launched.identity == identity
    assert await fleet.launcher.adopt(identity) == launched
    before = len((await fleet.launcher.log_tail(identity, 10_000)).splitlines())
    await until(lambda: fleet.launcher.log_tail(identity, 10_000), lambda log: len(log.splitlines()) > before + 2)
    status = await fleet.launcher.stop(launched, 10)
    assert (status.code, status.stopped) == (3, True)
    lines_seen = (await fleet.launcher.log_tail(identity, 10_000)).splitlines()
    # The shell tells that its sleep was ended too.
    counted = [int(line) for line in lines_seen if line.isdigit()]
    assert counted == list(range(1, len(counted) + 1)) and "bye" in lines_seen


async def test_the_exit_of_what_ended_while_nobody_was_there_is_known(fleet: Fleet) -> None:
    """The shim records it; there is nothing to adopt then."""
    identity, gate = fleet.identity(), fleet.data / "gate"
    async with server(
        fleet.data, [identity], "sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.01; done; exit 9"
    ) as lines:
        await heard(lines, "all")
    gate.touch()
    await until(fleet.files(identity).alive, lambda alive: not alive)
    assert await fleet.launcher.adopt(identity) is None
    ended = await fleet.launcher.ended(identity)
    assert ended is not None and (ended.code, ended.stopped) == (9, False)


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1])
async def test_a_server_killed_while_it_launches_starts_nothing_twice_and_loses_nothing(
    fleet: Fleet, after: float
) -> None:
    """Wherever the kill falls: after the next server has looked, each component runs once."""
    identities = [fleet.identity(f"c{n}") for n in range(8)]
    async with server(fleet.data, identities, "sleep", "60") as lines:
        await heard(lines, "begin")
        await asyncio.sleep(after)

    async def again(identity: LaunchIdentity) -> Launched:
        # As the lifecycle does: what does not run is launched anew, as another instance.
        found = await fleet.launcher.adopt(identity)
        return found or await fleet.launch("sleep", "60", identity=fleet.identity(identity.component_id))

    launched = await asyncio.gather(*map(again, identities))
    # A shim that came to life late would have its component by now.
    await asyncio.sleep(0.3)
    sleeping = sorted(pid for pid, command in fleet.left() if command.startswith("sleep"))
    assert sleeping == sorted(one.pid for one in launched)
    assert len(await fleet.launcher.alive()) == 8
    await asyncio.gather(*(fleet.launcher.stop(one, 0) for one in launched))


async def test_nothing_is_adopted_by_its_pid(fleet: Fleet) -> None:
    """Files that name a living process, ours, and no lock: it is neither taken for the component nor touched."""
    launched = await fleet.launch("true")
    await fleet.launcher.wait(launched)
    files = fleet.files(launched)
    status = json.loads(files.base.with_name(f"{files.instance_uuid}.status").read_bytes())
    status |= {"pid": os.getpid(), "shim_pid": os.getpid()}
    shim_files.write_object(f"{files.base}.status", status)
    assert await fleet.launcher.adopt(launched.identity) is None
    # With the lock held by somebody who is not the shim, its start time gives the pid away.
    with files.base.with_name(f"{files.instance_uuid}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tekton_server.host.launcher._TELL", 0.1)
            with pytest.raises(TektonTimeoutError, match="does not tell what it is"):
                await Fleet(fleet.data).launcher.adopt(launched.identity)


async def test_a_shim_that_was_killed_leaves_nothing_and_its_end_is_lost(fleet: Fleet) -> None:
    """The leader dies with it; what had left the leader is found by its environment."""
    launched = await fleet.launch("sh", "-c", "setsid sleep 60 & echo up; sleep 60")
    await fleet.said(launched, "up")
    os.kill(fleet.status(launched).shim_pid, signal.SIGKILL)
    status = await fleet.launcher.wait(launched)
    assert status.lost and not status.success
    await until(fleet.left, lambda left: not left)
    assert await Fleet(fleet.data).launcher.ended(launched.identity) == status


async def test_an_end_that_a_full_disk_does_not_take_is_told_all_the_same(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And recorded when it is asked for again and there is room."""
    launched = await fleet.launch("sleep", "60")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tekton_server.host.shim.files.write_object", full)
        os.kill(fleet.status(launched).shim_pid, signal.SIGKILL)
        status = await fleet.launcher.wait(launched)
        assert status.lost
        assert await Fleet(fleet.data).launcher.adopt(launched.identity) is None
    assert "No space left on device" in caplog.text
    assert fleet.files(launched).exit() is None
    ended = await fleet.launcher.ended(launched.identity)
    assert ended is not None and ended.lost and fleet.files(launched).exit() == ended


async def test_a_shim_that_was_killed_while_no_server_was_there_is_cleaned_up_after(fleet: Fleet) -> None:
    """The next server finds no lock and no exit, and ends what is left before it says that nothing runs."""
    identity = fleet.identity()
    async with server(fleet.data, [identity], "sh", "-c", "setsid sleep 60 & sleep 60") as lines:
        await heard(lines, "all")
    status = fleet.files(identity).status()
    assert status is not None
    await until(fleet.left, lambda left: len(left) >= 4)
    os.kill(status.shim_pid, signal.SIGKILL)
    await until(lambda: fleet.files(identity).alive(), lambda alive: not alive)
    assert await fleet.launcher.adopt(identity) is None
    await until(fleet.left, lambda left: not left)
    ended = await fleet.launcher.ended(identity)
    assert ended is not None and ended.lost


async def test_a_shim_that_was_killed_after_the_leader_had_ended_leaves_nothing_either(fleet: Fleet) -> None:
    """How the leader ended is recorded at once; that is not yet the end of what it has put into the background."""
    deaf = "trap : TERM; echo deaf; while :; do sleep 0.05; done"
    launched = await fleet.launch("sh", "-c", f"sh -c '{deaf}' & sleep 0.3; exit 4", stop_timeout=60.0)
    files = fleet.files(launched)
    await until(files.exit, lambda seen: seen is not None and seen.stragglers)
    os.kill(fleet.status(launched).shim_pid, signal.SIGKILL)
    status = await fleet.launcher.wait(launched)
    assert fleet.left() == [] and (status.code, status.killed) == (4, True) and status.stragglers
    assert await Fleet(fleet.data).launcher.ended(launched.identity) == status


async def test_a_server_that_ends_lets_its_components_run(fleet: Fleet) -> None:
    """Closing the launcher is not stopping: whoever waits is let go, and another launcher goes on."""
    launched = await fleet.launch("sleep", "60")
    waiting = asyncio.create_task(fleet.launcher.wait(launched))
    await asyncio.sleep(0)
    fleet.launcher.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    other = Fleet(fleet.data).launcher
    with pytest.raises(KeyError):
        await other.stop(launched)
    adopted = await other.adopt(launched.identity)
    assert adopted == launched
    assert (await other.stop(adopted, 5)).signal == signal.SIGTERM


async def test_a_reboot_ends_everything(fleet: Fleet) -> None:
    """A status of another boot is nobody's, whoever has the pids now."""
    launched = await fleet.launch("true")
    await fleet.launcher.wait(launched)
    files = fleet.files(launched)
    status = json.loads(files.base.with_name(f"{files.instance_uuid}.status").read_bytes())
    shim_files.write_object(f"{files.base}.status", status | {"boot_id": "another"})
    files.base.with_name(f"{files.instance_uuid}.exit").unlink()
    assert await fleet.launcher.adopt(launched.identity) is None
    ended = await fleet.launcher.ended(launched.identity)
    assert ended is not None and ended.lost
