"""What a command writes on stdout, in the form that was asked for; what it has to say beside that is on stderr."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from tekton.core.text import invisible
from tekton_server.cli.text import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_NOT_PLAIN = re.compile(r"[^\x20-\x7e\n]")


class Format(StrEnum):
    """The forms."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def on_terminal() -> bool:
    """Tell whether a person looks at stdout."""
    return sys.stdout.isatty()


def width() -> int | None:
    """Give how many characters fit on a line; None where nobody looks and nothing is cut."""
    return shutil.get_terminal_size().columns if on_terminal() else None


def plain_ascii() -> bool:
    """Tell whether stdout has no characters to draw lines with."""
    return "utf" not in (sys.stdout.encoding or "").lower()


def console(stream: TextIO | None = None) -> Console:
    """Make a console that adds colours at most: it finds no markup and breaks no line."""
    from rich.console import Console

    class Piped(Console):
        """One that leaves it to the command what becomes of a reader that has left; Rich would end with 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    target = stream or sys.stdout
    _encodable(target)
    return Piped(file=target, highlight=False, markup=False, emoji=False, soft_wrap=True)


def write(value: Any, form: Format, lines: Callable[[], Iterable[Text]], names: Callable[[], Iterable[str]]) -> None:
    """Write a result: `value` as data, `lines` for people, or the bare `names`."""
    if form is Format.TABLE:
        write_lines(lines())
    elif form is Format.NAME:
        write_text("".join(f"{clean(name)}\n" for name in names()))
    else:
        write_text(as_json(value) if form is Format.JSON else as_yaml(value))


def write_one(value: Any, form: Format, line: Callable[[], Text], name: str) -> None:
    """Write one item of a stream: a line of text, one line of JSON, or a YAML document."""
    if form is Format.JSON:
        write_text(as_json(value, indent=None))
    elif form is Format.YAML:
        write_text(f"---\n{as_yaml(value)}")
    else:
        write(value, form, lambda: (line(),), lambda: (name,))
    sys.stdout.flush()


def write_lines(lines: Iterable[Text]) -> None:
    """Write lines for people."""
    out = console()
    for line in lines:
        out.print(line)


def write_text(text: str) -> None:
    """Write text that is safe already."""
    _encodable(sys.stdout)
    sys.stdout.write(text)


def note(sentence: str) -> None:
    """Tell the person, beside the result."""
    _encodable(sys.stderr)
    print(f"tekton: {clean(sentence)}", file=sys.stderr, flush=True)


def as_json(value: Any, indent: int | None = 2) -> str:
    """Give JSON in which no character can act on a terminal: such ones stand only in texts, where JSON has escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _NOT_PLAIN.sub(_escaped, text) + "\n"


def as_yaml(value: Any) -> str:
    """Give YAML in which no character can act on a terminal."""
    import yaml

    whole = json.loads(json.dumps(value, default=str))
    text: str = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=4096)
    if any(invisible(one) and one != "\n" for one in text):
        text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=False, width=4096)
    return text


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if invisible(match[0]) else match[0]


def _encodable(stream: TextIO) -> None:
    """Show what the terminal's encoding has no character for as an escape, rather than fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and getattr(stream, "errors", "") != "backslashreplace":
        reconfigure(errors="backslashreplace")
