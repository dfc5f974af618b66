"""`tekton migrate`: the schema brought up to date, by whoever may change it and nobody else."""

from __future__ import annotations

import asyncio

import typer

from tekton_server.cli.exits import ExitCode
from tekton_server.cli.output import note
from tekton_server.config import ConfigError, Settings
from tekton_server.database import database_of
from tekton_server.premises import reason
from tekton_server.storage.database import Database
from tekton_server.storage.errors import StorageUnavailableError
from tekton_server.storage.migrate import Schema, SchemaTooNewError, migrate, schema_of


def run_migrate(settings: Settings, *, check: bool) -> ExitCode:
    """Migrate, or look whether that is to be done; give the exit code."""
    try:
        database = database_of(settings)
    except ConfigError as error:
        note(str(error))
        return ExitCode.USAGE
    try:
        found = asyncio.run(schema_of(database) if check else migrate(database))
    except SchemaTooNewError as error:
        note(str(error))
        return ExitCode.REFUSED
    except StorageUnavailableError as error:
        # The remedy of that class is an embedded database, which nobody has to migrate.
        remedy = "start it, or correct the address" if type(error) is StorageUnavailableError else error.remedy
        note(f"the database at {database.shown} {error.problem} ({reason(error)}); {remedy}")
        return ExitCode.UNREACHABLE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    typer.echo(_told(database, found, check=check))
    return ExitCode.FAILED if check and found.current != found.newest else ExitCode.OK


def _told(database: Database, found: Schema, *, check: bool) -> str:
    if found.current == found.newest:
        return f"{database.shown} has schema {found.newest}; nothing is to do"
    before = f"schema {found.current}" if found.current else "no schema yet"
    if check:
        return f"{database.shown} has {before}; `tekton migrate` brings it to {found.newest}"
    return f"{database.shown} had {before} and has {found.newest} now"
