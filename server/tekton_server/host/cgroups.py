"""Limits over all processes of a launch together: cgroups of version 2, where one was delegated to us.

Only what the system's manager has marked as delegated is touched, or a directory that an operator names: root may write
anywhere in the tree, and nowhere else is it ours. With systemd: ``Delegate=yes`` and ``DelegateSubgroup=tekton``.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tekton_server.domain.launch_spec import Limits

_NEEDED = ("cpu", "memory", "pids")
_PREFIX = "tekton-"
_PERIOD = 100_000
_MB = 2**20


class Cgroups:
    """One directory of the tree in which each launch that has limits gets a group of its own."""

    def __init__(self, base: Path | None, reason: str = "") -> None:
        self.base = base
        self.reason = reason
        """Why there is none."""

    @property
    def usable(self) -> bool:
        """Whether groups can be made."""
        return self.base is not None

    @classmethod
    def find(cls, named: Path | None = None, proc: Path = Path("/proc/self")) -> Cgroups:
        """Look for a delegated one, or take the one that is named; never fails, `reason` tells."""
        candidates = [named] if named else _delegated(proc)
        reason = "no cgroup of version 2 is delegated to Tekton"
        for one in candidates:
            found = _refusal(one)
            if found is None:
                return cls(one)
            reason = found
        return cls(None, reason)

    def make(self, instance_uuid: str, limits: Limits) -> Path:
        """Make the group of a launch.

        Raises:
            OSError: it cannot be made; nothing is left of it.
        """
        assert self.base is not None
        path = self.base / f"{_PREFIX}{instance_uuid}"
        path.mkdir(exist_ok=True)
        try:
            if limits.cpu is not None:
                _write(path / "cpu.max", f"{max(1000, int(limits.cpu * _PERIOD))} {_PERIOD}")
            if limits.memory is not None:
                _write(path / "memory.max", str(limits.memory * _MB))
                # All of them or none: half a component that was killed for memory is worth nothing.
                _write(path / "memory.oom.group", "1")
                with contextlib.suppress(FileNotFoundError):  # a kernel that accounts no swap
                    _write(path / "memory.swap.max", "0")
            if limits.processes is not None:
                _write(path / "pids.max", str(limits.processes))
        except OSError:
            self.remove(instance_uuid)
            raise
        return path

    def remove(self, instance_uuid: str) -> None:
        """Remove the group of a launch; one with processes in it stays."""
        if self.base is not None:
            with contextlib.suppress(OSError):
                (self.base / f"{_PREFIX}{instance_uuid}").rmdir()


def _delegated(proc: Path) -> list[Path]:
    """Give our own group and the one above it, as far as they are ours."""
    mount = _mount(proc)
    own = _own(proc)
    if mount is None or own is None:
        return []
    here = mount / own.lstrip("/")
    return [one for one in (here.parent, here) if one != mount.parent and _is_delegated(one)]


def _is_delegated(path: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def _mount(proc: Path) -> Path | None:
    with contextlib.suppress(OSError):
        for line in (proc / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                return Path(before.split()[4])
    return None


def _own(proc: Path) -> str | None:
    with contextlib.suppress(OSError):
        for line in (proc / "cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            if line.startswith("0::"):
                return line[3:]
    return None


def _refusal(base: Path) -> str | None:
    """Make a directory ready for groups with limits; a sentence where it cannot be."""
    try:
        there = (base / "cgroup.controllers").read_text(encoding="ascii").split()
        missing = [one for one in _NEEDED if one not in there]
        if missing:
            return f"the cgroup {base} has no {' and '.join(missing)} controller"
        enabled = (base / "cgroup.subtree_control").read_text(encoding="ascii").split()
        if any(one not in enabled for one in _NEEDED):
            _write(base / "cgroup.subtree_control", " ".join(f"+{one}" for one in _NEEDED))
    except OSError as error:
        # EBUSY: there are processes in it, most likely ourselves.
        return f"the cgroup {base} cannot be used: {error.strerror}; with systemd, set DelegateSubgroup="
    return None


def _write(path: Path, text: str) -> None:
    # Never O_CREAT: these are the kernel's files.
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)
