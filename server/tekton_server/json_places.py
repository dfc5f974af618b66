"""Reading JSON that people write: where every key and value stands, and which keys are there twice."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from pathlib import Path as File
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

_MOST_BYTES = 16 * 2**20

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)', re.DOTALL)


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class NotJsonError(Exception):
    """A file cannot be read, or is not JSON; the text says which, where and why."""


class JsonFile:
    """A file that was read: what it holds, and where. `file` is how its user calls it."""

    def __init__(self, file: File) -> None:
        """Read it.

        Raises:
            NotJsonError: it cannot be, or is no JSON that can be told of.
            FileNotFoundError: it is not there.
        """
        self.file = file
        self._twice = False
        self._text = _text(file)
        self._places: Places | None = None
        try:
            self.content = json.loads(self._text, object_pairs_hook=self._object)
        except json.JSONDecodeError as error:
            raise NotJsonError(f"{file}:{error.lineno}:{error.colno}: is not JSON: {error.msg}") from None
        except RecursionError:
            raise NotJsonError(f"{file}: is nested too deeply") from None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self._twice = self._twice or len(found) < len(pairs)
        return found

    @property
    def places(self) -> Places:
        """Where everything stands; it takes a moment for a large file."""
        if self._places is None:
            self._places = Places(self._text)
        return self._places

    @property
    def twice(self) -> list[tuple[Path, Place]]:
        """Every key that its object has already, and where: a reader silently takes one of the two."""
        return self.places.twice if self._twice else []

    def at(self, place: Place) -> str:
        """Write a place of the file as compilers do."""
        return f"{self.file}:{place.line}:{place.column}"


def _text(file: File) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotJsonError(f"{file}: cannot be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise NotJsonError(f"{file}: is longer than {_MOST_BYTES // 2**20} MiB")
    try:
        # Some editors put a byte order mark in front.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotJsonError(f"{file}: is not text in UTF-8; write it anew") from None


class Places:
    """The places of a text that is known to be JSON."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._values: dict[Path, int] = {}
        self._keys: dict[Path, int] = {}
        self._twice: list[tuple[Path, int]] = []
        self._walk(text)

    def of(self, path: Path, *, key: bool = False) -> Place:
        """Give where a value stands, or the key in front of it; of what is not there, where it would have to be."""
        places = self._keys if key and path in self._keys else self._values
        while path not in places:
            path, places = path[:-1], self._values
        return self._place(places[path])

    @property
    def twice(self) -> list[tuple[Path, Place]]:
        """Every key that its object has already, and where."""
        return [(path, self._place(at)) for path, at in self._twice]

    def _place(self, at: int) -> Place:
        line = bisect_right(self._starts, at)
        return Place(line, at - self._starts[line - 1] + 1)

    def _walk(self, text: str) -> None:
        # A stack of our own: a text may be deeper than Python's.
        path: list[str | int] = []
        expects_key = False
        for match in _TOKEN.finditer(text):
            token, at = match[1], match.start(1)
            if token == "}" or token == "]":
                path.pop()
                expects_key = False
            elif token == ",":
                last = path[-1]
                expects_key = not isinstance(last, int)
                if isinstance(last, int):
                    path[-1] = last + 1
            elif token == ":":
                expects_key = False
            elif expects_key:
                path[-1] = json.loads(token, strict=False) if "\\" in token else token[1:-1]
                self._note_key(tuple(path), at)
            else:
                # Of a key that is there twice the last one counts, as it does to who reads.
                self._values[tuple(path)] = at
                if token in "{[":
                    # Until its first key is read an object stands for nothing in particular.
                    path.append("" if token == "{" else 0)
                    expects_key = token == "{"

    def _note_key(self, path: Path, at: int) -> None:
        if path in self._keys:
            self._twice.append((path, at))
        else:
            self._keys[path] = at


def written(path: Path) -> str:
    """Write a path as people do: ``components.engram.launch.command[0]``."""
    text = ""
    for one in path:
        plain = isinstance(one, str) and re.fullmatch(r"[\w$-]+", one)
        text += f"[{one}]" if isinstance(one, int) else f".{one}" if plain else f"[{json.dumps(one)}]"
    return text.removeprefix(".")
