"""This machine's figures: read by real system calls, off the event loop, whatever a driver does meanwhile."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tekton._aside import Aside
from tekton._gpus import Gpus
from tekton._machine import MachineReader
from tekton.core.errors import UnavailableError
from tekton.core.machine import Gpu, GpuProcess
from tekton_server.host import machine as machine_module
from tekton_server.host.machine import ThisMachine
from tekton_server.host.shim import proc
from tekton_server.host.trees import Trees
from tekton_server.live.resources.sampling import Root
from tests.host.fleet import Fleet, until
from tests.support.fake_nvml import GB, FakeGpu, FakeNvml

# A parent that takes 64 MB, forks a child that shares them, and waits; with BUSY the child computes.
_PARENT = """
import os, sys, time
held = bytearray(os.urandom(64 * 2**20))
pid = os.fork()
if pid == 0:
    print("child", flush=True)
    while len(sys.argv) > 1:
        pass
    time.sleep(60)
print("parent", pid, flush=True)
os.waitpid(pid, 0)
"""
_LOOPS = "for i in $(seq 60); do (i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done); done; echo done; sleep 60"


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a group of its own, and kill the group afterwards; its input stays open."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, 9)


def said(process: subprocess.Popen[bytes], word: str) -> None:
    """Wait until it has said a word."""
    assert process.stdout is not None
    heard, end = b"", time.monotonic() + 15
    while word.encode() not in heard:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"only {heard!r} came"
        more = os.read(process.stdout.fileno(), 4096)
        assert more, f"it ended after {heard!r}"
        heard += more


def test_the_figures_are_what_the_system_says(tmp_path: Path) -> None:
    """Processors, memory, swap, the disk of the directory, and the interfaces without the loopback."""
    reader = MachineReader(str(tmp_path), Gpus(lambda: FakeNvml()))
    reader.read()
    found = reader.read()
    assert len(found.cpu.per_core) == psutil.cpu_count() and 0 <= found.cpu.ratio <= 1
    assert all(0 <= core <= 1 for core in found.cpu.per_core) and len(found.cpu.load) == 3
    assert found.memory.total_bytes == psutil.virtual_memory().total
    assert found.memory.used_bytes + found.memory.free_bytes == found.memory.total_bytes
    assert found.disk.total_bytes == psutil.disk_usage(str(tmp_path)).total and 0 < found.disk.ratio <= 1
    names = [name for name in psutil.net_io_counters(pernic=True) if name not in ("lo", "lo0")]
    assert (found.network.received_bytes > 0) == bool(names)
    assert found.gpus == () and found.host


def test_a_busy_core_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two readings, and not since the machine started."""
    reader = MachineReader()
    reader.cpu()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    assert reader.cpu().ratio >= 0.5 / (psutil.cpu_count() or 1)


def test_two_readings_at_once_say_the_same() -> None:
    """The system counts in ticks: between two that are too close there is nothing to compare."""
    times = [psutil._psplatform.scputimes(*range(10, 20))]
    reader = MachineReader()
    reader._psutil = type("Frozen", (), {"cpu_times": lambda percpu: times, "getloadavg": lambda: (1.0, 2.0, 3.0)})
    first = reader.cpu()
    assert first.per_core[0] > 0 and reader.cpu() == first


async def test_a_sample_has_machine_gpus_and_processes() -> None:
    """And whose the processes on a GPU are."""
    gpu = FakeGpu(processes={os.getpid(): 3 * GB, 1: GB})
    machine = ThisMachine(gpus=Gpus(lambda: FakeNvml(gpu)))
    try:
        found = await machine.sample(
            {"us": Root(os.getpid()), "nobody": Root(2**22 - 1), "another": Root(os.getpid(), 1)}
        )
        assert found.machine.gpus[0].busy_ratio == 0.45 and found.owners == {os.getpid(): "us"}
        assert found.usage.keys() == {"us"}, "a pid that is somebody else's by now is nobody's"
        ours = found.usage["us"]
        assert (ours.gpu_id, ours.gpu_bytes) == (0, 3 * GB) and ours.rss_bytes is not None
        assert ours.cpu_cores is None, "there is nothing to compare with yet"
    finally:
        machine.close()


