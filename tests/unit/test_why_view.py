"""How an explanation is drawn: each component once, cycles and long chains without end."""

from __future__ import annotations

from typing import Any

from tekton_server.cli.why_view import why_lines


def condition(component_id: str, *waits_for: str, **fields: Any) -> dict[str, Any]:
    """Make a condition as the reply has it."""
    given = {
        "component_id": component_id, "status": "starting", "registered": True,
        "message": f"{component_id} is starting", "status_reason": "reported", "evidence": {}, "notes": [],
        "waits_for": list(waits_for), "root_cause": not waits_for,
    }  # fmt: skip
    return given | fields


def drawn(*conditions: dict[str, Any], plain: bool = False, **fields: Any) -> list[str]:
    """Draw an explanation."""
    found = {
        "component_id": conditions[0]["component_id"], "well": False, "message": "", "complete": True,
        "circular_dependencies": [], "conditions": list(conditions),
    }  # fmt: skip
    return [line.plain for line in why_lines(found | fields, None, plain=plain)]


def test_what_two_wait_for_is_drawn_once() -> None:
    """Notes stand under what they are about, inside the lines of the tree."""
    lines = drawn(
        condition("top", "a", "b"), condition("a", "c", notes=["it is slow"]), condition("b", "c"), condition("c")
    )
    assert lines == [
        "top is starting",
        "├─ a is starting",
        "│  │  it is slow",
        "│  └─ c is starting  ← the cause",
        "└─ b is starting",
        "   └─ c is told above",
    ]


def test_a_cycle_ends_where_it_began() -> None:
    """And its path is told below. Where the terminal has no lines it is ASCII."""
    lines = drawn(
        condition("a", "b", root_cause=True),
        condition("b", "a", root_cause=True),
        plain=True,
        circular_dependencies=[["a", "b", "a"]],
    )
    assert lines == [
        "a is starting  <- the cause",
        "`- b is starting  <- the cause",
        "   `- a is told above",
        "cycle: a needs b needs a",
    ]


def test_two_spellings_are_one() -> None:
    lines = drawn(condition("top", "low-one", "mid"), condition("low_one"), condition("mid", "low_one"))
    assert lines[1] == "├─ low_one is starting  ← the cause" and lines[-1] == "   └─ low_one is told above"


def test_a_long_chain_does_not_run_off_to_the_right() -> None:
    """And where it is cut it says so."""
    chain = [condition(f"c{number}", f"c{number + 1}") for number in range(200)]
    lines = drawn(*chain, complete=False)
    assert len(lines) == 202 and max(map(len, lines)) < 80
    assert lines[-2].endswith("c200 is further away than is told here")
    assert lines[-1] == "more is in its way than is told here"


def test_text_of_others_cannot_act_on_the_terminal() -> None:
    [line, note] = drawn(condition("a", message="a is failed: \x1b[2J", notes=["b\u202e"]))
    assert line == "a is failed: \\x1b[2J  ← the cause" and note.strip() == "b\\u202e"
