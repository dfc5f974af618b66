"""A graph as an SVG file that needs nothing else: columns for waves, boxes with states, and an arrow for "needs"."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from tekton_server.cli.graph.forms import BAD, COLOURS, ON_ITS_WAY
from tekton_server.cli.graph.layout import HEIGHT, Layout, Place, laid_out
from tekton_server.cli.graph.picture import Node, Picture
from tekton_server.cli.text import clean

_MARGIN = 48.0
_HEAD = 28.0
_STYLE = (
    "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}"
    ".id{font-size:13px;font-weight:600}.state{font-size:11px;fill:#57606a}.head{font-size:12px;fill:#57606a}"
    ".line{fill:none;stroke:#8c959f;stroke-width:1.4}.bad{stroke:" + BAD + ";stroke-dasharray:5 3}"
    ".cycle{fill:none;stroke:" + BAD + ";stroke-width:1.6}"
)
_MARKERS = "".join(
    f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    for name, colour in (("to", "#8c959f"), ("bad", BAD))
)


def svg(picture: Picture) -> str:
    """Draw a picture."""
    layout = laid_out(picture)
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN + _HEAD
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{_title(picture)}</title>'
    body = [f"<defs>{_MARKERS}</defs><style>{_STYLE}</style>", '<rect width="100%" height="100%" fill="#ffffff"/>']
    shift = f'<g transform="translate({_MARGIN:.0f} {_MARGIN + _HEAD:.0f})">'
    parts = [head, *body, shift, *_headings(picture, layout), *_lines(layout), *_boxes(picture, layout)]
    return "\n".join([*parts, *_arcs(layout), "</g>", "</svg>"]) + "\n"


def _title(picture: Picture) -> str:
    return _text(f"What {picture.focus} needs, and who needs it" if picture.focus else "Who needs whom")


def _headings(picture: Picture, layout: Layout) -> Iterator[str]:
    for nodes, places in zip(picture.columns, layout.columns, strict=True):
        x = places[0].x + places[0].width / 2
        yield f'<text class="head" x="{x:.1f}" y="{-_HEAD:.0f}" text-anchor="middle">{picture.heading(nodes)}</text>'


def _lines(layout: Layout) -> Iterator[str]:
    for one, other in layout.lines:
        x1, x2 = one.x + one.width, other.x
        bend = (x1 + x2) / 2
        # A line crosses a column that it passes in its own place; the arrow is where it began: at who is needed.
        path = f"M{x1:.1f} {one.y:.1f}C{bend:.1f} {one.y:.1f} {bend:.1f} {other.y:.1f} {x2:.1f} {other.y:.1f}"
        path += "" if other.node else f"H{other.x + other.width:.1f}"
        bad = _origin(one).missing
        arrow = f' marker-start="url(#{"bad" if bad else "to"})"' if one.node else ""
        yield f'<path class="line{" bad" if bad else ""}" d="{path}"{arrow}/>'


def _origin(place: Place) -> Node:
    while place.node is None:
        place = place.before[0]
    return place.node


def _arcs(layout: Layout) -> Iterator[str]:
    """Draw what runs within a column: upwards on the left side of the boxes, downwards and to itself on the right."""
    for one, other in layout.arcs:
        down = one.y <= other.y
        side = one.x + one.width if down else one.x
        reach = (26 + abs(one.y - other.y) / 12) * (1 if down else -1)
        apart = -9 if one is other else 5 if down else -5
        y1, y2 = one.y + apart, other.y - apart
        path = f"M{side:.1f} {y1:.1f}C{side + reach:.1f} {y1:.1f} {side + reach:.1f} {y2:.1f} {side:.1f} {y2:.1f}"
        yield f'<path class="cycle" d="{path}" marker-end="url(#bad)"/>'


def _boxes(picture: Picture, layout: Layout) -> Iterator[str]:
    for column in layout.columns:
        for place in column:
            if place.node is not None:
                yield from _box(place, place.node, focus=place.node.component_id == picture.focus)


def _box(place: Place, node: Node, *, focus: bool) -> Iterator[str]:
    line, fill = COLOURS.get(node.status, ON_ITS_WAY)
    look = f'fill="{fill}" stroke="{BAD if node.cyclic else line}" stroke-width="{2.6 if focus else 1.4}"'
    if node.missing:
        look += ' stroke-dasharray="5 3"'
    top = place.y - HEIGHT / 2
    yield f"<g><title>{_text(_told(node))}</title>"
    size = f'x="{place.x:.1f}" y="{top:.1f}" width="{place.width:.1f}" height="{HEIGHT:.0f}"'
    yield f'<rect class="box" {size} rx="8" {look}/>'
    yield f'<circle cx="{place.x + 15:.1f}" cy="{place.y:.1f}" r="4.5" fill="{line}"/>'
    yield f'<text class="id" x="{place.x + 28:.1f}" y="{place.y - 3:.1f}">{_text(node.component_id)}</text>'
    yield f'<text class="state" x="{place.x + 28:.1f}" y="{place.y + 13:.1f}">{_text(node.caption)}</text></g>'


def _told(node: Node) -> str:
    blocked = f"; blocked by {node.blocked_by}, which is on a cycle" if node.blocked_by else ""
    needs = f"; needs {', '.join(node.needs)}" if node.needs else ""
    return f"{node.component_id}: {node.status}{needs}{blocked}"


def _text(text: str) -> str:
    return escape(clean(text))
