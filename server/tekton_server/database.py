"""The database that the settings name, for whoever has not got one embedded."""

from __future__ import annotations

from pathlib import Path

from tekton_server.config import ConfigError, Settings
from tekton_server.storage.database import Database, parse_url

# A file that was given by mistake may be of any length.
_LONGEST = 4096


def database_of(settings: Settings) -> Database:
    """Read the address, and the password where that is in a file of its own.

    Raises:
        ConfigError: there is none, it is wrong, or the file cannot be read.
    """
    if settings.database_url is None:
        raise ConfigError("this needs a database: set --database-url or TEKTON_DATABASE_URL")
    try:
        database = parse_url(settings.database_url, settings.terms)
    except ValueError as error:
        raise ConfigError(f"the setting database_url (--database-url) is wrong: {error}") from error
    if settings.database_password_file is None:
        return database
    if database.url.password is not None:
        raise ConfigError("database_url has a password, and database_password_file is set too; leave one of them out")
    return database.with_password(_password(Path(settings.database_password_file).expanduser()))


def _password(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ConfigError(f"database_password_file {path} cannot be read ({said}); correct it") from error
    # Editors end the last line.
    password = text.rstrip("\r\n")
    if not password:
        raise ConfigError(f"database_password_file {path} is empty; write the password into it")
    return password
