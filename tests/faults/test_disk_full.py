"""A disk is full: reads go on, writes are refused in words that say so, and all is well once there is room."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.faults.running import until
from tests.faults.test_supervision import get, register, restarts
from tests.support.ports import free_port
from tests.support.processes import Up

# A file system of its own, that nobody else sees and that is gone with the process.
SMALL = 'mount -t tmpfs -o size=96m tmpfs "$0" && exec "$@"'
MOUNT = ["unshare", "--mount", "bash", "-c", SMALL]


def mounts(tmp_path: Path) -> bool:
    """Tell whether we may mount one."""
    with suppress(OSError):
        return subprocess.run([*MOUNT, str(tmp_path), "true"], capture_output=True, check=False).returncode == 0
    return False


class Disk:
    """The small file system of a running Tekton, seen from outside its namespace."""

    def __init__(self, up: Up, place: Path) -> None:
        self.root = Path(f"/proc/{up.pid}/root{place}")
        self._ballast = self.root / "ballast"

    def fill(self) -> None:
        """Leave no block free."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def place(short_tmp: Path) -> Path:
    """Where the small file system is."""
    if not mounts(short_tmp):
        pytest.skip("this machine does not let us mount a small file system")
    return short_tmp


@contextmanager
def on_small_disk(place: Path) -> Iterator[tuple[Up, Disk]]:
    """Run Tekton with its data directory on it."""
    with Up(place / "d", free_port(), before=[*MOUNT, str(place)]) as up:
        try:
            yield up.ready(), Disk(up, place)
        finally:
            print(up.text)


def refused(up: Up, names: Iterator[int]) -> httpx.Response:
    """Register until there is no room left."""
    while (answer := register(up, f"part-{next(names)}")).status_code == 201:
        pass
    return answer


def test_a_full_disk_refuses_writes_and_nothing_else(place: Path) -> None:
    """53100 of PostgreSQL, when a table has to grow."""
    with on_small_disk(place) as (up, disk):
        names = iter(range(10_000))
        assert register(up, "before").status_code == 201
        disk.fill()
        answer = refused(up, names)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["reason"] == "unavailable"
        assert "disk" in answer.json()["error"]["message"] and "full" in answer.json()["error"]["message"]
        health = get(up, "/api/health").json()
        assert (health["status"], health["checks"]["database"]) == ("degraded", "failing")
        assert health["details"]["database"] == "the disk of the database is full"
        up.until("the disk of the database is full")
        assert get(up, "/api/tekton/components/before").status_code == 200
        assert get(up, "/api/tekton/components?page_size=5").status_code == 200
        disk.free()
        until(lambda: up.status() == 200)
        assert register(up, "after").status_code == 201
        assert restarts(up, "database") == 0
        assert "Traceback" not in up.text
        assert up.stop() == 0


async def exhaust(dsn: str) -> None:
    """Go on to new files of the write-ahead log until there is none; PostgreSQL panics."""
    with suppress(asyncpg.PostgresError, OSError):
        connection = await asyncpg.connect(dsn)
        while True:
            await connection.execute("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'a', 'b')")


def test_postgresql_that_ends_for_want_of_room_runs_again_once_there_is_some(place: Path) -> None:
    """It panics where the log of its writes cannot go on, and cannot even start; reads go on all the time."""
    with on_small_disk(place) as (up, disk):
        assert register(up, "before").status_code == 201
        disk.fill()
        postgres = up.child("postgres")
        asyncio.run(exhaust(f"postgresql://tekton@/tekton?host={disk.root}/d/run&port=5432"))
        until(lambda: not postgres.is_running())
        until(lambda: "is full" in get(up, "/api/health").json().get("details", {}).get("database", ""))
        answer = register(up, "during")
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
        assert get(up, "/api/tekton/components/before").status_code == 200
        disk.free()
        until(lambda: up.status() == 200)
        assert register(up, "after").status_code == 201
        assert get(up, "/api/tekton/components/before").status_code == 200
        assert "Traceback" not in up.text
        assert up.stop() == 0


def test_a_start_on_a_full_disk_with_data_says_so(place: Path, tmp_path: Path) -> None:
    """The data is as it was."""
    with Up(tmp_path / "d", free_port()) as up:
        up.ready()
        assert up.stop() == 0
    fill = 'cp -a "$1" "$0/d" && { dd if=/dev/zero of="$0/a" bs=64k; dd if=/dev/zero of="$0/b" bs=512; shift; }'
    script = SMALL.replace("&& exec", f"&& {fill} 2>/dev/null; exec")
    before = ["unshare", "--mount", "bash", "-c", script, str(place), str(tmp_path / "d")]
    with Up(place / "d", free_port(), before=before) as up:
        assert up.wait() == 1, up.text
        assert "is full; free some space there" in up.lines[-1] and "No space left on device" in up.lines[-1]


@pytest.mark.parametrize("left", [0, 8 << 20])
def test_a_start_on_a_full_disk_says_so(place: Path, left: int) -> None:
    """Before anything is there, and half-way through making the database."""
    fill = f'dd if=/dev/zero of="$0/ballast" bs=1M count={(96 << 20) - left >> 20} 2>/dev/null; sync'
    before = [
        "unshare",
        "--mount",
        "bash",
        "-c",
        SMALL.replace("&& exec", f"&& {{ {fill}; true; }} && exec"),
        str(place),
    ]
    began = time.monotonic()
    with Up(place / "d", free_port(), before=before) as up:
        assert up.wait() == 1, up.text
        assert up.lines[-1].startswith("tekton: ") and "is full" in up.lines[-1] and "free some space" in up.lines[-1]
        assert "Traceback" not in up.text
    assert time.monotonic() - began < 20