async def test_a_driver_that_hangs_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its GPUs are told as lost until it answers, it is not asked once more meanwhile, and the loop goes on."""
    monkeypatch.setattr(machine_module, "GPU_WITHIN", 0.1)
    nvml = FakeNvml(FakeGpu())
    machine = ThisMachine(gpus=Gpus(lambda: nvml))
    try:
        assert not (await machine.sample({})).machine.gpus[0].lost
        nvml.hangs = threading.Event()
        for _ in range(3):
            found = (await machine.sample({})).machine
            assert found.gpus[0].lost and found.gpus[0].name == "NVIDIA RTX 4090" and "not" in found.gpu_note
            assert found.memory.total_bytes > 0
        assert sum("GPU driver" in thread.name for thread in threading.enumerate()) == 1
        nvml.hangs.set()
        await until(lambda: machine._gpu_aside.busy, lambda busy: not busy)
        assert not (await machine.sample({})).machine.gpus[0].lost
    finally:
        machine.close()


async def test_a_disk_that_is_gone_is_said_and_not_told_as_a_fault(tmp_path: Path) -> None:
    """The next reading may succeed."""
    gone = tmp_path / "gone"
    gone.mkdir()
    machine = ThisMachine(str(gone), Gpus(lambda: FakeNvml()))
    try:
        await machine.sample({})
        gone.rmdir()
        with pytest.raises(UnavailableError, match="cannot be read"):
            await machine.sample({})
        gone.mkdir()
        await machine.sample({})
    finally:
        machine.close()


async def test_what_the_system_tells_in_no_known_form_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that ends takes the server with it, so that no failure of a reading may go through."""
    machine = ThisMachine(gpus=Gpus(lambda: FakeNvml()))
    try:
        monkeypatch.setattr(machine._reader, "network", lambda: [].pop())
        with pytest.raises(UnavailableError, match="cannot be read: pop from empty list"):
            await machine.sample({})
        monkeypatch.undo()
        await machine.sample({})
    finally:
        machine.close()


