"""Where a launch keeps its files, and what they say. The shim writes them; nobody else but `.stop`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from tekton.core.ids import COMPONENT_ID, is_uuid, lookup_key
from tekton_server.host.refusals import Failure
from tekton_server.host.shim import files
from tekton_server.live.launching import ExitStatus, Launched, LaunchIdentity

FOLDER = "launched"
_T = TypeVar("_T", bound=msgspec.Struct)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a shim says of itself and of its component once that has a process."""

    component_id: str
    instance_uuid: str
    epoch: int
    boot_id: str
    pid: int
    start_time: int | None
    shim_pid: int
    shim_start_time: int
    started_at: float
    argv_hash: str
    stop_grace: float
    limits: Mapping[str, str]

    @property
    def identity(self) -> LaunchIdentity:
        """Which launch it is."""
        return LaunchIdentity(self.component_id, self.instance_uuid, self.epoch)

    @property
    def launched(self) -> Launched:
        """The same for those who only need to know that it runs."""
        return Launched(self.identity, self.pid, datetime.fromtimestamp(self.started_at, UTC), self.limits)


class _Exit(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    code: int | None
    signal: int | None
    error: Failure | None = None
    stopped: bool
    killed: bool
    stragglers: int
    over: bool = True
    """Whether the shim saw the end of everything, and not of the leader alone."""


class LaunchFiles:
    """The files of one launch, all named after its instance."""

    def __init__(self, data_dir: Path, component_id: str, instance_uuid: str) -> None:
        self.folder = data_dir / FOLDER / lookup_key(component_id)
        self.base = self.folder / instance_uuid
        self.instance_uuid = instance_uuid

    @property
    def log(self) -> Path:
        """The captured log; older parts have .1, .2, … behind their names."""
        return self._named("log")

    def prepare(self) -> None:
        """Make the folder. Only its owner may look in: a log may hold anything."""
        self.folder.parent.mkdir(mode=0o700, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def alive(self) -> bool:
        """Tell whether the shim holds its lock, which is the same as that it is alive."""
        return files.held(str(self._named("lock")))

    def lock(self) -> int | None:
        """Take the lock, to hand it to a shim; None where one has it."""
        return files.lock(str(self._named("lock")))

    def begun(self) -> bool:
        """Tell whether this launch has ever got as far as its lock."""
        return self._named("lock").exists()

    def used(self) -> bool:
        """Tell whether this launch ran, or is known to have ended without: it cannot begin any more."""
        return self._named("status").exists() or self._named("exit").exists()

    def status(self) -> Status | None:
        """Read who runs; None where nobody has got so far."""
        return _read(self._named("status"), Status)

    def exit(self) -> ExitStatus | None:
        """Read how it ended; None while its leader runs, and where nobody recorded it."""
        found = _read(self._named("exit"), _Exit)
        if found is None:
            return None
        return ExitStatus(
            at=datetime.fromtimestamp(found.at, UTC),
            code=found.code,
            signal=found.signal,
            error=f"{found.error.cause}: {found.error.text}" if found.error else None,
            stopped=found.stopped,
            killed=found.killed,
            stragglers=found.stragglers,
        )

    def write_stop(self, grace: float, *, kill: bool) -> None:
        """Tell the shim on what terms it is about to be asked to stop."""
        fresh = self._named("stop.new")
        fresh.write_text(f"{grace} {int(kill)}", encoding="ascii")
        fresh.replace(self._named("stop"))

    def over(self) -> bool:
        """Tell whether the shim recorded that nothing of it is left."""
        found = _read(self._named("exit"), _Exit)
        return found is not None and found.over

    def write_over(self, stragglers: int) -> None:
        """Record the end of everything for a shim that was killed itself, and how its leader ended where known.

        Raises:
            OSError: there is no room.
        """
        found = _read(self._named("exit"), _Exit)
        lost = _Exit(at=time.time(), code=None, signal=None, stopped=False, killed=False, stragglers=0, over=True)
        known = msgspec.structs.replace(found or lost, over=True)
        if found is not None and stragglers:
            known = msgspec.structs.replace(known, killed=True, stragglers=max(stragglers, found.stragglers))
        files.write_object(str(self._named("exit")), msgspec.to_builtins(known))

    def lost(self) -> ExitStatus:
        """Give the end of a launch of which nobody knows how it ended, and that cannot be recorded."""
        return ExitStatus(at=datetime.now(UTC))

    def remove(self) -> None:
        """Forget the launch; the lock goes last, so that an interruption is noticed the next time."""
        own = [path for path in self.folder.glob(f"{self.instance_uuid}.*") if path.suffix != ".lock"]
        for path in (*own, self._named("lock")):
            path.unlink(missing_ok=True)

    def _named(self, suffix: str) -> Path:
        return self.base.with_name(f"{self.instance_uuid}.{suffix}")


def launches(data_dir: Path, component_id: str | None = None) -> list[LaunchFiles]:
    """Give the launches whose files are here, of one component or of all, the newest of each component first."""
    top = data_dir / FOLDER
    if component_id is not None and not COMPONENT_ID.fullmatch(component_id):
        return []
    folders = [top / lookup_key(component_id)] if component_id is not None else _folders(top)
    return [LaunchFiles(data_dir, folder.name, uuid) for folder in folders for uuid in _newest_first(folder)]


def prune(data_dir: Path, component_id: str, keep: int) -> None:
    """Forget all but the newest launches of a component that have ended."""
    ended = [one for one in launches(data_dir, component_id) if not one.alive()]
    for one in ended[keep:]:
        one.remove()


def _folders(top: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        yield from (entry for entry in sorted(top.iterdir()) if entry.is_dir())


def _newest_first(folder: Path) -> list[str]:
    found: list[tuple[float, str]] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            uuid, _, suffix = entry.name.partition(".")
            if suffix == "lock" and is_uuid(uuid):
                with contextlib.suppress(FileNotFoundError):
                    # Nobody ever writes into a lock, so this is when it was made.
                    found.append((entry.stat().st_mtime, uuid))
    return [uuid for _, uuid in sorted(found, reverse=True)]


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        # Each is put in its place whole, so one that cannot be read is what a power failure left of it.
        return None
