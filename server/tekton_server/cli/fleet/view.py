"""How a start or a stop of many looks: drawn anew on a terminal, a line for each step where it is piped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from tekton_server.cli.grid import STYLES, Column, grid
from tekton_server.cli.output import plain_ascii
from tekton_server.cli.text import clean

_PLAN = (Column("WAVE"), Column("COMPONENT"), Column("ACTION"), Column("STATE", 2), Column("WAITS FOR", 1))
_ENDED = ("ready", "stopped", "failed", "skipped")
_STYLES = {**STYLES, "stopped": "green", "skipped": "yellow", "waiting": "dim", "stopping": "cyan"}
_MARKS = {"ready": "✓", "stopped": "✓", "failed": "✗", "skipped": "○", "waiting": "·"}
_PLAIN_MARKS = {"ready": "+", "stopped": "+", "failed": "x", "skipped": "-", "waiting": "."}
# The column of ids; longer ones push the rest of their line to the right.
_NARROWEST, _WIDEST = 8, 24
# Causes told under the picture.
_CAUSES = 5
# Lines that are not components: the head, the line of what is left out, and the prompt.
_MARGIN = 4


class FleetView:
    """What is known of a run by its steps."""

    def __init__(self) -> None:
        self._plan: Mapping[str, Any] = {}
        self._wave: dict[str, int] = {}
        self._waits: dict[str, list[str]] = {}
        self._last: dict[str, Mapping[str, Any]] = {}
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._message = ""

    def take(self, step: Mapping[str, Any]) -> None:
        """Take note of a step."""
        if step["event"] == "planned":
            self._plan = step["plan"]
            for number, wave in enumerate(self._plan["waves"], 1):
                self._wave |= dict.fromkeys(wave["component_ids"], number)
            self._waits = {one["component_id"]: one["waits_for"] for one in self._plan["components"]}
        elif step["event"] == "done":
            self._seconds, self._message = step["seconds"], step["message"]
        elif step["component_id"]:
            self._last[step["component_id"]] = step

    def lines(self, width: int | None) -> Iterator[Text]:
        """Draw it: what does not fit is counted, those first that nobody has to look at."""
        names = [*self._wave, *(name for name in self._last if name not in self._wave)]
        # Short ids take no more than they need, so that a narrow terminal has room for how each is.
        column = max(_NARROWEST, min(_WIDEST, max((len(name) for name in names), default=0)))
        seconds = time.monotonic() - self._began if self._seconds is None else self._seconds
        yield Text.assemble((clean(self._message or self._said(names)), "bold"), (f"  {seconds:.1f}s", "dim"))
        room = max(5, shutil.get_terminal_size().lines - _MARGIN)
        kept = self._fitting(names, room)
        before = 0
        for name in names:
            if name in kept:
                yield self._line(name, self._wave.get(name, 0), before, width, column)
                before = self._wave.get(name, 0)
        if len(kept) < len(names):
            yield Text(f"   and {len(names) - len(kept)} more", style="dim")

    def causes(self) -> Iterator[Text]:
        """Tell why, of those that failed themselves; the others are theirs."""
        failed = [step for step in self._last.values() if step["event"] == "failed"]
        for step in failed[:_CAUSES]:
            yield Text(clean(step["message"]), style="red")
            log = str((step["error"] or {}).get("details", {}).get("log", ""))
            yield from (Text(f"  | {clean(line)}", style="dim") for line in log.splitlines()[-_CAUSES:])
        if len(failed) > _CAUSES:
            yield Text(f"and {len(failed) - _CAUSES} more failed; tekton why ID tells of each", style="red")

    def _said(self, names: list[str]) -> str:
        counts = dict.fromkeys(("ready", "stopped", "failed", "skipped"), 0)
        for name in names:
            word = self._event(name)
            if word in counts:
                counts[word] += 1
        told = [f"{count} {word}" for word, count in counts.items() if count]
        under_way = sum(self._event(name) not in ("waiting", *_ENDED) for name in names)
        whole = f"{len(names)} component{'' if len(names) == 1 else 's'}"
        return ", ".join([whole, *told, *([f"{under_way} under way"] if under_way else [])])

    def _event(self, name: str) -> str:
        return str(self._last[name]["event"]) if name in self._last else "waiting"

    def _fitting(self, names: list[str], room: int) -> set[str]:
        if len(names) <= room:
            return set(names)
        rank = {"failed": 0, "skipped": 2, "waiting": 3, "ready": 4, "stopped": 4}
        return set(sorted(names, key=lambda name: rank.get(self._event(name), 1))[:room])

    def _line(self, name: str, wave: int, before: int, width: int | None, column: int) -> Text:
        event = self._event(name)
        step = self._last.get(name)
        marks = _PLAIN_MARKS if plain_ascii() else _MARKS
        # A sign of life that turns, twice a second.
        turning = "-\\|/" if plain_ascii() else "◐◓◑◒"
        mark = marks.get(event) or turning[int(time.monotonic() * 2) % len(turning)]
        style = _STYLES.get(event, "cyan")
        shown = str(wave) if wave and wave != before else ""
        line = Text.assemble(
            (f"{shown:>3} ", "dim"), (f"{mark} ", style), f"{clean(name):<{column}} ", (f"{event:<9}", style)
        )
        if step is not None and event in _ENDED:
            line.append(f" {step['seconds']:6.1f}s", "dim")
        said = self._open(name) if step is None else str(step["message"]) if event != "ready" else ""
        line.append(f"  {clean(said)}", "dim")
        line.rstrip()
        if width is not None:
            line.truncate(width, overflow="crop" if plain_ascii() else "ellipsis")
        return line

    def _open(self, name: str) -> str:
        left = [one for one in self._waits.get(name, []) if self._event(one) not in ("ready", "stopped")]
        return f"waits for {', '.join(left)}" if left else "waits for a place"


def step_line(step: Mapping[str, Any]) -> Text:
    """Write a step where nobody sees a picture."""
    event, name = step["event"], step["component_id"]
    style = _STYLES.get(event, "")
    head = Text.assemble((f"{step['seconds']:8.2f}s", "dim"), "  ", (f"{event:<9}", style))
    return Text.assemble(head, f" {clean(name)}" if name else "", f"  {clean(step['message'])}")


def plan_lines(plan: Mapping[str, Any], width: int | None) -> Iterator[Text]:
    """Lay a plan out."""
    rows = [
        [
            one["wave"] or "-",
            one["component_id"],
            one["action"],
            one["status"],
            " needs ".join(one["chain"]) or ", ".join(one["waits_for"]) or "-",
        ]
        for one in plan["components"]
    ]
    if rows:
        yield from grid(_PLAN, rows, width)
    for path in plan["circular_dependencies"]:
        yield Text(clean(f"cycle: {' needs '.join(path)}"), style="red")
    for one in plan["missing"]:
        yield Text(clean(f"missing: {one['component_id']}, needed by {', '.join(one['needed_by'])}"), style="red")
    if plan["done"]:
        yield Text(clean(f"ready already: {', '.join(plan['done'])}"), style="dim")
