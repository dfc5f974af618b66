"""The database that the settings name: can it be reached, which version is it, and has it room for us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tekton_server.cli.doctor.finding import Finding, fail, ok, warn
from tekton_server.config import Settings
from tekton_server.database import database_of
from tekton_server.storage.database import Database, parse_url
from tekton_server.storage.embedded import ConnectParams
from tekton_server.storage.engine import connect

_WHAT = "PostgreSQL"
# Two pools, the writer, the listener, and one for a person with psql.
_CONNECTIONS = 20
# The line of postmaster.pid with the directory of the socket.
_SOCKETS = 4


async def look(settings: Settings) -> list[Finding]:
    """Look at it."""
    if settings.database_url is not None:
        return await _connected(lambda: database_of(settings), "")
    sockets = _sockets(settings.data_path)
    if sockets is None:
        where = f"embedded, none runs in {settings.data_path}"
        return [ok(_WHAT, f"{where}; for a Tekton on another directory pass its --data-dir")]
    return await _connected(lambda: parse_url(ConnectParams(host=sockets).dsn()), "embedded, ")


async def _connected(database: Callable[[], Database], kind: str) -> list[Finding]:
    try:
        connection = await connect(database(), {"application_name": "tekton-doctor"})
    except Exception as error:  # every driver error, and OSErrors, is one sentence here
        said = " ".join(str(error).split()) or type(error).__name__
        remedy = "see `tekton config show` and whether PostgreSQL runs there"
        if kind:
            remedy = "run this as the user who runs Tekton, or start Tekton again"
        return [fail(_WHAT, f"{kind}cannot be used: {said}", remedy)]
    try:
        most = int(await connection.fetchval("show max_connections"))
        version = await connection.fetchval("show server_version")
        used = int(
            await connection.fetchval("select count(*) from pg_stat_activity where backend_type = 'client backend'")
        )
    finally:
        await connection.close()
    told = f"{kind}PostgreSQL {version}, {used} of {most} connections used"
    if most < _CONNECTIONS or used > most - 5:
        return [warn(_WHAT, told, f"raise max_connections to {max(2 * most, 2 * _CONNECTIONS)}")]
    return [ok(_WHAT, told)]


def _sockets(data_dir: Path) -> str | None:
    try:
        lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
        return lines[_SOCKETS] or None
    except (OSError, IndexError):
        return None
