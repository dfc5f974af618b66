"""A graph as text that other tools draw: Mermaid and Graphviz. An arrow means "needs"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tekton_server.cli.graph.picture import MISSING, Node, Picture
from tekton_server.cli.text import clean

# Line and fill of a component by its state; what is on its way up has that of none.
COLOURS: Mapping[str, tuple[str, str]] = {
    "ready": ("#1a7f37", "#e6f4ea"),
    "degraded": ("#9a6700", "#fff4d6"),
    "failed": ("#cf222e", "#ffebe9"),
    "stopping": ("#6e7781", "#f0f2f4"),
    "stopped": ("#6e7781", "#f0f2f4"),
    "unknown": ("#6e7781", "#f0f2f4"),
    MISSING: ("#cf222e", "#ffffff"),
}
ON_ITS_WAY = ("#0969da", "#e7f1fd")
BAD = "#cf222e"
_UNSAFE = re.compile(r"[^A-Za-z0-9 _.:,-]")


def mermaid(picture: Picture) -> str:
    """Write a flow chart for https://mermaid.js.org, whose names are escaped as entities."""
    return "".join(f"{line}\n" for line in _mermaid(picture))


def _mermaid(picture: Picture) -> Iterator[str]:
    number = {node.component_id: at for at, node in enumerate(picture.nodes)}
    yield "flowchart RL"
    for node in picture.nodes:
        text = f"{_entities(node.component_id)}<br/>{_entities(node.caption)}"
        yield f'  n{number[node.component_id]}["{text}"]:::{_safe(node)}'
    bad: list[int] = []
    for at, (node, need) in enumerate(_edges(picture)):
        absent = picture.nodes[number[need]].missing
        yield f"  n{number[node.component_id]} {'-.->' if absent else '-->'} n{number[need]}"
        if absent or picture.on_cycle(node.component_id, need):
            bad.append(at)
    for state in sorted({_safe(node) for node in picture.nodes}):
        line, fill = COLOURS.get(state, ON_ITS_WAY)
        yield f"  classDef {state} stroke:{line},fill:{fill},color:#1f2328"
    if bad:
        yield f"  linkStyle {','.join(map(str, bad))} stroke:{BAD}"


def dot(picture: Picture) -> str:
    """Write a graph for Graphviz."""
    return "".join(f"{line}\n" for line in _dot(picture))


def _dot(picture: Picture) -> Iterator[str]:
    absent = {node.component_id for node in picture.nodes if node.missing}
    yield "digraph tekton {"
    yield "  rankdir=RL;"
    yield '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontcolor="#1f2328"];'
    yield '  edge [color="#8c959f"];'
    for column in picture.columns:
        yield "  { rank=same;"
        for node in column:
            line, fill = COLOURS.get(node.status, ON_ITS_WAY)
            name, dashed = _quoted(node.component_id), ', style="rounded,dashed"' if node.missing else ""
            pen = BAD if node.cyclic else line
            label = f'"{name}\\n{_quoted(node.caption)}"'
            yield f'    "{name}" [label={label}, color="{pen}", fillcolor="{fill}"{dashed}];'
        yield "  }"
    for node, need in _edges(picture):
        bad = need in absent or picture.on_cycle(node.component_id, need)
        style = ", style=dashed" if need in absent else ""
        look = f' [color="{BAD}"{style}]' if bad else ""
        yield f'  "{_quoted(node.component_id)}" -> "{_quoted(need)}"{look};'
    yield "}"


def _edges(picture: Picture) -> Iterator[tuple[Node, str]]:
    return ((node, need) for node in picture.nodes for need in node.needs)


def _entities(text: str) -> str:
    return _UNSAFE.sub(lambda match: f"#{ord(match[0])};", clean(text))


def _safe(node: Node) -> str:
    """Give the state as the name of a class: a newer server may know one that we do not."""
    return re.sub(r"[^a-z]", "", node.status) or "unknown"


def _quoted(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
