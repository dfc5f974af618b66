"""A chart of the last hour out of characters."""

from __future__ import annotations

from collections.abc import Iterable

_BLOCKS, _PLAIN = " ▁▂▃▄▅▆▇█", "  ....:::#"
# Values come every few seconds or every half minute; past so many without one there is a gap, in seconds.
_GAP = 90.0


def columns(points: Iterable[tuple[float, float | None]], now: float, width: int, span: float) -> list[float | None]:
    """Give the greatest value of each column, the last of which is now; None where nothing is known."""
    found: list[float | None] = [None] * width
    if width < 1:
        return found
    step = span / width
    last: dict[int, float] = {}
    for at, value in points:
        column = width - 1 - int((now - at) / step) if at <= now else width - 1
        if value is None or column < 0:
            continue
        before = found[column]
        found[column] = value if before is None else max(before, value)
        last[column] = at
    # Where columns are narrower than values are apart, the one before holds.
    held: tuple[float, float] | None = None
    for column, value in enumerate(found):
        if value is not None:
            held = last[column], value
        elif held is not None and now - (width - 1 - column) * step - held[0] <= _GAP:
            found[column] = held[1]
    return found


def lines(values: list[float | None], height: int, greatest: float, *, plain: bool = False) -> list[str]:
    """Draw columns, the highest line first. What is not nothing is seen; what is not known is empty."""
    marks = _PLAIN if plain else _BLOCKS
    steps = len(marks) - 1
    levels = [_level(value, greatest, height * steps) for value in values]
    drawn = []
    for row in reversed(range(height)):
        drawn.append("".join(marks[min(steps, max(0, level - row * steps))] for level in levels))
    return drawn


def _level(value: float | None, greatest: float, most: int) -> int:
    if value is None or value <= 0 or greatest <= 0:
        return 0
    return min(most, max(1, round(value / greatest * most)))
