"""As whom the PostgreSQL inside Tekton runs: never as root, and never open to others."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tekton_server.storage import unprivileged
from tekton_server.storage.cluster import binary
from tekton_server.storage.embedded import EmbeddedPostgres
from tekton_server.storage.unprivileged import ClosedToAccount, Mode, choose_identity, choose_mode, mapped_account
from tests.storage.embedded_postgres.owners import ask, family, mode_of, needs_linux, needs_root, owner, ready
from tests.support.processes import ended


@pytest.mark.parametrize(
    ("euid", "has_account", "namespaces", "mode"),
    [
        (1000, True, True, Mode.DIRECT),
        (1000, True, False, Mode.DIRECT),
        (1000, False, True, Mode.NAMESPACE),
        (0, True, True, Mode.NAMESPACE),
        (0, True, False, Mode.ACCOUNT),
    ],
)
def test_the_way_to_run(euid: int, has_account: bool, namespaces: bool, mode: Mode) -> None:
    """An ordinary user runs as itself; root and the nameless in a namespace; root elsewhere as a lesser account."""
    assert choose_mode(euid=euid, has_account=has_account, namespaces=namespaces) is mode


def test_a_nameless_user_without_namespaces_is_told() -> None:
    """PostgreSQL needs a name for its user; an arbitrary uid in a strict container has none."""
    with pytest.raises(unprivileged.NoUnprivilegedIdentity, match="uid 1234, which has no account"):
        choose_mode(euid=1234, has_account=False, namespaces=False)


def test_a_namespace_never_shows_us_as_the_overflow_user() -> None:
    """Inside a namespace all strangers bear the overflow id: sharing it would let them all in."""
    root, nobody, other = (pwd.struct_passwd((name, "x", uid, uid, "", "/", "")) for name, uid in ACCOUNTS)
    assert mapped_account([root, nobody]) is None
    assert mapped_account([root, nobody, other]) == other


ACCOUNTS = (("root", 0), ("nobody", unprivileged._overflow_uid()), ("other", 1234))


@needs_root
async def test_root_in_a_namespace_keeps_every_file(tmp_path: Path) -> None:
    """The parent may be closed to all others; the cluster belongs to root, and nothing runs with privilege."""
    if (await choose_identity()).mode is not Mode.NAMESPACE:
        pytest.skip("user namespaces are refused here")
    assert mode_of(tmp_path) == 0o700
    server = EmbeddedPostgres(tmp_path / "data", mode=Mode.NAMESPACE)
    await server.start()
    assert {path.stat().st_uid for path in (tmp_path / "data" / "postgres").rglob("*")} == {0}
    capabilities = Path(f"/proc/{server.pid}/status").read_text().split("CapEff:")[1].split()[0]
    assert int(capabilities, 16) == 0
    await server.stop()


@needs_root
async def test_root_without_namespaces_uses_a_lesser_account(open_place: Path) -> None:
    """It owns the cluster and the socket directory, and nothing else; and root can go back to a namespace later."""
    data_dir = open_place / "data"
    server = EmbeddedPostgres(data_dir, mode=Mode.ACCOUNT)
    await server.start()
    account = psutil.Process(server.pid).uids().real
    assert account != 0
    assert await ask(server.connection, "SELECT current_user") == "tekton"
    assert {path.stat().st_uid for path in (data_dir / "postgres").rglob("*")} == {account}
    assert Path(server.connection.host).stat().st_uid == account
    assert mode_of(Path(server.connection.host)) == 0o700
    assert (data_dir.stat().st_uid, mode_of(data_dir), mode_of(open_place)) == (0, 0o710, 0o755)
    await server.stop()
    again = EmbeddedPostgres(data_dir)
    await again.start()
    assert await ask(again.connection, "SELECT current_user") == "tekton"
    await again.stop()


@needs_root
@needs_linux
def test_kill_9_leaves_no_postgres_of_a_lesser_account_either(open_place: Path) -> None:
    """A change of credentials clears the death signal; it is set after."""
    with owner(open_place / "data", mode=Mode.ACCOUNT) as process:
        pid, _ = ready(process)
        processes = family(pid)
        process.kill()
    assert all(ended(pid) for pid in processes)


@needs_root
async def test_a_parent_closed_to_the_account_is_named(data_dir: Path, tmp_path: Path) -> None:
    """The account cannot pass a private parent, which Tekton does not open: the sentence says where and what to do."""
    with pytest.raises(
        ClosedToAccount, match=r"cannot enter .*; choose a --data-dir .*or run Tekton as an ordinary user"
    ):
        await EmbeddedPostgres(data_dir, mode=Mode.ACCOUNT).start()
    assert mode_of(tmp_path) == 0o700


@needs_root
@pytest.mark.parametrize("uid", [65534, 54321], ids=["with an account", "without an account"])
def test_an_ordinary_user_needs_nothing_special(open_place: Path, uid: int) -> None:
    """Neither root nor, where namespaces are allowed, even a name."""
    interpreter = reachable_interpreter(uid)
    home = open_place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, uid, uid)
    imports = [entry for entry in map(Path, sys.path) if entry.is_dir() and reachable(entry, uid)]
    environment = {"HOME": str(home), "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, imports))}
    options: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": (), "cwd": open_place, "env": environment}
    with owner(home / "data", interpreter=interpreter, **options) as process:
        pid, sockets = ready(process)
        assert psutil.Process(pid).uids().real == uid
        assert sockets.stat().st_uid == uid
        rest, _ = process.communicate("\n", timeout=20)
    assert rest.endswith("stopped\n")
    assert process.returncode == 0
    assert not sockets.exists()


def reachable(directory: Path, uid: int) -> bool:
    return unprivileged.closed_directory(directory, uid, uid) is None


def reachable_interpreter(uid: int) -> str:
    """An interpreter of our version that the user can run, along with Tekton and the PostgreSQL programs."""
    for needed in (Path(unprivileged.__file__).parent, binary("postgres").parent):
        if not reachable(needed, uid):
            pytest.skip(f"uid {uid} cannot reach {needed}")
    system = shutil.which(f"python3.{sys.version_info.minor}", path=os.defpath)
    for candidate in (sys.executable, system):
        if candidate and reachable(Path(candidate).resolve().parent, uid):
            return candidate
    pytest.skip(f"uid {uid} cannot reach a Python of this version")
