"""How `tekton why` looks: a tree of what waits for what, with since when and evidence, and the causes marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.text import Text

from tekton.core.ids import lookup_key
from tekton_server.cli.grid import STYLES, Column, grid
from tekton_server.cli.text import ago, clean, parse_time, stamp

_HISTORY = (Column("WHEN"), Column("STATE"), Column("BEFORE", 2), Column("REASON", 1), Column("INSTANCE", 3))
_VALUE_CHARS = 80
# A longer chain goes on without moving further to the right.
_LEVELS = 12


class _Marks(NamedTuple):
    branch: str
    last: str
    bar: str
    cause: str


_DRAWN = _Marks("├─ ", "└─ ", "│  ", "  ← the cause")
_PLAIN = _Marks("|- ", "`- ", "|  ", "  <- the cause")


class _Tree:
    """Draws conditions, each once: where one is waited for again, it says so."""

    def __init__(self, conditions: Iterable[Mapping[str, Any]], marks: _Marks, now: datetime) -> None:
        self._conditions = {lookup_key(one["component_id"]): one for one in conditions}
        self._marks, self._now = marks, now
        self._drawn: set[str] = set()

    def lines(self, component_id: str) -> Iterator[Text]:
        """Draw one and everything that it waits for; without recursion, since a chain may be long."""
        waiting: list[tuple[str, tuple[str, ...], str]] = [(component_id, (), "")]
        while waiting:
            name, before, branch = waiting.pop()
            condition = self._conditions.get(lookup_key(name))
            head = Text("".join(before) + branch, style="dim")
            if condition is None or lookup_key(name) in self._drawn:
                again = "is told above" if condition else "is further away than is told here"
                yield Text.assemble(head, (clean(name), "bold"), (f" {again}", "dim"))
                continue
            self._drawn.add(lookup_key(name))
            yield Text.assemble(head, self._said(condition))
            inside = before if not branch else (*before, "   " if branch == self._marks.last else self._marks.bar)
            inside = inside[-_LEVELS:]
            needs = condition["waits_for"]
            margin = "".join(inside) + (self._marks.bar if needs else "   ")
            yield from (Text(f"{margin}{clean(one)}", style="dim") for one in self._known(condition))
            for at, need in reversed(list(enumerate(needs))):
                waiting.append((need, inside, self._marks.last if at == len(needs) - 1 else self._marks.branch))

    def _said(self, condition: Mapping[str, Any]) -> Text:
        name, message = condition["component_id"], condition["message"]
        style = STYLES.get(condition["status"], "cyan") if condition["registered"] else STYLES["missing"]
        said = Text.assemble((clean(name), f"bold {style}"), clean(message.removeprefix(name)))
        since = parse_time(condition.get("status_since"))
        if since is not None and condition["status_reason"] != "built_in":
            said.append(f", since {ago(since, self._now)} ago", "dim")
        if condition["root_cause"]:
            said.append(self._marks.cause, "bold")
        return said

    def _known(self, condition: Mapping[str, Any]) -> Iterator[str]:
        evidence = condition.get("evidence") or {}
        if evidence:
            yield ", ".join(f"{key}: {_short(value)}" for key, value in sorted(evidence.items()))
        beat = parse_time(condition.get("last_heartbeat"))
        if beat is not None and "last_heartbeat" not in evidence:
            yield f"last heartbeat {ago(beat, self._now)} ago"
        yield from condition["notes"]


def why_lines(found: Mapping[str, Any], width: int | None, *, plain: bool) -> Iterator[Text]:
    """Lay out an explanation, and the history where it was asked for."""
    marks = _PLAIN if plain else _DRAWN
    yield from _Tree(found["conditions"], marks, datetime.now(UTC)).lines(found["component_id"])
    if found["well"]:
        yield Text(clean(found["message"]), style="green")
    for path in found["circular_dependencies"]:
        yield Text(clean(f"cycle: {' needs '.join(path)}"), style="red")
    if not found["complete"]:
        yield Text("more is in its way than is told here", style="dim")
    if "history" in found:
        yield Text()
        yield from grid(_HISTORY, [_change(one) for one in found["history"]], width)


def _change(one: Mapping[str, Any]) -> list[str]:
    at = parse_time(one["timestamp"])
    reason = f"{one['reason']} (implied)" if one["implied"] else one["reason"]
    return [stamp(at) if at else "-", one["new_state"], one["previous_state"], reason, one["instance_uuid"]]


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 1]}…"
