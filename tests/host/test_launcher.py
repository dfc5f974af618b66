"""Launching and stopping processes of this machine: what a component gets, and how each of them ends."""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tekton.core.errors import StartupError, TektonTimeoutError
from tekton_server.host.place import place_of
from tekton_server.host.shim import proc
from tekton_server.live.launching import Cause, ExitStatus
from tests.host.fleet import OURSELVES, Fleet, until

DEAF = "trap : TERM; echo deaf; while :; do sleep 0.05; done"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def causes(error: pytest.ExceptionInfo[StartupError]) -> str:
    """The cause for programs; the number and reason are those of the documents."""
    assert (error.value.number, error.value.reason) == (1004, "startup_failed")
    return str(error.value.details["cause"])


async def test_a_component_gets_a_minimal_environment_and_knows_who_it_is(tmp_path: Path) -> None:
    """PATH, HOME, LANG, TZ, what its specification adds, and Tekton's own words; nothing of the server's."""
    fleet = Fleet(tmp_path, environ={"PATH": os.environ["PATH"], "TZ": "UTC", "SERVERS": "own", "PGPASSWORD": "x"})
    launched = await fleet.launch("env", env={"MODE": "a b=c"})
    status = await fleet.launcher.wait(launched)
    assert status.success and status.code == 0
    seen = dict(line.split("=", 1) for line in (await fleet.launcher.log_tail(launched.identity)).splitlines())
    assert seen == {
        "PATH": os.environ["PATH"],
        "HOME": pwd.getpwnam(OURSELVES).pw_dir if OURSELVES else "/",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "MODE": "a b=c",
        "TEKTON_COMPONENT_ID": "notes",
        "TEKTON_INSTANCE_UUID": launched.identity.instance_uuid,
        "TEKTON_LAUNCH_EPOCH": "7",
        "TEKTON_HOST": "127.0.0.1",
        "TEKTON_PORT": "8010",
    }
    fleet.launcher.close()


async def test_a_component_starts_clean(fleet: Fleet) -> None:
    """No descriptor, ignored signal, session or umask of the server's or the shim's; stdin is at its end."""
    os.set_inheritable(inherited := os.open("/dev/null", os.O_RDONLY), True)
    script = "cat; grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/$$/fd; umask; echo done; sleep 60"
    launched = await fleet.launch("sh", "-c", script)
    os.close(inherited)
    log = await fleet.said(launched, "done")
    _, blocked, _, ignored, *rest = log.split()
    # Signals 32 and 33 belong to the C library: no program can set them, so what the test inherited stays.
    assert int(blocked, 16) == 0 and int(ignored, 16) & ~0x1_8000_0000 == 0
    assert rest == ["0", "1", "2", "0022", "done"]
    assert os.getsid(launched.pid) == os.getpgid(launched.pid) == launched.pid
    assert os.getsid(fleet.status(launched).shim_pid) == fleet.status(launched).shim_pid
    await fleet.launcher.stop(launched)


