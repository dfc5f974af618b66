"""A graph to draw: components, those that are missing among them, and who needs whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

from tekton.core.dependency import DependencyGraph

MISSING = "missing"


class Node(NamedTuple):
    """A component; what is missing has that as its state and needs nothing that is known."""

    component_id: str
    status: str
    wave: int = 0
    needs: tuple[str, ...] = ()
    cyclic: bool = False
    blocked_by: str = ""

    @property
    def missing(self) -> bool:
        """Whether it is needed and not there."""
        return self.status == MISSING

    @property
    def caption(self) -> str:
        """Its state, and whether a cycle is in its way."""
        return self.status + (", on a cycle" if self.cyclic else ", blocked" if self.blocked_by else "")


class Picture:
    """Nodes from left to right or from above, each after what it needs wherever no cycle is in the way.

    columns: the same in columns: what is missing, the waves, and then what cannot start.
    knots: for each component on a cycle, which of them all need each other.
    focus: the component that was asked for; empty for a fleet.
    """

    def __init__(
        self, nodes: Iterable[Node], cycles: list[list[str]], *, complete: bool = True, focus: str = ""
    ) -> None:
        self.nodes = list(nodes)
        self.cycles = cycles
        self.complete = complete
        self.focus = focus
        found = DependencyGraph({node.component_id: node.needs for node in self.nodes}).resolve()
        self.knots: Mapping[str, int] = {name: number for number, knot in enumerate(found.knots) for name in knot}
        self.columns = list(self._columns())

    @property
    def names(self) -> list[str]:
        """The ids of what can start, in the order in which it does, up to the component that was asked for."""
        names = [node.component_id for node in self.nodes if node.wave]
        return names[: names.index(self.focus) + 1] if self.focus in names else names

    def on_cycle(self, one: str, other: str) -> bool:
        """Tell whether the edge between two components is a part of a cycle."""
        return one in self.knots and self.knots[one] == self.knots.get(other)

    def heading(self, column: list[Node]) -> str:
        """Name a column."""
        first = column[0]
        return MISSING if first.missing else f"wave {first.wave}" if first.wave else "cannot start"

    def _columns(self) -> Iterable[list[Node]]:
        absent = [node for node in self.nodes if node.missing]
        if absent:
            yield absent
        for wave in sorted({node.wave for node in self.nodes if node.wave}):
            yield [node for node in self.nodes if node.wave == wave]
        yield from self._stuck([node for node in self.nodes if not node.wave and not node.missing])

    def _stuck(self, nodes: list[Node]) -> Iterable[list[Node]]:
        """Give what cannot start in columns, as if each knot were one component."""
        by_knot: dict[str, set[str]] = {}
        for node in nodes:
            below = by_knot.setdefault(self._knot(node.component_id), set())
            below |= {self._knot(name) for name in node.needs}
        waves = DependencyGraph({knot: below - {knot} for knot, below in by_knot.items()}).resolve().waves
        for wave in waves:
            yield [node for node in nodes if self._knot(node.component_id) in wave]

    def _knot(self, name: str) -> str:
        return f"/{self.knots[name]}" if name in self.knots else name


def of_fleet(reply: Mapping[str, Any]) -> Picture:
    """Make the picture of a whole graph."""
    nodes = [_node(one, reply["dependencies"]) for one in reply["components"]]
    return Picture(chain(_absent(reply), nodes), reply["circular_dependencies"], complete=reply["complete"])


def of_component(reply: Mapping[str, Any]) -> Picture:
    """Make the picture of one component: what it needs before it, who needs it after it."""
    shown = {
        one["component_id"]: one for one in (*reply["all_dependencies"], reply["component"], *reply["all_dependents"])
    }
    names = {*shown, *(one["component_id"] for one in reply["missing"])}
    needs = {name: [need for need in one["depends_on"] if need in names] for name, one in shown.items()}
    nodes = [_node(one, needs) for one in shown.values()]
    return Picture(chain(_absent(reply), nodes), reply["circular_dependencies"], focus=reply["component_id"])


def _absent(reply: Mapping[str, Any]) -> Iterable[Node]:
    return (Node(one["component_id"], MISSING) for one in reply["missing"])


def _node(one: Mapping[str, Any], needs: Mapping[str, Iterable[str]]) -> Node:
    name = one["component_id"]
    return Node(name, one["status"], one["wave"], tuple(needs[name]), one["cyclic"], one["blocked_by"])
