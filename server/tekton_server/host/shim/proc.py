"""What /proc tells of processes. A pid alone is never an identity: boot id and start time make it one."""

from __future__ import annotations

import os
import signal

_STATE, _PARENT, _START = 0, 1, 19


def boot_id() -> str:
    """Give what tells this boot of the machine from all others."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_time(pid: int) -> int | None:
    """Give when a process started, in ticks since the boot; None where there is no such process."""
    fields = _stat(pid)
    return int(fields[_START]) if fields else None


def parent_of(pid: int) -> int | None:
    """Give the parent of a process."""
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else None


def is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits to be reaped."""
    fields = _stat(pid)
    return fields is not None and fields[_STATE] in (b"Z", b"X")


def descendants(pid: int) -> list[tuple[int, int]]:
    """Give (pid, its parent) of everything that a process, or a process of its, started; parents come first."""
    found: list[tuple[int, int]] = []
    parents = [pid]
    while parents:
        parent = parents.pop()
        for child in _children(parent):
            found.append((child, parent))
            parents.append(child)
    return found


def everybody() -> list[int]:
    """Give every process of the machine that can be seen from here."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def carries(pid: int, variable: bytes) -> bool:
    """Tell whether a process was started with ``NAME=value`` in its environment, where we may know."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return variable in file.read().split(b"\0")
    except OSError:
        return False


def send(pid: int, parent: int | None, number: int) -> None:
    """Signal a process, unless its parent is another than was seen: then its pid may be somebody else's by now."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # The descriptor holds on to the process, so what is read now is about whom the signal reaches.
        if parent is None or parent_of(pid) == parent:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        return
    finally:
        os.close(fd)


def _stat(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return None
    # The name in front may hold spaces and brackets of its own.
    return content[content.rindex(b")") + 2 :].split()


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            # A kernel without that file, unless only the thread is gone.
            if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
                return [one for one in everybody() if parent_of(one) == pid]
        except OSError:
            continue
    return found
