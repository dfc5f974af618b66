"""A graph in the terminal: a row for each component, and a line down from it to those that need it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from rich.text import Text

from tekton_server.cli.graph.picture import Node, Picture
from tekton_server.cli.grid import STYLES, Column, grid
from tekton_server.cli.text import clean

# More lines beside each other than this nobody follows: then each row names what it needs instead.
_MOST_LANES = 40
# What the other columns want at least.
_REST = 32
_SHOWN = 20
_DRAWN = (Column("WAVE"), Column(""), Column("COMPONENT"), Column("STATE"), Column("NOTE", 1))
_LISTED = (Column("WAVE"), Column("COMPONENT"), Column("STATE"), Column("NEEDS"), Column("NOTE", 1))
_DOT = "●"
_ASCII = str.maketrans("●│├┼┤└┴┘─", "*|++++++-")


def lines(picture: Picture, width: int | None, ascii_only: bool = False) -> Iterator[Text]:
    """Lay a graph out for a terminal of a width; None: in full."""
    room = 2 * _MOST_LANES if width is None else min(2 * _MOST_LANES, width - _REST)
    lanes = list(takewhile(lambda row: len(row) <= room, _lanes(picture.nodes)))
    if len(lanes) < len(picture.nodes):
        yield from _listed(picture, width)
    elif lanes:
        for line in _drawn(picture, lanes, width):
            if ascii_only:
                line.plain = line.plain.translate(_ASCII)
            yield line
    yield from _below(picture, width)


def _drawn(picture: Picture, lanes: Sequence[str], width: int | None) -> Iterator[Text]:
    waves = ["" if same else wave for wave, same in _waves(picture.nodes)]
    notes = _notes(picture)
    rows = [
        (wave, lane, node.component_id, node.status, note)
        for wave, lane, node, note in zip(waves, lanes, picture.nodes, notes, strict=True)
    ]
    head, *body = grid(_DRAWN, rows, width)
    yield head
    for node, line in zip(picture.nodes, body, strict=True):
        dot = line.plain.index(_DOT)
        line.stylize(STYLES.get(node.status, "cyan"), dot, dot + 1)
        yield _focused(line, node, picture)


def _listed(picture: Picture, width: int | None) -> Iterator[Text]:
    rows = [
        (wave, node.component_id, node.status, ", ".join(node.needs) or "-", note)
        for (wave, _), node, note in zip(_waves(picture.nodes), picture.nodes, _notes(picture), strict=True)
    ]
    head, *body = grid(_LISTED, rows, width)
    yield head
    yield from (_focused(line, node, picture) for node, line in zip(picture.nodes, body, strict=True))


def _focused(line: Text, node: Node, picture: Picture) -> Text:
    if node.component_id == picture.focus:
        line.stylize("bold")
    return line


def _waves(nodes: Sequence[Node]) -> Iterator[tuple[str, bool]]:
    """Give each node's wave, and whether the one before has the same."""
    before = ""
    for node in nodes:
        wave = str(node.wave) if node.wave else "-"
        yield wave, wave == before
        before = wave


def _notes(picture: Picture) -> Iterator[str]:
    place = {node.component_id: at for at, node in enumerate(picture.nodes)}
    for at, node in enumerate(picture.nodes):
        notes = ["on a cycle"] if node.cyclic else []
        if node.blocked_by:
            notes.append(f"blocked by {node.blocked_by}, which is on a cycle")
        # A line only runs down.
        upward = [name for name in node.needs if place[name] >= at]
        if upward:
            notes.append(f"needs {', '.join(upward)}" + ("" if upward == [node.component_id] else " below"))
        yield "; ".join(notes)


def _lanes(nodes: Sequence[Node]) -> Iterator[str]:
    """Draw the row of each node: its dot, the lines that begin and end there, and those that pass by."""
    place = {node.component_id: at for at, node in enumerate(nodes)}
    last: dict[str, int] = {}
    for at, node in enumerate(nodes):
        last |= {name: at for name in node.needs if place[name] < at}
    active: list[str | None] = []
    for at, node in enumerate(nodes):
        mine = {lane for lane, name in enumerate(active) if name in node.needs and place[str(name)] < at}
        ending = {lane for lane in mine if last[str(active[lane])] == at}
        # To the right of what comes in, so that a row reads towards its dot.
        free = (lane for lane in range(max(mine, default=-1) + 1, len(active)) if active[lane] is None)
        own = max(mine) if mine and max(mine) in ending else next(free, len(active))
        if own == len(active):
            active.append(None)
        yield _row(active, mine, ending, own)
        for lane in ending:
            active[lane] = None
        active[own] = node.component_id if node.component_id in last else None
        while active and active[-1] is None:
            active.pop()


def _row(active: Sequence[str | None], mine: set[int], ending: set[int], own: int) -> str:
    left, right = min(mine | {own}), max(mine | {own})
    drawn = ""
    for lane, name in enumerate(active):
        inside = left < lane < right
        if lane == own:
            drawn += _DOT
        elif lane in mine:
            shapes = "└┴┘" if lane in ending else "├┼┤"
            drawn += shapes[0 if lane == left else 1 if inside else 2]
        else:
            drawn += "│" if name is not None else "─" if inside else " "
        drawn += "─" if left <= lane < right else " "
    return drawn.rstrip()


def _below(picture: Picture, width: int | None) -> Iterator[Text]:
    """Tell the cycles with their paths, and who needs what is missing."""
    if picture.cycles:
        told = [" -> ".join(map(clean, path)) for path in picture.cycles]
        yield from _section("CYCLES, in which each needs the next", told, width)
        if not picture.complete:
            yield Text("  there are more: of very many, a shortest one through each component is told", style="dim")
    absent = [node.component_id for node in picture.nodes if node.missing]
    needed_by = {name: [node.component_id for node in picture.nodes if name in node.needs] for name in absent}
    told = [f"{clean(name)}, needed by {clean(', '.join(needed_by[name]))}" for name in absent]
    if told:
        yield from _section("MISSING", told, width)


def _section(title: str, told: Sequence[str], width: int | None) -> Iterator[Text]:
    yield Text()
    yield Text(title, style="bold red")
    shown = told if width is None else told[:_SHOWN]
    yield from (Text(f"  {line}") for line in shown)
    if len(told) > len(shown):
        yield Text(f"  and {len(told) - len(shown)} more: tekton graph -o json", style="dim")
