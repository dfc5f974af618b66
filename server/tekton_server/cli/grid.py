"""Tables without lines: aligned by spaces, whole when piped, and narrowed to the terminal otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from tekton_server.cli.text import clean

_GAP = 2
_LEAST = 8

STYLES: Mapping[str, str] = {
    "ready": "green",
    "ok": "green",
    "passing": "green",
    "healthy": "green",
    "degraded": "yellow",
    "warn": "yellow",
    "failed": "red",
    "fail": "red",
    "failing": "red",
    "missing": "red",
    "available": "green",
    "cooling_down": "yellow",
    "unavailable": "red",
    "disabled": "dim",
    "stopped": "dim",
    "stopping": "dim",
}


class Column(NamedTuple):
    """A column; where the terminal is too narrow the one with the highest `drop` goes first, one with 0 never."""

    title: str
    drop: int = 0


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], width: int | None, least: list[int] | None = None
) -> list[Text]:
    """Lay rows out under a head. `width` is the terminal's; None keeps everything in full.

    A cell is any text from anywhere: what could act on a terminal is shown as an escape. `least` are widths that
    columns have already, and gets the new ones: what is appended later stands under what was written before.
    """
    texts = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*([c.title for c in columns], *texts), strict=True)]
    kept = _kept(columns, widths, width)
    if least is not None:
        widths = [max(pair) for pair in zip(widths, least or widths, strict=True)]
        least[:] = widths
    if width is not None:
        _narrow(widths, kept, width)
    head = Text(_line([column.title for column in columns], widths, kept), style="bold")
    return [head, *(_styled(row, widths, kept) for row in texts)]


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    kept = list(range(len(columns)))
    while width is not None and _total(widths, kept) > width:
        droppable = [index for index in kept if columns[index].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda index: columns[index].drop))
    return kept


def _narrow(widths: list[int], kept: Sequence[int], width: int) -> None:
    """Take what is still too much from the widest columns."""
    while (over := _total(widths, kept) - width) > 0:
        widest = max(kept, key=lambda index: widths[index])
        if widths[widest] <= _LEAST:
            return
        widths[widest] = max(_LEAST, widths[widest] - over)


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + _GAP * (len(kept) - 1)


def _line(cells: Sequence[str], widths: Sequence[int], kept: Sequence[int]) -> str:
    return (" " * _GAP).join(fitted(cells[index], widths[index]) for index in kept).rstrip()


def _styled(cells: Sequence[str], widths: Sequence[int], kept: Sequence[int]) -> Text:
    line = Text()
    for place, index in enumerate(kept):
        if place:
            line.append(" " * _GAP)
        line.append(fitted(cells[index], widths[index]), style=STYLES.get(cells[index].partition(" ")[0], ""))
    line.rstrip()
    return line


def fitted(text: str, width: int) -> str:
    """Give a text as wide as that: filled up, or cut."""
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    cut = text
    while cell_len(cut) > width - 1:
        cut = cut[:-1]
    return f"{cut}…" + " " * (width - 1 - cell_len(cut))
