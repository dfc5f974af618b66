"""Where the boxes of a graph are and how its lines run: columns from left to right, few crossings, no box covered.

A layered drawing as by K. Sugiyama and others (IEEE SMC 11(2), 1981), kept small: lines that pass a column do so
through a place of their own in it, the places of a column are ordered by the middle of their neighbours, and then moved
towards them. All lines from one component share their way as long as they can.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from rich.cells import cell_len

from tekton_server.cli.graph.picture import Node, Picture
from tekton_server.cli.text import clean

HEIGHT = 42.0
# A character of the name and one of the state below it, on average and somewhat more.
_CHAR, _SMALL_CHAR = 8.2, 6.2
_PADDING = 40.0
_LEAST_WIDTH = 96.0
_GAP = 16.0
_PASSING = 10.0
_BETWEEN = 84.0
_SWEEPS = 12


@dataclass(eq=False)
class Place:
    """A box, or where a line passes a column: the middle of its left side is at (x, y)."""

    column: int
    node: Node | None
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    before: list[Place] = field(default_factory=list)
    after: list[Place] = field(default_factory=list)

    @property
    def height(self) -> float:
        """What it takes of its column."""
        return HEIGHT if self.node else _PASSING


@dataclass
class Layout:
    """What to draw: lines run between places of neighbouring columns; arcs within a column, from who needs to whom."""

    columns: list[list[Place]]
    lines: list[tuple[Place, Place]]
    arcs: list[tuple[Place, Place]]

    @property
    def width(self) -> float:
        """The right side of the last column."""
        return max((place.x + place.width for column in self.columns for place in column), default=0.0)

    @property
    def height(self) -> float:
        """The lower side of the lowest place."""
        return max((place.y + place.height / 2 for column in self.columns for place in column), default=0.0)


def laid_out(picture: Picture) -> Layout:
    """Lay a picture out, from (0, 0) on."""
    layout = Layout([[Place(at, node) for node in some] for at, some in enumerate(picture.columns)], [], [])
    _connect(layout)
    _order(layout)
    _set_x(layout)
    _set_y(layout)
    return layout


def _connect(layout: Layout) -> None:
    boxes = {place.node.component_id: place for column in layout.columns for place in column if place.node}
    passing: dict[tuple[str, int], Place] = {}
    for name, place in boxes.items():
        for need in place.node.needs if place.node else ():
            if boxes[need].column >= place.column:
                layout.arcs.append((place, boxes[need]))
            else:
                _line(layout, _reached(layout, passing, boxes[need], place.column - 1, need), boxes[name])


def _reached(layout: Layout, passing: dict[tuple[str, int], Place], start: Place, column: int, name: str) -> Place:
    """Bring the line from a box as far as a column."""
    here = start
    for at in range(start.column + 1, column + 1):
        there = passing.get((name, at))
        if there is None:
            there = passing[name, at] = Place(at, None)
            layout.columns[at].append(there)
            _line(layout, here, there)
        here = there
    return here


def _line(layout: Layout, one: Place, other: Place) -> None:
    layout.lines.append((one, other))
    one.after.append(other)
    other.before.append(one)


def _order(layout: Layout) -> None:
    """Order each column by its neighbours, from the left and from the right in turn; keep what crosses least."""
    rank = {place: float(at) for column in layout.columns for at, place in enumerate(column)}
    best, least = [list(column) for column in layout.columns], _crossings(layout, rank)
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        for column in layout.columns if rightwards else reversed(layout.columns):
            column.sort(key={place: _middle(place, rank, rightwards) for place in column}.__getitem__)
            rank |= {place: float(at) for at, place in enumerate(column)}
        if (crossings := _crossings(layout, rank)) < least:
            best, least = [list(column) for column in layout.columns], crossings
    layout.columns[:] = best


def _middle(place: Place, of: Mapping[Place, float], rightwards: bool) -> float:
    """Give the middle of a place's neighbours on one side; its own where it has none."""
    found = [of[one] for one in (place.before if rightwards else place.after)]
    return sum(found) / len(found) if found else of[place]


def _crossings(layout: Layout, rank: Mapping[Place, float]) -> int:
    count = 0
    for column in layout.columns:
        ends: list[float] = []
        for end in (rank[other] for place in column for other in sorted(place.after, key=rank.__getitem__)):
            count += len(ends) - bisect_right(ends, end)
            insort(ends, end)
    return count


def _set_x(layout: Layout) -> None:
    x = 0.0
    for column in layout.columns:
        width = max(_width(place) for place in column)
        for place in column:
            place.x, place.width = x, width
        x += width + _BETWEEN


def _width(place: Place) -> float:
    if place.node is None:
        return 0.0
    name, caption = (cell_len(clean(text)) for text in (place.node.component_id, place.node.caption))
    return max(_LEAST_WIDTH, name * _CHAR + _PADDING, caption * _SMALL_CHAR + _PADDING)


def _set_y(layout: Layout) -> None:
    """Move places towards the middle of their neighbours, as far as those above and below them allow."""
    for column in layout.columns:
        _spread(column, [0.0] * len(column))
    y = {place: place.y for column in layout.columns for place in column}
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        for column in layout.columns if rightwards else reversed(layout.columns):
            _spread(column, [_middle(place, y, rightwards) for place in column])
            y |= {place: place.y for place in column}
    top = min((place.y - place.height / 2 for column in layout.columns for place in column), default=0.0)
    for column in layout.columns:
        for place in column:
            place.y -= top


def _spread(column: list[Place], wanted: list[float]) -> None:
    """Set a column near where it wants to be, in its order: the middle between the highest and the lowest way."""
    least = [(one.height + other.height) / 2 + _GAP for one, other in pairwise(column)]
    down, up = list(wanted), list(wanted)
    for at in range(1, len(column)):
        down[at] = max(down[at], down[at - 1] + least[at - 1])
    for at in range(len(column) - 2, -1, -1):
        up[at] = min(up[at], up[at + 1] - least[at])
    for place, one, other in zip(column, down, up, strict=True):
        place.y = (one + other) / 2
