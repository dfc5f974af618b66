"""The drawings of a dependency graph: lines in the terminal, Mermaid, DOT and SVG."""

from __future__ import annotations

import random
import re
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton import _convert
from tekton_server.cli.graph.forms import dot, mermaid
from tekton_server.cli.graph.lanes import lines
from tekton_server.cli.graph.layout import HEIGHT, laid_out
from tekton_server.cli.graph.picture import Picture, of_component, of_fleet
from tekton_server.cli.graph.svg import svg
from tekton_server.domain.dependencies import Resolved
from tekton_server.services import graphs
from tests.support import documented

SVG = "{http://www.w3.org/2000/svg}"
ROWS = {"ergon": ["rhetor", "database"], "hen": ["egg"], "egg": ["hen", "hermes"], "farmer": ["hen"]}
TROUBLED = {**documented.GRAPH, **ROWS}
NAMES = [f"c{number}" for number in range(12)]
fleets = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True, max_size=4))


def picture(needs: dict[str, list[str]], focus: str = "") -> Picture:
    """Make a picture from what the server would answer."""
    resolved = Resolved(needs)
    if focus:
        return of_component(_convert.plain(graphs._place(resolved, focus)))
    return of_fleet(_convert.plain(graphs._whole(resolved)))


def drawn(needs: dict[str, list[str]], width: int | None = None, **more: Any) -> list[str]:
    """Draw for the terminal."""
    return [line.plain for line in lines(picture(needs), width, **more)]


def test_a_line_runs_from_each_component_to_those_that_need_it() -> None:
    assert drawn(documented.GRAPH) == [
        "WAVE           COMPONENT    STATE    NOTE",
        "1     ●        hermes       unknown",
        "2     ├─●      engram       unknown",
        "3     ├─┼─●    rhetor       unknown",
        "      ├─┼─│─●  athena       unknown",
        "4     ├─│─┼─●  ergon        unknown",
        "      └─┴─●    api_gateway  unknown",
    ]


def test_cycles_and_missing_components_are_marked_and_told_below() -> None:
    told = drawn(TROUBLED)
    assert any(line.startswith("-") and "database" in line and line.endswith("missing") for line in told)
    assert next(line for line in told if " farmer " in line).endswith("blocked by hen, which is on a cycle")
    assert next(line for line in told if " hen " in line).endswith("on a cycle; needs egg below")
    assert "  egg -> hen -> egg" in told and "  database, needed by ergon" in told


def test_where_there_is_no_room_for_lines_each_row_names_what_it_needs() -> None:
    """And nothing is wider than the terminal."""
    many = {f"c{at}": [f"c{other}" for other in range(at)] for at in range(30)}
    told = drawn(many, 60)
    assert all(len(line) <= 60 for line in told) and not any("●" in line for line in told)
    assert "NEEDS" in told[0] and "c0, c1, c2" in told[4]
    assert drawn({f"c{at}": [] for at in range(3)}, 60)[1].split() == ["1", "●", "c0", "unknown"]


def test_an_encoding_without_line_characters_gets_plain_ones() -> None:
    assert all(line.isascii() for line in drawn(TROUBLED, ascii_only=True))
    assert drawn(documented.GRAPH, ascii_only=True)[3] == "3     +-+-*    rhetor       unknown"


def test_states_are_in_colour_and_the_component_asked_for_is_bold() -> None:
    reply = _convert.plain(graphs._place(Resolved(documented.GRAPH), "rhetor"))
    reply["component"]["status"] = "failed"
    row = next(line for line in lines(of_component(reply), 80) if "rhetor" in line.plain)
    styles = {row.plain[span.start : span.end].strip(): str(span.style) for span in row.spans if span.style}
    assert styles["failed"] == styles["●"] == "red" and styles[row.plain.strip()] == "bold"


def test_one_components_picture_has_what_it_needs_and_who_needs_it() -> None:
    """Of those, nothing that has no part in it."""
    found = picture(TROUBLED, "rhetor")
    assert [node.component_id for node in found.nodes] == ["hermes", "engram", "rhetor", "ergon", "api_gateway"]
    assert found.names == ["hermes", "engram", "rhetor"] and not found.cycles
    assert {node.component_id: node.needs for node in found.nodes}["ergon"] == ("rhetor",)
    hen = picture(TROUBLED, "hen")
    assert [node.component_id for node in hen.nodes] == ["hermes", "egg", "hen", "farmer"]
    assert hen.cycles == [["egg", "hen", "egg"]]


def _followed(rows: list[str], needs: dict[str, list[str]], order: list[str]) -> None:
    """Follow every line of a drawing and compare what it connects with what is needed."""
    owner: dict[int, str] = {}
    for row, name in zip(rows, order, strict=True):
        at = row.index("●")
        reached = {lane for lane, shape in enumerate(row) if shape in "├┼┤└┴┘"}
        assert reached <= set(owner)
        met = {owner[lane] for lane in reached} | ({owner[at]} if at in owner else set())
        upward = {need for need in needs[name] if need in order and order.index(need) < order.index(name)}
        assert met == upward
        span = range(min({at, *reached}), max({at, *reached}) + 1)
        assert all(row[lane] in "●├┼┤└┴┘│─" for lane in span)
        for lane in [lane for lane in owner if lane not in reached and lane != at]:
            assert row[lane : lane + 1] == "│"
        for lane in [lane for lane in reached if row[lane] in "└┴┘"]:
            del owner[lane]
        owner[at] = name
        later = order[order.index(name) + 1 :]
        if not any(name in needs.get(other, ()) for other in later):
            del owner[at]


