"""What a child process that Tekton owns can rely on, and what Tekton can rely on about it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tekton_server.process import ChildProcess, ChildStartError, RunAs
from tests.support.processes import ended

SHIM = Path(sys.modules["tekton_server.process"].__file__ or "").with_name("exec_shim.py")
OWNER = """
import asyncio, pathlib, signal, sys
from tekton_server.process import ChildProcess
async def main():
    log, number, *argv = sys.argv[1:]
    sig = signal.Signals(int(number))
    child = await ChildProcess.start(argv, name="child", log_path=pathlib.Path(log), death_signal=sig)
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""


async def printed(path: Path, text: str, within: float = 10.0) -> None:
    """Wait until a log holds a text."""
    async with asyncio.timeout(within):
        while text not in path.read_text():
            await asyncio.sleep(0.01)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


async def test_a_child_appends_both_outputs_to_its_log_and_reads_nothing(log: Path) -> None:
    """stdout and stderr end up in one file, after what was there; stdin is at its end at once."""
    log.write_text("earlier\n")
    child = await ChildProcess.start(["sh", "-c", "cat; echo out; echo err >&2; exit 3"], name="both", log_path=log)
    assert await child.wait() == 3
    assert child.returncode == 3
    assert child.log_tail() == "earlier\nout\nerr"
    assert child.log_tail(1) == "err"


async def test_the_pid_is_the_programs_own(log: Path) -> None:
    """The shim replaces itself, so a signal to the pid reaches the program and its name is the program's."""
    child = await ChildProcess.start(["sleep", "60"], name="sleeper", log_path=log)
    assert Path(f"/proc/{child.pid}/comm").read_text().strip() == "sleep"
    assert child.returncode is None
    assert await child.stop(deadline=5) == -signal.SIGTERM


async def test_a_child_gets_exactly_the_environment_and_directory_it_is_given(log: Path, tmp_path: Path) -> None:
    """Neither ours nor anything the interpreter in between adds, such as an LC_CTYPE."""
    place = tmp_path / "ein Ort"
    place.mkdir()
    variables = {"ONLY": "this = that", "PATH": os.environ["PATH"]}
    child = await ChildProcess.start(["sh", "-c", "env; pwd"], name="env", log_path=log, env=variables, cwd=place)
    assert await child.wait() == 0
    lines = set(log.read_text().splitlines())
    assert {"ONLY=this = that", f"PWD={place}", str(place)} <= lines
    assert not any(line.startswith(("LC_", "HOME=")) for line in lines)


async def test_a_child_starts_with_default_signals_and_no_stray_files(log: Path) -> None:
    """Python ignores SIGPIPE and a background shell ignores SIGINT; neither reaches the program, nor do our fds."""
    with log.with_name("ours").open("w"):
        argv = ["sh", "-c", "grep SigIgn /proc/self/status; ls /proc/$$/fd"]
        child = await ChildProcess.start(argv, name="clean", log_path=log)
        assert await child.wait() == 0
    _, ignored, *files = log.read_text().split()
    # Signals 32 and 33 belong to the C library: no program can set them, so what the test inherited stays.
    assert int(ignored, 16) & ~0x1_8000_0000 == 0
    assert files == ["0", "1", "2"]


async def test_a_child_leads_a_session_of_its_own(log: Path) -> None:
    """A Ctrl-C at our terminal is ours to handle; the child hears of it from us."""
    child = await ChildProcess.start(["sleep", "60"], name="sleeper", log_path=log)
    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
    await child.stop(deadline=5)


async def test_passed_descriptors_stay_open_in_the_child(log: Path, tmp_path: Path) -> None:
    """A lock on a passed file is held until the child has ended too."""
    path = tmp_path / "lock"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    child = await ChildProcess.start(["sleep", "60"], name="holder", log_path=log, pass_fds=[fd])
    os.close(fd)
    with path.open() as again:
        with pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await child.stop(deadline=5)
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_program_that_cannot_be_executed_is_an_error_and_not_an_exit(log: Path, tmp_path: Path) -> None:
    """The message names the child, the program and the reason."""
    with pytest.raises(ChildStartError, match="ghost could not be started: /no/such/thing: No such file or directory"):
        await ChildProcess.start(["/no/such/thing"], name="ghost", log_path=log)
    with pytest.raises(ChildStartError, match="Permission denied"):
        await ChildProcess.start([str(log)], name="a log", log_path=log)
    with pytest.raises(ChildStartError, match=r"nowhere: No such file or directory"):
        await ChildProcess.start(["true"], name="lost", log_path=log, cwd=tmp_path / "nowhere")


