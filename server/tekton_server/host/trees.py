"""What the processes of an instance use together: a root and everything below it, read at one time after another.

Blocks; call it aside. Linux tells all of it, other systems the most of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import psutil

from tekton._processes import GONE, Tree, reaped
from tekton.core.machine import Gpu, share
from tekton_server.domain.usage import Usage
from tekton_server.host.shim import proc
from tekton_server.live.resources.sampling import Root


class _Before(NamedTuple):
    """What was read of a tree last: when, its processor seconds, and what each process had read and written."""

    at: float
    cpu_seconds: float
    io: Mapping[tuple[int, float], tuple[int, int]]
    # Of processes that have ended since.
    io_gone: tuple[int, int]


class Trees:
    """Remembers what is needed for shares and counts that go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[str, _Before] = {}

    def read(
        self, roots: Mapping[str, Root], gpus: Sequence[Gpu], memory_bytes: int
    ) -> tuple[dict[str, Usage], dict[int, str]]:
        """Give what each tree uses, by the name of its root, and whose the processes on GPUs are."""
        standing = {name: root for name, root in roots.items() if _stands(root)}
        children = _children() if standing else {}
        elsewhere = {root.pid for root in standing.values()}
        usage: dict[str, Usage] = {}
        owners: dict[int, str] = {}
        for name, root in standing.items():
            processes = list(_below(root.pid, children, elsewhere - {root.pid}))
            usage[name] = self._usage(name, root, processes, memory_bytes)
            pids = {root.pid, *(one.pid for one in processes)}
            owners |= {process.pid: name for gpu in gpus for process in gpu.processes if process.pid in pids}
            usage[name] = _with_gpus(usage[name], gpus, pids)
        self._before = {name: before for name, before in self._before.items() if name in usage}
        return usage, owners

    def _usage(self, name: str, root: Root, below: list[psutil.Process], memory_bytes: int) -> Usage:
        tree = Tree()
        tree.take(below, whole=True)
        _take_root(tree, root)
        before = self._before.get(name)
        now = self._clock()
        gone = _gone(before, tree.io)
        self._before[name] = _Before(now, tree.cpu_seconds, tree.io, gone)
        passed = now - before.at if before is not None else 0.0
        spent = max(0.0, tree.cpu_seconds - before.cpu_seconds) if before is not None else 0.0
        rss = tree.resident()
        return Usage(
            cpu_cores=spent / passed if passed > 0 else None,
            rss_bytes=float(rss),
            vms_bytes=float(tree.virtual_bytes),
            memory_ratio=share(rss, memory_bytes),
            read_bytes=float(gone[0] + sum(read for read, _ in tree.io.values())) if tree.io else None,
            written_bytes=float(gone[1] + sum(written for _, written in tree.io.values())) if tree.io else None,
        )


def _take_root(tree: Tree, root: Root) -> None:
    """Take the root in: itself, or only what it has reaped."""
    try:
        process = psutil.Process(root.pid)
        if root.own:
            # What it has reaped may be roots of others, which it has started.
            tree.take((process,), whole=False)
        else:
            tree.cpu_seconds += reaped(process.cpu_times())
    except GONE:
        return


def _stands(root: Root) -> bool:
    """Whether the pid is still that process's."""
    if root.start_time is None:
        return psutil.pid_exists(root.pid)
    return proc.start_time(root.pid) == root.start_time


def _children() -> dict[int, list[psutil.Process]]:
    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            found.setdefault(process.ppid(), []).append(process)
        except GONE:
            continue
    return found


def _below(pid: int, children: Mapping[int, Sequence[psutil.Process]], elsewhere: set[int]) -> Iterable[psutil.Process]:
    """Give everything below a process, but for what is another's root and below that."""
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.pid not in elsewhere:
                waiting.append(child.pid)
                yield child


def _gone(before: _Before | None, io: Mapping[tuple[int, float], tuple[int, int]]) -> tuple[int, int]:
    """Give what processes that have ended had read and written when they were seen last."""
    if before is None:
        return 0, 0
    ended = [counted for key, counted in before.io.items() if key not in io]
    return before.io_gone[0] + sum(read for read, _ in ended), before.io_gone[1] + sum(wrote for _, wrote in ended)


def _with_gpus(usage: Usage, gpus: Sequence[Gpu], pids: set[int]) -> Usage:
    used = {gpu.id: sum(one.used_bytes or 0 for one in gpu.processes if one.pid in pids) for gpu in gpus}
    on = {gpu.id for gpu in gpus if any(one.pid in pids for one in gpu.processes)}
    if not on:
        return usage
    heaviest = max(on, key=lambda gpu_id: used[gpu_id])
    return msgspec.structs.replace(usage, gpu_id=heaviest, gpu_bytes=float(sum(used.values())))