@given(fleets)
def test_every_line_of_a_drawing_connects_who_it_should(needs: dict[str, list[str]]) -> None:
    found = picture(needs)
    order = [node.component_id for node in found.nodes]
    told = [line.plain for line in lines(found, None)]
    if order:
        start, end = told[0].index("WAVE") + 6, told[0].index("COMPONENT")
        rows = [line[start:end] for line in told[1 : len(order) + 1]]
        _followed(rows, {node.component_id: list(node.needs) for node in found.nodes}, order)


def boxes(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Read the boxes of an SVG: left, top, right, bottom."""
    found = [one for one in root.iter(f"{SVG}rect") if one.get("class") == "box"]
    sides = [[float(one.get(key, "")) for key in ("x", "y", "width", "height")] for one in found]
    return [(x, y, x + width, y + height) for x, y, width, height in sides]


def assert_apart(root: ElementTree.Element) -> None:
    """No two boxes overlap, and all are on the sheet."""
    for (left, top, right, bottom), (x1, y1, x2, y2) in combinations(boxes(root), 2):
        assert right <= x1 or x2 <= left or bottom <= y1 or y2 <= top
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    assert all(min(x1, y1) >= 0 and x2 < width and y2 < height for x1, y1, x2, y2 in boxes(root))


def test_an_svg_has_a_box_for_each_component_in_the_column_of_its_wave() -> None:
    root = ElementTree.fromstring(svg(picture(TROUBLED)))
    heads = [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "head"]
    assert heads == ["missing", "wave 1", "wave 2", "wave 3", "wave 4", "cannot start", "cannot start"]
    names = [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "id"]
    assert sorted(str(name) for name in names) == sorted([*TROUBLED, "database"])
    assert len({left for left, _, _, _ in boxes(root)}) == len(heads)
    assert sum(one.get("class") == "cycle" for one in root.iter(f"{SVG}path")) == 2
    assert_apart(root)


@given(fleets)
def test_no_line_of_a_layout_passes_through_a_box(needs: dict[str, list[str]]) -> None:
    """A line that passes a column has a place of its own there, and each place is apart from the others."""
    layout = laid_out(picture(needs))
    for column in layout.columns:
        for one, other in combinations(column, 2):
            assert abs(one.y - other.y) >= (one.height + other.height) / 2
    assert all(other.column == one.column + 1 for one, other in layout.lines)
    assert all(place.height == HEIGHT for column in layout.columns for place in column if place.node)


@pytest.mark.parametrize("size", [1, 5, 100, 400])
def test_a_fleet_of_any_size_is_drawn_without_overlap(size: int) -> None:
    chance = random.Random(size)
    needs = {f"component-{at}": [f"component-{chance.randrange(at)}" for _ in range(min(at, 3))] for at in range(size)}
    assert_apart(ElementTree.fromstring(svg(picture(needs))))


STRANGE = {"a": ['"</text><script>x</script>&\\"\x1b[31m'], "b": ["a"]}


def test_a_name_is_text_in_every_form() -> None:
    """What is needed may be called anything; nothing of it is obeyed."""
    found = picture(STRANGE)
    root = ElementTree.fromstring(svg(found))
    assert not list(root.iter(f"{SVG}script")) and "\x1b" not in svg(found)
    assert any("<script>" in str(one.text) for one in root.iter(f"{SVG}text"))
    charts = mermaid(found)
    assert "<script" not in charts and "\x1b" not in charts
    assert re.search(r'^  n0\["[^"]*"\]:::missing$', charts, re.M)
    graph = dot(found)
    assert "\x1b" not in graph
    quotes = [re.sub(r"\\.", "", line).count('"') for line in graph.splitlines()]
    assert all(count % 2 == 0 for count in quotes)


def test_an_arrow_means_needs_and_trouble_is_red() -> None:
    found = picture(TROUBLED)
    graph = dot(found).splitlines()
    assert '  "engram" -> "hermes";' in graph and '  "hen" -> "egg" [color="#cf222e"];' in graph
    assert '  "ergon" -> "database" [color="#cf222e", style=dashed];' in graph
    chart = mermaid(found)
    number = {name: key for key, name in re.findall(r'(n\d+)\["([a-z_]+)<br/>', chart)}
    assert f"  {number['engram']} --> {number['hermes']}\n" in chart
    assert f"  {number['ergon']} -.-> {number['database']}\n" in chart
    edges = [line.split() for line in chart.splitlines() if "->" in line]
    red = [edges[int(at)] for at in re.findall(r"\d+", re.findall(r"linkStyle ([\d,]+)", chart)[0])]
    ends = {(one, other) for one, _, other in red}
    assert ends == {(number[a], number[b]) for a, b in (("hen", "egg"), ("egg", "hen"), ("ergon", "database"))}