async def test_what_runs_aside_is_one_at_a_time_and_nobody_waits_for_ever() -> None:
    """A job that hangs is left to itself; those after it are refused until it is back."""
    aside, hangs = Aside("a thing"), threading.Event()
    with pytest.raises(TimeoutError, match=r"a thing did not answer within 0\.05 s"):
        await aside.run(hangs.wait, 0.05)
    with pytest.raises(TimeoutError, match="still does not answer"):
        await aside.run(hangs.wait, 5)
    hangs.set()
    await until(lambda: aside.busy, lambda busy: not busy)
    assert await aside.run(threading.current_thread, 5) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await aside.run(lambda: 1 // 0, 5)
    waiting = asyncio.create_task(aside.run(lambda: time.sleep(0.05), 5))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    await until(lambda: aside.busy, lambda busy: not busy)
    aside.close()


def test_a_tree_is_everything_below_its_root_and_shared_pages_count_once() -> None:
    """A fork shares its parent's memory: 64 MB are held, not 128."""
    trees = Trees()
    with running(sys.executable, "-c", _PARENT) as process:
        said(process, "parent")
        usage, _ = trees.read({"one": Root(process.pid)}, (), 10 * GB)
        rss = usage["one"].rss_bytes
        assert rss is not None and 64 * 2**20 < rss < 110 * 2**20
        assert usage["one"].memory_ratio == pytest.approx(rss / (10 * GB))


def test_the_processor_time_of_a_child_is_its_tree_s() -> None:
    """One core, wherever below the root."""
    trees = Trees()
    with running(sys.executable, "-c", _PARENT, "busy") as process:
        said(process, "parent")
        trees.read({"one": Root(process.pid)}, (), GB)
        time.sleep(0.5)
        usage, _ = trees.read({"one": Root(process.pid)}, (), GB)
        # As much as the machine lets it have.
        assert 0.02 < (usage["one"].cpu_cores or 0) < 1.3


def test_the_time_of_children_that_have_come_and_gone_counts() -> None:
    """Between two readings a shell below the root has started and reaped others, none of which was ever seen."""
    trees = Trees()
    with running("/bin/sh", "-c", f"/bin/sh -c '{_LOOPS}' & wait") as process:
        root = {"one": Root(process.pid, own=False)}
        trees.read(root, (), GB)
        before = time.monotonic()
        said(process, "done")
        usage, _ = trees.read(root, (), GB)
        (shell,) = psutil.Process(process.pid).children()
        reaped = shell.cpu_times().children_user
        assert (usage["one"].cpu_cores or 0) * (time.monotonic() - before) >= 0.8 * reaped > 0.02


def test_what_has_a_root_of_its_own_is_not_also_its_starter_s() -> None:
    """The server starts what it launches: its own figures are without those."""
    trees = Trees()
    with running(sys.executable, "-c", _PARENT) as process:
        said(process, "parent")
        alone, _ = trees.read({"us": Root(os.getpid())}, (), GB)
        apart, _ = trees.read({"us": Root(os.getpid()), "it": Root(process.pid)}, (), GB)
        assert apart.keys() == {"us", "it"}
        assert (alone["us"].rss_bytes or 0) > (apart["us"].rss_bytes or 0)
        assert (alone["us"].vms_bytes or 0) - (apart["us"].vms_bytes or 0) > 64 * 2**20


def test_memory_of_gpus_is_added_up_over_the_tree() -> None:
    """Told with the GPU that has most of it."""
    trees = Trees()
    with running(sys.executable, "-c", _PARENT) as process:
        said(process, "parent")
        (child,) = psutil.Process(process.pid).children()
        gpus = (
            Gpu(0, processes=(GpuProcess(process.pid, GB), GpuProcess(1, 7 * GB))),
            Gpu(1, processes=(GpuProcess(child.pid, 2 * GB), GpuProcess(process.pid, None))),
        )
        usage, owners = trees.read({"one": Root(process.pid)}, gpus, GB)
        assert (usage["one"].gpu_id, usage["one"].gpu_bytes) == (1, 3 * GB)
        assert owners == {process.pid: "one", child.pid: "one"}


def test_bytes_that_were_written_do_not_go_back_when_a_process_ends(tmp_path: Path) -> None:
    """They are counted since the instance started."""
    trees, script = Trees(), "head -c 3000000 /dev/zero > x; sync x; echo written; read -r x; echo rest; sleep 60"
    command = f"cd {tmp_path}; /bin/sh -c '{script}' <&0 & wait; echo over; sleep 60"
    with running("/bin/sh", "-c", command) as process:
        said(process, "written")
        before, _ = trees.read({"one": Root(process.pid)}, (), GB)
        if not before["one"].written_bytes:
            pytest.skip("the temporary directory is in memory, where nothing is written")
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        said(process, "over")
        after, _ = trees.read({"one": Root(process.pid)}, (), GB)
        assert (after["one"].written_bytes or 0) >= before["one"].written_bytes


async def test_a_launch_is_measured_without_its_shim(fleet: Fleet) -> None:
    """By the root that the launcher tells: the component's processes, and nothing of Tekton's."""
    launched = await fleet.launch(sys.executable, "-c", _PARENT)
    await fleet.said(launched, "parent")
    roots = fleet.launcher.roots()
    root = roots[launched.identity.instance_uuid]
    assert not root.own and root.pid == fleet.status(launched).shim_pid
    usage, _ = Trees().read(roots, (), GB)
    mine = usage[launched.identity.instance_uuid].rss_bytes
    assert mine is not None and 64 * 2**20 < mine < 110 * 2**20
    assert proc.start_time(root.pid) == root.start_time
    await fleet.launcher.stop(launched, 0)
    assert fleet.launcher.roots() == {}