async def test_the_status_says_who_runs_and_holds_no_secret(fleet: Fleet) -> None:
    """Boot id and start time make the pid an identity; arguments are there as a hash alone."""
    (fleet.data / "secrets").mkdir()
    (fleet.data / "secrets" / "api_key").write_text("s3cret-value\n")
    env = {"KEY": {"secret": "api_key"}}
    launched = await fleet.launch("sh", "-c", 'test "$KEY" = s3cret-value && echo right; exec sleep 60', env=env)
    await fleet.said(launched, "right")
    status = fleet.status(launched)
    assert (status.identity, status.pid) == (launched.identity, launched.pid)
    assert status.boot_id == proc.boot_id() and status.start_time == proc.start_time(launched.pid)
    assert len(status.argv_hash) == 64
    for path in fleet.data.glob("launched/**/*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()
    assert b"s3cret" not in Path(f"/proc/{status.shim_pid}/cmdline").read_bytes()
    assert b"s3cret" not in Path(f"/proc/{status.shim_pid}/environ").read_bytes()
    assert fleet.files(launched).folder.stat().st_mode & 0o077 == 0
    await fleet.launcher.stop(launched)


@pytest.mark.parametrize(
    ("command", "more", "cause", "words"),
    [
        (["no-such-program"], {}, Cause.COMMAND_NOT_FOUND, "no program 'no-such-program'"),
        (["/etc/passwd"], {}, Cause.NOT_EXECUTABLE, "'/etc/passwd' cannot be executed: Permission denied"),
        (["./program"], {}, Cause.NOT_EXECUTABLE, "cannot be executed: Exec format error"),
        (["true"], {"cwd": "/no/such"}, Cause.CWD_MISSING, "no directory /no/such"),
        (["true"], {"cwd": "/etc/passwd"}, Cause.CWD_MISSING, "Not a directory"),
        (["true"], {"user": "nobody-of-that-name"}, Cause.USER_UNKNOWN, "no account 'nobody-of-that-name'"),
        (["true"], {"stop_signal": "SIGNOSUCH"}, Cause.UNKNOWN_SIGNAL, "no signal SIGNOSUCH"),
        (["true"], {"env": {"K": {"secret": "nosuch"}}}, Cause.SECRET_MISSING, "no secret nosuch"),
    ],
)
async def test_what_cannot_begin_is_told_with_its_cause(
    fleet: Fleet, executable: Path, command: list[str], more: dict[str, object], cause: Cause, words: str
) -> None:
    """1004 `startup_failed` with `details.cause`, and nothing left behind."""
    executable.write_text("neither a script nor a binary")
    with pytest.raises(StartupError, match=words) as error:
        await fleet.launch(*command, **more)
    assert causes(error) == cause
    assert fleet.left() == []


async def test_a_start_that_failed_is_remembered(fleet: Fleet) -> None:
    """A server that was killed while it waited for the start still learns how that went."""
    identity = fleet.identity()
    with pytest.raises(StartupError):
        await fleet.launch("no-such-program", identity=identity)
    assert await fleet.launcher.adopt(identity) is None
    ended = await fleet.launcher.ended(identity)
    assert ended is not None and ended.error == "command_not_found: No such file or directory"
    assert not ended.success and not ended.lost


async def test_root_does_not_launch_without_a_user(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who is not root cannot launch as somebody else."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(StartupError, match="names no user") as error:
        await fleet.launch("true", user=None)
    assert causes(error) == Cause.USER_REQUIRED
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StartupError, match="can only start what runs as itself") as error:
        await fleet.launch("true", user="root")
    assert causes(error) == Cause.USER_DENIED


@only_root
async def test_a_component_runs_as_its_user(fleet: Fleet) -> None:
    """With that account's groups and home, while its files stay Tekton's; it still ends with its shim."""
    nobody = pwd.getpwnam("nobody")
    launched = await fleet.launch("sh", "-c", "id -u; id -G; echo $HOME; sleep 60", user="nobody", cwd="/")
    log = await fleet.said(launched, nobody.pw_dir)
    assert log.split() == [str(nobody.pw_uid), str(nobody.pw_gid), nobody.pw_dir]
    assert fleet.files(launched).log.stat().st_uid == 0
    os.kill(fleet.status(launched).shim_pid, signal.SIGKILL)
    assert (await fleet.launcher.wait(launched)).lost
    closed = fleet.data / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StartupError, match=f"may not enter the directory {closed}") as error:
        await fleet.launch("true", user="nobody", cwd=str(closed))
    assert causes(error) == Cause.CWD_CLOSED


async def test_stop_asks_the_whole_group_and_reports_the_exit(fleet: Fleet) -> None:
    """The leader chooses its exit code; its helper is asked by the same signal."""
    helper = "trap 'echo helped; exit' USR1; echo up; while :; do sleep 0.02; done"
    script = f'sh -c "{helper}" & trap "wait; exit 3" USR1; wait'
    launched = await fleet.launch("sh", "-c", script, stop_signal="SIGUSR1")
    await fleet.said(launched, "up")
    status = await fleet.launcher.stop(launched, 10)
    assert (status.code, status.stopped, status.killed, status.stragglers) == (3, True, False, 0)
    assert "helped" in await fleet.launcher.log_tail(launched.identity)


