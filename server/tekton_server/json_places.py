"""Where things stand in a JSON text: the line and column of every key and value, and keys that are there twice."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import NamedTuple

Path = tuple[str | int, ...]

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)', re.DOTALL)


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


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
        """Every key that its object has already, and where: a reader would silently take one of the two."""
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
                path[-1] = json.loads(token, strict=False)
                self._note_key(tuple(path), at)
            else:
                self._values.setdefault(tuple(path), at)
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
