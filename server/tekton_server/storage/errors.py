"""What went wrong in the database, without a SQLSTATE: driver errors end in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import sqlalchemy.exc

from tekton.core.errors import UnavailableError

# SQLSTATE classes, see PostgreSQL's appendix A. Cardinality, data and integrity: the data is at fault.
_DATA = frozenset(("21", "22", "23"))
# Connection, transaction state, rollback, resources, state of an object (locks), operator, system: the database is.
_OUTAGE = frozenset(("08", "25", "40", "53", "55", "57", "58"))
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, sqlalchemy.exc.SQLAlchemyError)


class DataRefusedError(Exception):
    """The database refused the data itself; trying again gives the same."""


class StorageUnavailableError(UnavailableError):
    """The database cannot be asked now. Nothing was changed."""


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
        if state in _DATA:
            raise DataRefusedError(str(error)) from error
        if state is None or state in _OUTAGE:
            raise _unavailable() from error
        raise
    except (OSError, TimeoutError) as error:
        raise _unavailable() from error


def _unavailable() -> StorageUnavailableError:
    return StorageUnavailableError("the database cannot be reached now; try again")


def _sqlstate(error: BaseException) -> str | None:
    """Give the class of the SQLSTATE; None when the server did not get as far as giving one."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        error = error.orig
    state = getattr(error, "sqlstate", None)
    return state[:2] if state else None
