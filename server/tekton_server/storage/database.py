"""Where the database is and on what terms it is used: the address a user gives, read once and refused in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL, make_url

APPLICATION = "tekton"
_EXAMPLE = "postgresql://user:password@host:5432/name"
_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# As libpq knows them. Handed on to the driver, but for the first three, which are about us.
_OPTIONS = (
    *("application_name", "connect_timeout", "options", "host", "port", "user", "password", "dbname"),
    *("sslmode", *_FILES, "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    "target_session_attrs",
)
_SECRET = "sslpassword"
_INSTEAD = {
    "passfile": "set PGPASSFILE",
    "ssl": "use sslmode",
    "statement_timeout": "use the settings database.write_timeout and database.read_timeout",
    "keepalives": "use the settings database.keepalives_idle, _interval and _count",
    "pool_size": "use the setting database.pool_size",
    "schema": "use options=-csearch_path=...",
}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How the database is used; times in seconds. The fields are the settings `database.*`."""

    pool_size: int = 8
    max_overflow: int = 8
    pool_timeout: float = 5.0
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    write_timeout: float = 10.0
    lock_timeout: float = 5.0
    idle_in_transaction_timeout: float = 2.0
    keepalives_idle: int = 10
    keepalives_interval: int = 5
    keepalives_count: int = 3


@dataclass(frozen=True)
class Database:
    """A database and the terms. `url` has nothing in its query that is about us and not about the way there."""

    url: URL
    terms: Terms = Terms()
    application: str = APPLICATION
    options: str | None = None

    @property
    def name(self) -> str:
        """Its name on its server."""
        return self.url.database or ""

    @property
    def dsn(self) -> str:
        """The address as the driver wants it, with the password."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def with_password(self, password: str) -> Database:
        """Give the same with a password that was kept elsewhere."""
        return replace(self, url=self.url.set(password=password))

    @property
    def shown(self) -> str:
        """The address for people, without a secret."""
        query = {key: "***" if key == _SECRET else value for key, value in self.url.query.items()}
        return self.url.set(drivername="postgresql", query=query).render_as_string(hide_password=True)


def parse_url(text: str, terms: Terms | None = None) -> Database:
    """Read a database address such as postgresql://user:password@host:5432/tekton.

    Raises:
        ValueError: it is not one, or not PostgreSQL's, or has an option that nothing here understands.
    """
    try:
        # The shorter scheme is what many hosters print.
        url = make_url(text)
        options = dict(_options(url.query))
    except _WrongOptionError:
        raise
    except Exception as error:
        raise ValueError(f"the database URL cannot be read; use {_EXAMPLE}") from error
    if url.drivername not in _SCHEMES:
        raise ValueError("the database URL must start with postgresql:// or postgres://")
    application, mine = options.pop("application_name", APPLICATION), options.pop("options", None)
    terms = _patience(terms or Terms(), options.pop("connect_timeout", None))
    _check_ports(url, options)
    _check_tls(options)
    # Where libpq lets both stand, the query wins.
    url = url.set(
        username=options.pop("user", url.username),
        password=options.pop("password", None if url.password is None else str(url.password)),
        database=options.pop("dbname", url.database),
    )
    return Database(url.set(drivername="postgresql+asyncpg", query=options), terms, application, mine)


class _WrongOptionError(ValueError):
    """An option of the URL is not taken."""


def _options(query: Mapping[str, tuple[str, ...] | str]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        if name not in _OPTIONS:
            remedy = _INSTEAD.get(re.sub("_(idle|interval|count)$", "", name), f"known are {', '.join(_OPTIONS)}")
            raise _WrongOptionError(f"the database URL has the option {name}, which Tekton does not take; {remedy}")
        if not isinstance(value, str):
            raise _WrongOptionError(f"the database URL has the option {name} twice; leave one out")
        yield name, value


def _patience(terms: Terms, given: str | None) -> Terms:
    if given is None:
        return terms
    if not re.fullmatch(r"[1-9]\d{0,3}", given):
        raise ValueError("the database URL has a connect_timeout that is no whole number of seconds from 1 to 9999")
    return replace(terms, connect_timeout=float(given))


def _check_ports(url: URL, options: Mapping[str, str]) -> None:
    """Refuse numbers that no port has: uvloop would take their last 16 bits, and call somebody else."""
    hosts = re.findall(r":(\d+)(?:,|$)", options.get("host", ""))
    for text in ("" if url.port is None else str(url.port), *options.get("port", "").split(","), *hosts):
        if text.isdecimal() and not 0 < int(text) < 65536:
            raise ValueError(f"the port {text} in the database URL is none; use {_EXAMPLE}, with one from 1 to 65535")


def _check_tls(options: Mapping[str, str]) -> None:
    mode = options.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise ValueError(f"the database URL has a sslmode that there is not; use one of {', '.join(_SSL_MODES)}")
    if options.get("sslrootcert") == "system":
        raise ValueError("the database URL has sslrootcert=system; name the file with the authorities instead")
    for name in _FILES:
        if name in options and not Path(options[name]).is_file():
            raise ValueError(f"the database URL has {name}={options[name]}, which is no file; name one that there is")
