"""As whom PostgreSQL runs: it refuses root, and it must find a name for whoever connects to it."""

from __future__ import annotations

import enum
import os
import pwd
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tekton_server.process import ChildProcess, ChildStartError, RunAs
from tekton_server.storage.data_directory import EmbeddedPostgresError

FALLBACK_ACCOUNTS = ("postgres", "nobody")


class NoUnprivilegedIdentity(EmbeddedPostgresError):
    """There is nobody PostgreSQL could run as."""


class ClosedToAccount(EmbeddedPostgresError):
    """The fallback account cannot reach a directory that it needs."""


class Mode(enum.StrEnum):
    DIRECT = "direct"
    """As ourselves: the ordinary case."""
    NAMESPACE = "namespace"
    """In a user namespace that shows us as an unprivileged account; every file stays ours."""
    ACCOUNT = "account"
    """As a fallback account, which then owns the cluster."""


@dataclass(frozen=True)
class Identity:
    """Whom PostgreSQL runs as, and under what name it sees us connect."""

    mode: Mode
    peer: str
    owner: tuple[int, int]
    """uid and gid that own its files, as seen from outside."""
    run_as: RunAs | None = None


def choose_mode(*, euid: int, has_account: bool, namespaces: bool) -> Mode:
    """The whole decision: a named ordinary user runs as itself; everybody else hides behind a name that exists."""
    if euid != 0 and has_account:
        return Mode.DIRECT
    if namespaces:
        return Mode.NAMESPACE
    if euid == 0:
        return Mode.ACCOUNT
    raise NoUnprivilegedIdentity(
        f"PostgreSQL cannot run as uid {euid}, which has no account on this system; "
        "add one to /etc/passwd, or set TEKTON_DATABASE_URL to use a database of your own."
    )


async def choose_identity(mode: Mode | None = None) -> Identity:
    """The identity for this process, or for the mode a caller insists on."""
    euid = os.geteuid()
    name = _account_name(euid)
    mapped = mapped_account(pwd.getpwall())
    if mode is None:
        needed = euid == 0 or name is None
        usable = needed and mapped is not None and await namespaces_allowed(mapped)
        mode = choose_mode(euid=euid, has_account=name is not None, namespaces=usable)
    ours = (euid, os.getegid())
    if mode is Mode.NAMESPACE and mapped is not None:
        run_as = RunAs(mapped.pw_uid, mapped.pw_gid, namespace=True)
        return Identity(mode, peer=mapped.pw_name, owner=ours, run_as=run_as)
    if mode is Mode.ACCOUNT:
        account = _fallback_account()
        # Not its other groups: PostgreSQL needs none of them.
        run_as = RunAs(account.pw_uid, account.pw_gid, groups=(account.pw_gid,))
        return Identity(mode, peer=name or "root", owner=(account.pw_uid, account.pw_gid), run_as=run_as)
    return Identity(Mode.DIRECT, peer=name or str(euid), owner=ours)


async def namespaces_allowed(account: pwd.struct_passwd) -> bool:
    """Whether the kernel lets us make such a namespace, learnt by making one: containers refuse it in many ways."""
    with tempfile.TemporaryDirectory(prefix="tekton-") as folder:
        try:
            probe = await ChildProcess.start(
                (),
                name="user namespace probe",
                log_path=Path(folder) / "log",
                run_as=RunAs(account.pw_uid, account.pw_gid, namespace=True),
            )
        except ChildStartError:
            return False
        return await probe.wait() == 0


def mapped_account(accounts: Iterable[pwd.struct_passwd]) -> pwd.struct_passwd | None:
    """The account we appear as in a namespace.

    Never the overflow id (usually nobody): inside the namespace every other user of the machine bears that one, and
    peer authentication would let all of them in as us.
    """
    overflow = _overflow_uid()
    candidates = [account for account in accounts if account.pw_uid not in (0, overflow)]
    return min(candidates, key=lambda account: (account.pw_name != "daemon", account.pw_uid), default=None)


def require_passage(identity: Identity, data_dir: Path, needed: Iterable[Path]) -> None:
    """Open our own data directory to the fallback account's group, and refuse where anything above is closed to it.

    Only the data directory, which is Tekton's, is ever changed; no parent is.
    """
    if identity.mode is not Mode.ACCOUNT:
        return
    uid, gid = identity.owner
    status = data_dir.stat()
    if status.st_uid == os.geteuid() and not _may_traverse(status, uid, gid):
        os.chown(data_dir, -1, gid)
        data_dir.chmod(0o710)
    for path in needed:
        if closed := closed_directory(path, uid, gid):
            account = _account_name(uid) or uid
            raise ClosedToAccount(
                f"PostgreSQL does not run as root, and the account {account} that it would run as cannot enter "
                f"{closed}; choose a --data-dir (and an installation) that everybody can reach, "
                "or run Tekton as an ordinary user."
            )


def closed_directory(path: Path, uid: int, gid: int) -> Path | None:
    """The first directory on the way to `path` (and `path` itself) that the account may not enter."""
    resolved = path.resolve()
    for directory in (*reversed(resolved.parents), resolved):
        if not _may_traverse(directory.stat(), uid, gid):
            return directory
    return None


def own_tree(top: Path, owner: tuple[int, int]) -> None:
    """Give a directory and all below it to its owner; nothing happens where it is so already."""
    if os.geteuid() != 0 or top.stat().st_uid == owner[0]:
        return
    # By directory descriptors and never through a link: the tree may belong to an account we do not trust as root.
    # The top goes last, so that an interruption is noticed and repaired the next time.
    for _, directories, files, fd in os.fwalk(top, topdown=False, follow_symlinks=False):
        for name in (*directories, *files):
            os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)
    os.chown(top, *owner, follow_symlinks=False)


def _may_traverse(status: os.stat_result, uid: int, gid: int) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _fallback_account() -> pwd.struct_passwd:
    for name in FALLBACK_ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise NoUnprivilegedIdentity(
        "PostgreSQL does not run as root, and this system has neither user namespaces nor an account named postgres or "
        "nobody; run Tekton as an ordinary user, or set TEKTON_DATABASE_URL to use a database of your own."
    )


def _account_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _overflow_uid() -> int:
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 65534
