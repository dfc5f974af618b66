"""What went wrong in the database, without a SQLSTATE: driver errors end in this folder."""

from __future__ import annotations

import errno
import os
import ssl
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
_TAKEN = "42P07"
_FULL = "53100"
# How the system says it, in PostgreSQL's messages as well: a full disk shows as an input/output error there at times.
_NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))
# The internal one is what asyncpg raises, at times, on a connection that ended between two statements (its issue 784).
_DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlalchemy.exc.SQLAlchemyError,
)


class DataRefusedError(Exception):
    """The database refused the data itself; trying again gives the same."""


class StorageUnavailableError(UnavailableError):
    """The database cannot be asked now. Nothing was changed."""

    problem = "cannot be used"
    """What to tell of the database at a start, and below what to do about it."""
    remedy = "start it, or leave database_url out to use the embedded one"


class StorageFullError(StorageUnavailableError):
    """The database has no room left on its disk. It serves reads and will take writes again by itself."""

    problem = "has no room left on its disk"
    remedy = "free some space there"


class StorageClosedError(StorageUnavailableError):
    """The database is there and does not let us in: no trying again helps before somebody changes something."""

    problem = "does not let Tekton in"
    remedy = "correct the address, or what its user may do"


class StorageUntrustedError(StorageClosedError):
    """Somebody answers at the address who does not prove to be the database."""

    problem = "cannot be trusted"
    remedy = "correct the address, or its sslmode and sslrootcert"


class StorageTooOldError(StorageClosedError):
    """The database is of a version that lacks what is needed."""

    problem = "is too old"
    remedy = "use PostgreSQL 15 or newer"


class StorageForeignError(StorageClosedError):
    """The database holds tables of another program."""

    problem = "holds what is not Tekton's"
    remedy = "give Tekton a database of its own"


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
        if state == _FULL or is_full(error):
            raise StorageFullError("the disk of the database is full; try again once there is room") from error
        if state[:2] in _CLOSED or state == _FORBIDDEN or isinstance(error, asyncpg.ClientConfigurationError):
            raise StorageClosedError("the database does not let Tekton in; try again") from error
        if state == _TAKEN:
            raise StorageForeignError("the database holds tables of another program") from error
        if state[:2] == _OURS:
            raise
        raise _unavailable() from error
    except ssl.SSLCertVerificationError as error:
        raise StorageUntrustedError("the database cannot be trusted; try again") from error
    except (OSError, TimeoutError) as error:
        raise _unavailable() from error


def is_full(error: BaseException) -> bool:
    """Tell whether somebody found no room on a disk."""
    return no_room(str(error))


def no_room(text: str) -> bool:
    """Tell the same of what was said, by the words of the system."""
    return any(words in text for words in _NO_ROOM)


def _unavailable() -> StorageUnavailableError:
    return StorageUnavailableError("the database cannot be reached now; try again")


def _sqlstate(error: BaseException) -> str:
    """Give the SQLSTATE; empty when the server did not get as far as giving one."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        error = error.orig
    return str(getattr(error, "sqlstate", None) or "")
