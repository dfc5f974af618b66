"""Secrets by name: from directories with a file for each, else from the server's own environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = "secrets"
# Where systemd's LoadCredential= puts its files.
CREDENTIALS = "CREDENTIALS_DIRECTORY"
_MOST = 128 * 1024


class SecretMissing(Exception):
    """There is no usable secret of that name; the text says where it was looked for, and never holds a value."""


class Secrets:
    """Looks secrets up when they are needed, and keeps none of them."""

    def __init__(self, directories: Sequence[Path], environ: Mapping[str, str]) -> None:
        credentials = environ.get(CREDENTIALS)
        self._directories = (*directories, *((Path(credentials),) if credentials else ()))
        self._environ = environ

    def __repr__(self) -> str:
        return f"Secrets({', '.join(map(str, self._directories))})"

    def get(self, name: str) -> str:
        """Give a secret; one line break at the end of its file is the editor's and not part of it.

        Raises:
            SecretMissing: there is none, or it cannot stand in an environment.
        """
        for directory in self._directories:
            if (content := _content(directory / name, name)) is not None:
                return _usable(content, name)
        if name in self._environ:
            return self._environ[name]
        places = ", ".join(map(str, self._directories))
        raise SecretMissing(f"there is no secret {name}: no such file in {places}, and no such environment variable")


def _content(path: Path, name: str) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SecretMissing(f"the secret {name} cannot be read: {path}: {error.strerror}") from None
    if len(content) > _MOST:
        raise SecretMissing(f"the secret {name} is longer than {_MOST // 1024} KiB: {path}")
    return content.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")


def _usable(value: str, name: str) -> str:
    if "\0" in value:
        raise SecretMissing(f"the secret {name} holds a zero byte, which no environment variable can")
    return value
