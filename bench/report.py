"""The table for people and the JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.model import Goal, Json, Result, Spread

RATIO = "of bare"
_NUMBERS = ("Tekton", "bare", "result", "min-max", "by CPU", "goal")
_MARKS = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the table, and under it what there is to say of each row."""
    table = Table(box=None, pad_edge=False)
    for name in ("row", "work", "Tekton", "bare", "result", "min-max", "by CPU", "goal", ""):
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for one in results:
        table.add_row(*_cells(one))
    console.print()
    console.print(table)
    console.print()
    for one in results:
        for note in one.notes:
            console.print(f"[dim]{one.name}:[/] {note}", highlight=False)


def write(path: Path, document: Json) -> None:
    """Write everything that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def machine_line(machine: Json) -> str:
    """Say in a line what the figures are of."""
    dirty = " with changes" if machine["uncommitted"] else ""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}; "
        f"Python {machine['python']}, grpcio {machine['grpcio']}, {machine['postgresql']}; "
        f"Tekton {machine['commit'][:10]}{dirty}; load before {machine['load_before'][0]}"
    )


def _cells(one: Result) -> tuple[str, ...]:
    if one.missing:
        return one.name, one.title, "", "", "", "", "", _goal(one.goal), f"[dim]{one.missing}[/]"
    shown = (_value(one.goal, one.value.median), _range(one.goal, one.value)) if one.value else ("", "")
    by_cpu = "" if one.by_cpu is None else f"{one.by_cpu:.2f}"
    return one.name, one.title, one.tekton, one.bare, *shown, by_cpu, _goal(one.goal), _MARKS[one.reached]


def _range(goal: Goal | None, spread: Spread) -> str:
    return f"{_value(goal, spread.low)}-{_value(goal, spread.high)}"


def _goal(goal: Goal | None) -> str:
    if goal is None:
        return ""
    unit = "" if goal.unit == RATIO else f" {goal.unit}"
    return f"{'<' if goal.at_most else '>='} {_value(goal, goal.value)}{unit}"


def _value(goal: Goal | None, value: float) -> str:
    if goal is not None and goal.unit == RATIO:
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