async def test_stop_asks_first(log: Path) -> None:
    """A child that obeys chooses its own exit code."""
    argv = ["sh", "-c", "trap 'echo bye; exit 7' INT; echo ready; while :; do sleep 0.05; done"]
    child = await ChildProcess.start(argv, name="polite", log_path=log)
    await printed(log, "ready")
    assert await child.stop(deadline=5, sig=signal.SIGINT) == 7
    assert child.log_tail(1) == "bye"


async def test_stop_kills_the_whole_group_after_its_deadline(log: Path) -> None:
    """A deaf child and its deaf helper are gone when stop returns or at once after."""
    argv = ["sh", "-c", "trap '' TERM; sleep 60 & echo helper $!; wait; sleep 60"]
    child = await ChildProcess.start(argv, name="deaf", log_path=log)
    await printed(log, "helper")
    helper = int(log.read_text().split()[1])
    assert await child.stop(deadline=0.1) == -signal.SIGKILL
    assert ended(helper)


async def test_stop_takes_helpers_along_when_the_child_obeys(log: Path) -> None:
    """The group is cleared even where its leader left in time."""
    child = await ChildProcess.start(["sh", "-c", "sleep 60 & echo helper $!; wait"], name="parent", log_path=log)
    await printed(log, "helper")
    helper = int(log.read_text().split()[1])
    assert await child.stop(deadline=5) == -signal.SIGTERM
    assert ended(helper)


async def test_stopping_again_changes_nothing(log: Path) -> None:
    """Twice in a row, twice at a time, and after the child ended by itself."""
    child = await ChildProcess.start(["sleep", "60"], name="sleeper", log_path=log)
    assert set(await asyncio.gather(child.stop(deadline=5), child.stop(deadline=5))) == {-signal.SIGTERM}
    assert await child.stop(deadline=5, sig=signal.SIGKILL) == -signal.SIGTERM
    done = await ChildProcess.start(["true"], name="done", log_path=log)
    assert await done.wait() == 0
    assert await done.stop(deadline=5) == 0
    done.send_signal(signal.SIGTERM)


async def test_a_cancelled_stop_leaves_no_child(log: Path) -> None:
    """Cancellation cuts the patience short, not the stop."""
    argv = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]
    child = await ChildProcess.start(argv, name="deaf", log_path=log)
    await printed(log, "ready")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await child.stop(deadline=60)
    assert await asyncio.wait_for(child.wait(), 5) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
@pytest.mark.parametrize("death_signal", [signal.SIGKILL, signal.SIGQUIT])
def test_kill_9_of_the_owner_leaves_no_child(log: Path, death_signal: signal.Signals) -> None:
    """The kernel sends the chosen death signal, whatever became of us."""
    argv = ["sh", "-c", "trap 'echo quit; exit' QUIT; echo ready; while :; do sleep 0.05; done"]
    command = [sys.executable, "-c", OWNER, str(log), str(int(death_signal)), *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        asyncio.run(printed(log, "ready"))
        owner.kill()
    assert ended(pid)
    assert ("quit" in log.read_text()) == (death_signal is signal.SIGQUIT)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
def test_an_owner_that_died_before_the_death_signal_was_set_starts_nothing(tmp_path: Path) -> None:
    """The shim finds a parent other than the one it was told, and the program never runs."""
    read, write = os.pipe()
    stranger = str(os.getppid())
    command = [sys.executable, "-I", "-S", str(SHIM), stranger, "9", str(write), "-", "touch", str(tmp_path / "ran")]
    result = subprocess.run(command, pass_fds=[write], check=False, timeout=10)
    os.close(write)
    os.close(read)
    assert result.returncode == 127
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_child_of_root_can_run_as_somebody_else(log: Path) -> None:
    """With that account's groups alone, and still with the death signal, which a change of credentials clears."""
    nobody = pwd.getpwnam("nobody")
    run_as = RunAs(nobody.pw_uid, nobody.pw_gid, groups=(nobody.pw_gid,))
    argv = ["sh", "-c", "id -u; id -G"]
    child = await ChildProcess.start(argv, name="lesser", log_path=log, run_as=run_as)
    assert await child.wait() == 0
    assert log.read_text().split() == [str(nobody.pw_uid), str(nobody.pw_gid)]