async def test_stop_kills_what_ignores_it_and_what_left_the_group(fleet: Fleet) -> None:
    """A deaf leader, a deaf helper in the group, and one that made a session of its own."""
    launched = await fleet.launch("sh", "-c", f'({DEAF}) & setsid sh -c "{DEAF}" & {DEAF}')
    await until(lambda: fleet.launcher.log_tail(launched.identity), lambda log: log.count("deaf") == 3)
    status = await fleet.launcher.stop(launched, 0.1)
    assert (status.signal, status.stopped, status.killed) == (signal.SIGKILL, True, True)
    assert fleet.left() == []
    assert "it did not end in time" in await fleet.launcher.log_tail(launched.identity)


async def test_stop_without_kill_leaves_the_deaf_alone(fleet: Fleet) -> None:
    """The caller hears 1006; a later stop with kill ends it, and of several at once the shortest patience counts."""
    launched = await fleet.launch("sh", "-c", DEAF)
    await fleet.said(launched, "deaf")
    with pytest.raises(TektonTimeoutError, match="and runs on after"):
        await fleet.launcher.stop(launched, 0.1, kill=False)
    assert fleet.files(launched).alive()
    both = await asyncio.gather(fleet.launcher.stop(launched, 60), fleet.launcher.stop(launched, 0.1))
    assert both[0] == both[1] and both[0].killed
    assert await fleet.launcher.stop(launched) == both[0] == await fleet.launcher.ended(launched.identity)


async def test_a_stop_that_nobody_waits_for_any_more_goes_on(fleet: Fleet) -> None:
    """The deadline is the shim's to keep: a server that is killed in the middle of a stop changes nothing."""
    launched = await fleet.launch("sh", "-c", DEAF)
    await fleet.said(launched, "deaf")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await fleet.launcher.stop(launched, 0.3)
    fleet.launcher.close()
    await until(fleet.files(launched).alive, lambda alive: not alive)
    ended = await Fleet(fleet.data).launcher.ended(launched.identity)
    assert ended is not None and ended.stopped and ended.killed


async def test_stop_ends_what_is_suspended(fleet: Fleet) -> None:
    """A component that somebody has stopped with SIGSTOP does not hold a stop up."""
    launched = await fleet.launch("sh", "-c", DEAF)
    await fleet.said(launched, "deaf")
    os.kill(launched.pid, signal.SIGSTOP)
    assert (await fleet.launcher.stop(launched, 0.1)).signal == signal.SIGKILL


