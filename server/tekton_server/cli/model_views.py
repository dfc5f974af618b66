"""How models, routes and budgets look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from tekton_server.cli.grid import STYLES, Column, grid
from tekton_server.cli.text import clean

Row = dict[str, Any]
_MODELS = (
    Column("ID"),
    Column("STATUS"),
    Column("TIER", 2),
    Column("CONTEXT", 3),
    Column("PROVIDER", 4),
    Column("SERVED BY", 1),
    Column("IN/OUT $", 6),
    Column("CAPABILITIES", 7),
)
_CAPABILITIES = (Column("ID"), Column("MODELS", 1), Column("DESCRIPTION", 2))
_CHOICES = (
    Column(""),
    Column("MODEL"),
    Column("TIER", 2),
    Column("SCORE", 3),
    Column("COST $", 4),
    Column("ENDPOINT", 5),
    Column("MISSES", 1),
)
_CANDIDATES = (Column("RANK"), Column("MODEL"), Column("TIER", 3), Column("SCORE", 2), Column("WHY", 1))
_BUDGETS = (
    Column("COMPONENT"),
    Column("MODEL"),
    Column("TOKENS A MINUTE"),
    Column("IN FLIGHT"),
    Column("MONEY"),
    Column("FROM", 1),
)


def model_lines(rows: Sequence[Row], width: int | None) -> list[Text]:
    """Lay out a list of models."""
    return grid(_MODELS, [_model(row) for row in rows], width)


def _model(row: Row) -> list[object]:
    return [
        row["id"], row["status"], row["tier"], row["context_window"], row["provider"],
        row["component_id"] or row["endpoint"] or "-", _prices(row), ",".join(row["capabilities"]) or "-",
    ]  # fmt: skip


def _prices(row: Row) -> str:
    prices = (row["input_price"], row["output_price"])
    return "/".join("?" if price is None else f"{price:g}" for price in prices)


def one_lines(found: Row) -> Iterator[Text]:
    """Lay out everything about one model."""
    yield Text(clean(found["id"]), style="bold")
    status = found["status"]
    yield _fact("status", Text(clean(status), style=STYLES.get(status, "cyan")))
    for name, value in _facts(found):
        if value:
            yield _fact(name, Text(clean(value)))


def _facts(found: Row) -> Iterator[tuple[str, str]]:
    yield "why", found["status_reason"]
    yield "provider", found["provider"]
    yield "tier", str(found["tier"])
    limit = f", at most {found['max_output_tokens']} back" if found["max_output_tokens"] else ""
    yield "context", f"{found['context_window']} tokens{limit}"
    yield "price", f"{_prices(found)} dollars for a million tokens, in/out"
    yield "served by", found["component_id"]
    yield "endpoint", found["endpoint"]
    yield "capabilities", ", ".join(found["capabilities"])
    yield "description", found["description"]
    yield "said by", ", ".join(found["layers"])
    seen = found["observed"]
    if seen is not None:
        tokens = f"{seen['input_tokens']:.0f} in and {seen['output_tokens']:.0f} out"
        yield "lately", f"{seen['requests']:.1f} requests, {seen['error_rate']:.1%} of them failed"
        yield "", f"{seen['latency_ms']:.0f} ms, {tokens}, {seen['cost']:.6f} dollars each"


def _fact(name: str, value: Text) -> Text:
    return Text.assemble((f"  {name:<13}", "dim"), value)


def capability_lines(rows: Sequence[Row], width: int | None) -> list[Text]:
    """Lay out a list of capabilities."""
    cells = [[row["id"], ", ".join(row["supported_models"]), row["description"] or "-"] for row in rows]
    return grid(_CAPABILITIES, cells, width)


def route_lines(answer: Row, width: int | None) -> Iterator[Text]:
    """Lay out the chosen model, its fallbacks, and what there is to be said of the choice."""
    rows = [["use", *_choice(answer["choice"])], *(["else", *_choice(one)] for one in answer["fallbacks"])]
    yield from grid(_CHOICES, rows, width)
    if answer["flagged"]:
        yield Text("everything that fits is cooling down; this is the best of it", style="yellow")
    if answer["tier_fallback_from"]:
        yield Text(f"nothing of tier {answer['tier_fallback_from']} or above it can be had", style="yellow")
    yield Text(f"decision {answer['decision_id']}", style="dim")


def _choice(one: Row) -> list[object]:
    cost, misses = one["estimated_cost"], ", ".join(one["unmet"]) or "nothing"
    shown = "?" if cost is None else f"{cost:.6f}"
    return [one["model_id"], one["tier"], f"{one['score']:.3f}", shown, one["endpoint"], misses]


def explained_lines(told: Row, width: int | None) -> Iterator[Text]:
    """Lay out a decision: what was asked, and every model with its rank and score or the rule that dropped it."""
    task = told["task"]
    lengths = f"{task['context_length']} tokens in, {task['output_tokens']} out"
    yield Text.assemble((clean(task["task_type"]), "bold"), f", {clean(task['complexity'])} complexity, {lengths}")
    weights = sorted(told["weights"].items(), key=lambda one: -one[1])
    yield Text("score = " + " + ".join(f"{weight:g} {name}" for name, weight in weights), style="dim")
    yield from grid(_CANDIDATES, [_candidate(one) for one in told["candidates"]], width)
    if told["total"] > len(told["candidates"]):
        yield Text(f"and {told['total'] - len(told['candidates'])} more that would not do", style="dim")


def _candidate(one: Row) -> list[object]:
    score = f"{one['score']:.3f}" if one["parts"] else "-"
    parts = ", ".join(f"{name} {part:.2f}" for name, part in sorted(one["parts"].items()))
    rule = f"{one['dropped_by']}: " if one["dropped_by"] else ""
    why = f"{rule}{one['reason']}{f' ({parts})' if parts else ''}"
    return [one["rank"] or "-", one["model_id"], one["tier"], score, why]


def budget_lines(rows: Iterable[Row], width: int | None) -> list[Text]:
    """Lay out budgets with what is taken of each."""
    return grid(_BUDGETS, [_budget(row) for row in rows], width)


def _budget(row: Row) -> list[object]:
    taken = row["taken"] or {"tokens": 0, "in_flight": 0, "cost": 0}
    money = row["cost_limit"]
    return [
        row["component_id"] or "all together",
        row["model_id"] or "all together",
        _of(taken["tokens"], row["tokens_per_minute"]),
        _of(taken["in_flight"], row["max_in_flight"]),
        "-" if money is None else f"{taken['cost']:.4f} of {money:g} a {row['cost_period']}",
        "configuration" if row["configured"] else "set",
    ]


def _of(taken: float, limit: int | None) -> str:
    return "-" if limit is None else f"{taken:g} of {limit}"


def budget_name(row: Row) -> str:
    """Name a budget in a word: its component and model, with * for all of them."""
    return f"{row['component_id'] or '*'}/{row['model_id'] or '*'}"
