"""Limits by cgroups of version 2: where they are used, what is written, and what is said where they are not."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tekton.core.errors import StartupError
from tekton_server.domain.launch_spec import Limits
from tekton_server.host.cgroups import Cgroups
from tests.host.fleet import Fleet

INSTANCE = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory that looks like a delegated cgroup with all controllers."""
    path = tmp_path / "base"
    path.mkdir()
    (path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (path / "cgroup.subtree_control").write_text("")
    return path


@pytest.fixture
def real() -> Iterator[Path]:
    """A group of our own in the real tree, where we may make one."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    mount = next((Path(line[1]) for line in mounts if line[2] == "cgroup2"), None)
    if mount is None or not os.access(mount, os.W_OK):
        pytest.skip("no writable cgroup of version 2")
    path = mount / f"tekton-test-{uuid.uuid4().hex[:8]}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made: {error.strerror}")
    yield path
    path.rmdir()


def prepared(base: Path) -> Path:
    """The kernel makes a group's files with it; here we do."""
    group = base / f"tekton-{INSTANCE}"
    group.mkdir()
    for name in ("cpu.max", "memory.max", "memory.oom.group", "memory.swap.max", "pids.max"):
        (group / name).touch()
    return group


def test_the_named_group_is_used_and_its_controllers_are_enabled(base: Path) -> None:
    """An operator may name one that no manager has marked."""
    found = Cgroups.find(base)
    assert found.usable and found.base == base
    assert (base / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_limits_are_written_in_the_kernels_units(base: Path) -> None:
    """Cores as a share of 100 ms, MB as bytes; out of memory all of it ends together."""
    group = prepared(base)
    assert Cgroups(base).make(INSTANCE, Limits(cpu=1.5, memory=64, processes=10)) == group
    read = {path.name: path.read_text() for path in group.iterdir()}
    assert read == {
        "cpu.max": "150000 100000",
        "memory.max": str(64 << 20),
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "pids.max": "10",
    }


def test_a_group_without_a_controller_is_not_used_and_the_reason_is_told(base: Path) -> None:
    """Here the memory controller is missing."""
    (base / "cgroup.controllers").write_text("cpu pids\n")
    found = Cgroups.find(base)
    assert not found.usable and found.reason == f"the cgroup {base} has no memory controller"


def test_only_what_is_marked_as_delegated_is_looked_at(tmp_path: Path, base: Path) -> None:
    """Root may write anywhere in the tree; that makes none of it ours."""
    (base / "own").mkdir()
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text(f"35 24 0:30 / {base} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n")
    (proc / "cgroup").write_text("1:name=systemd:/\n0::/own\n")
    assert Cgroups.find(proc=proc).reason == "no cgroup of version 2 is delegated to Tekton"
    try:
        os.setxattr(base, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system has no attributes")
    # The mount itself is above its root, which is nobody's child.
    assert Cgroups.find(proc=proc).base == base


async def test_a_group_that_cannot_be_made_refuses_the_launch(tmp_path: Path, base: Path) -> None:
    """Rather than run without the limits that were asked for."""
    fleet = Fleet(tmp_path, cgroups=Cgroups(base))
    with pytest.raises(StartupError, match="its cgroup cannot be made") as error:
        await fleet.launch("true", limits={"processes": 3})
    assert error.value.details["cause"] == "limit_refused"
    fleet.launcher.close()


async def test_a_launch_lives_in_its_group_and_the_group_goes_with_it(
    fleet: Fleet, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the real tree: all its processes are in it, the shim is not, and a kill reaches them all at once."""
    other = Fleet(fleet.data, cgroups=Cgroups(real))
    other.known = fleet.known
    # This machine's tree may lack the controllers; where processes are does not depend on them.
    monkeypatch.setattr("tekton_server.host.cgroups._write", lambda path, text: None)
    launched = await other.launch(
        "sh", "-c", "trap : TERM; setsid sleep 60 & echo up; while :; do sleep 0.05; done", limits={"processes": 50}
    )
    assert launched.limits == {"processes": "cgroup"}
    await other.said(launched, "up")
    group = real / f"tekton-{launched.identity.instance_uuid}"
    pids = set(map(int, (group / "cgroup.procs").read_text().split()))
    assert launched.pid in pids and len(pids) >= 2
    assert other.status(launched).shim_pid not in pids
    assert (await other.launcher.stop(launched, 0.1)).killed
    assert not group.exists()
    other.launcher.close()