async def test_a_shim_that_does_not_obey_is_killed_with_all_it_looks_after(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suspended shim: the launcher does its work, and nobody knows how the component ended."""
    monkeypatch.setattr("tekton_server.host.launcher._KILL", 0.2)
    launched = await fleet.launch("sh", "-c", f'setsid sh -c "{DEAF}" & {DEAF}')
    await until(lambda: fleet.launcher.log_tail(launched.identity), lambda log: log.count("deaf") == 2)
    os.kill(fleet.status(launched).shim_pid, signal.SIGSTOP)
    assert (await fleet.launcher.stop(launched, 0.1)).lost
    assert fleet.left() == []


async def test_one_that_forks_away_is_told_and_stopped(fleet: Fleet) -> None:
    """A daemon of the old kind: its leader ends well and leaves processes, which is no success."""
    script = f"setsid sh -c 'setsid sh -c \"{DEAF}\" &' & sleep 0.2"
    launched = await fleet.launch("sh", "-c", script, stop_timeout=0.2)
    status = await fleet.launcher.wait(launched)
    assert (status.code, status.killed, status.stopped) == (0, True, False)
    assert status.stragglers >= 1 and not status.success
    assert "left processes behind" in await fleet.launcher.log_tail(launched.identity)
    assert fleet.left() == []


async def test_a_helper_that_ends_with_its_leader_is_no_straggler(fleet: Fleet) -> None:
    """Ends within a moment: nothing is said of it."""
    launched = await fleet.launch("sh", "-c", "sleep 0.1 & exit 4")
    status = await fleet.launcher.wait(launched)
    assert (status.code, status.stragglers, status.killed) == (4, 0, False)


async def test_what_ends_at_once_is_an_exit_and_no_refusal(fleet: Fleet) -> None:
    """Its program ran, so its launch went well; its last words are kept though no line break ends them."""
    launched = await fleet.launch("sh", "-c", "printf 'last words'; exit 5")
    assert (await fleet.launcher.wait(launched)).code == 5
    assert await fleet.launcher.log_tail(launched.identity) == "last words"


async def test_every_orphan_is_reaped(fleet: Fleet) -> None:
    """A component that leaves zombies to init leaves them to its shim."""
    launched = await fleet.launch(
        "sh", "-c", "for i in 1 2 3 4; do (sleep 0.05 &); done; sleep 0.3; echo over; sleep 60"
    )
    await fleet.said(launched, "over")
    assert [pid for pid, _ in proc.descendants(fleet.status(launched).shim_pid) if proc.is_zombie(pid)] == []
    await fleet.launcher.stop(launched)


async def test_a_signal_goes_to_the_leader_alone_and_never_to_a_later_owner_of_its_pid(fleet: Fleet) -> None:
    """Boot id and start time are compared; after its end the answer is no."""
    launched = await fleet.launch("sh", "-c", "trap 'echo reloaded' HUP; echo up; while :; do sleep 0.02; done")
    await fleet.said(launched, "up")
    assert await fleet.launcher.signal(launched, signal.SIGHUP)
    await fleet.said(launched, "reloaded")
    await fleet.launcher.stop(launched)
    assert not await fleet.launcher.signal(launched, signal.SIGHUP)


async def test_an_instance_begins_at_most_once(fleet: Fleet) -> None:
    """Two launches of it at once, one after it runs, and one after it has ended."""
    identity = fleet.identity()
    both = await asyncio.gather(
        fleet.launch("sleep", "60", identity=identity),
        fleet.launch("sleep", "60", identity=identity),
        return_exceptions=True,
    )
    launched = next(one for one in both if not isinstance(one, BaseException))
    refusal = next(one for one in both if isinstance(one, StartupError))
    assert refusal.details["cause"] == Cause.ALREADY_RUNNING
    other = Fleet(fleet.data)
    with pytest.raises(StartupError, match="runs already"):
        await other.launch("sleep", "60", identity=identity)
    await fleet.launcher.stop(launched)
    with pytest.raises(StartupError, match="launched before"):
        await fleet.launch("sleep", "60", identity=identity)
    assert len(list(fleet.data.glob("launched/notes/*.log"))) == 0  # it never wrote


async def test_a_cancelled_launch_leaves_nothing(fleet: Fleet) -> None:
    """Wherever it was: before its shim, while that starts, or just before it says so."""
    for after in (0.0, 0.01, 0.03):
        task = asyncio.create_task(fleet.launch("sleep", "60"))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            await fleet.launcher.stop(task.result(), 0)
    assert fleet.left() == []


async def test_a_start_that_hangs_is_given_up_after_its_deadline(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """1006 `timeout`, as where a working directory is on a server that does not answer; what had begun is ended."""
    monkeypatch.setattr("tekton_server.host.launcher._START", 0.001)
    with pytest.raises(TektonTimeoutError, match="did not begin within") as error:
        await fleet.launch("sleep", "60")
    assert (error.value.number, error.value.http_status) == (1006, 504)
    assert fleet.left() == []


async def test_a_machine_without_descriptors_refuses_and_leaves_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shim that nobody could follow is ended before it starts anything."""

    def none(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", none)
    with pytest.raises(StartupError, match="no process: Too many open files") as error:
        await fleet.launch("sleep", "60")
    assert causes(error) == Cause.MACHINE
    assert fleet.left() == []


def test_every_end_has_words() -> None:
    """For `status_detail.last_exit` and for people."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert ExitStatus(at=at, code=3).reason == "exit code 3"
    assert ExitStatus(at=at, signal=9).reason == "ended by SIGKILL"
    assert ExitStatus(at=at, signal=40).reason == "ended by signal 40"
    assert ExitStatus(at=at, code=0, stragglers=2).reason == "exit code 0, and left 2 processes behind"
    assert ExitStatus(at=at, error="command_not_found: x").reason == "it did not begin: command_not_found: x"
    assert ExitStatus(at=at).reason == "nobody knows how it ended"


async def test_limits_without_a_cgroup_are_kept_as_far_as_can_be_and_told(fleet: Fleet) -> None:
    """Memory for each process by RLIMIT_DATA, open files by RLIMIT_NOFILE; of the rest it says so."""
    script = (
        "import resource as r, os\n"
        "print(r.getrlimit(r.RLIMIT_DATA)[0], r.getrlimit(r.RLIMIT_NOFILE)[0], os.nice(0), flush=True)\n"
        "bytearray(300 << 20)"
    )
    limits = {"cpu": 0.5, "memory": 256, "processes": 9, "open_files": 64, "nice": 5}
    launched = await fleet.launch(sys.executable, "-I", "-S", "-c", script, limits=limits)
    status = await fleet.launcher.wait(launched)
    log = await fleet.launcher.log_tail(launched.identity)
    assert log.startswith(f"{256 << 20} 64 {os.nice(0) + 5}\n") and "MemoryError" in log and status.code == 1
    assert launched.limits == {
        "cpu": "not kept: none is wanted here",
        "memory": "RLIMIT_DATA, for each process on its own: none is wanted here",
        "processes": "not kept: none is wanted here",
        "open_files": "RLIMIT_NOFILE",
        "nice": "nice",
    }


async def test_many_are_launched_at_once(fleet: Fleet) -> None:
    """Each has its own shim, log and lock; together they are stopped, and their table is clean."""
    launched = await asyncio.gather(*(fleet.launch("sleep", "60", identity=fleet.identity(f"c{n}")) for n in range(12)))
    assert {one.component_id for one in await fleet.launcher.alive()} == {f"c{n}" for n in range(12)}
    shims = {fleet.status(one).shim_pid for one in launched}
    ends = await asyncio.gather(*(fleet.launcher.stop(one) for one in launched))
    assert {one.signal for one in ends} == {signal.SIGTERM}
    assert await fleet.launcher.alive() == []
    assert not shims & {pid for pid, _ in proc.descendants(os.getpid())}, "a shim was not reaped"


async def test_files_of_old_launches_are_forgotten(fleet: Fleet) -> None:
    """The newest five that ended stay; what runs always does."""
    running = await fleet.launch("sleep", "60")
    for _ in range(7):
        await fleet.launcher.wait(await fleet.launch("true"))
    last = await fleet.launch("true")
    await fleet.launcher.wait(last)
    assert len(list(fleet.data.glob("launched/notes/*.lock"))) == 7
    assert fleet.files(running).alive()
    await fleet.launcher.stop(running)


@pytest.mark.parametrize("torn", [b"", b'{"at": 17'])
async def test_what_a_power_failure_left_of_a_record_is_no_record(fleet: Fleet, torn: bytes) -> None:
    """The name of a file may be on the disk before its content: how such a launch ended is not known."""
    launched = await fleet.launch("true")
    await fleet.launcher.wait(launched)
    for suffix in ("status", "exit"):
        fleet.files(launched).base.with_name(f"{launched.identity.instance_uuid}.{suffix}").write_bytes(torn)
    ended = await fleet.launcher.ended(launched.identity)
    assert ended is not None and (ended.code, ended.signal, ended.success) == (None, None, False)
    assert await fleet.launcher.alive() == []


async def test_the_shim_loads_the_standard_library_alone() -> None:
    """And little of it: there is one shim for each component."""
    root = str(Path(sys.modules["tekton_server"].__file__ or "").parent.parent)
    code = (
        "import sys; sys.path.append(sys.argv[1]); import tekton_server.host.shim.run;"
        "print(*sorted(name for name in sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", code, root, stdout=asyncio.subprocess.PIPE
    )
    names = (await process.communicate())[0].decode().split()
    ours = [name for name in names if name.startswith("tekton_server")]
    assert ours == [
        "tekton_server",
        "tekton_server.exec_shim",
        "tekton_server.host",
        *(f"tekton_server.host.shim{name}" for name in ("", ".capture", ".child", ".files", ".proc", ".run")),
    ]
    assert {name.partition(".")[0] for name in names} - {"tekton_server", "__main__"} <= set(sys.stdlib_module_names)
    assert not {"json", "re", "asyncio", "subprocess", "typing"} & set(names)


async def test_a_component_may_be_called_as_anything_of_ours_is(fleet: Fleet) -> None:
    """What names a data directory lies beside the folders of its components."""
    place = place_of(fleet.data)
    launched = await fleet.launch("sleep", "1000", identity=fleet.identity("place"))
    assert await fleet.launcher.alive() == [launched.identity] and place_of(fleet.data) == place
    await fleet.launcher.stop(launched)
