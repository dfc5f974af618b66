"""What went wrong in the database, without a SQLSTATE: driver errors end in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import sqlalchemy.exc

from tekton.core.errors import UnavailableError

# SQLSTATE classes, see PostgreSQL's appendix A. Cardinality, data and integrity: the data is at fault.
_DATA = frozenset(("21", "22", "23"))
# Syntax or access rule: wrong SQL is a fault of ours. Everything else is trouble of the database or the way to it.
_OURS = "42"
# Authorization and unknown databases: no trying again helps before somebody changes something.
_CLOSED = ("28", "3D")
_FORBIDDEN = "42501"
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, sqlalchemy.exc.SQLAlchemyError)


class DataRefusedError(Exception):
    """The database refused the data itself; trying again gives the same."""


class StorageUnavailableError(UnavailableError):
    """The database cannot be asked now. Nothing was changed."""


class StorageClosedError(StorageUnavailableError):
    """The database is there and does not let us in."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn driver errors into the two above; a fault of ours, such as wrong SQL, goes through.

    Raises:
        DataRefusedError: the data is at fault.
        StorageUnavailableError: the database is, or the way to it.
    """
    try:
        yield
    except _DRIVER_ERRORS as error:
        state = _sqlstate(error)
        if state[:2] in _DATA:
            raise DataRefusedError(str(error)) from error
        if state[:2] in _CLOSED or state == _FORBIDDEN:
            raise StorageClosedError("the database does not let Tekton in; try again") from error
        if state[:2] == _OURS:
            raise
        raise _unavailable() from error
    except OverflowError as error:  # a port that there cannot be
        raise StorageClosedError("the database cannot be at that address") from error
    except (OSError, TimeoutError) as error:
        raise _unavailable() from error


def _unavailable() -> StorageUnavailableError:
    return StorageUnavailableError("the database cannot be reached now; try again")


def _sqlstate(error: BaseException) -> str:
    """Give the SQLSTATE; empty when the server did not get as far as giving one."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        error = error.orig
    return str(getattr(error, "sqlstate", None) or "")
