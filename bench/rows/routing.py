"""A routing decision inside the server: over a catalogue, with who serves what, and what came of each model."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

from bench.model import Goal, Result, Spread
from bench.rows.row import Row
from bench.stage import Stage
from tekton.core.model_records import ModelFacts
from tekton_server.domain.routing.averages import Averages
from tekton_server.domain.routing.decision import Facts, decide
from tekton_server.domain.routing.explanation import explain
from tekton_server.domain.routing.model import CatalogueModel, completed
from tekton_server.domain.routing.outcomes import Outcome
from tekton_server.domain.routing.serving import Serving, Standing
from tekton_server.domain.routing.task import Complexity, Task

MODELS, LARGE = 300, 10_000
# The same models and tasks in every run.
_SEED = 300
_CAPABILITIES = ("text_generation", "code_generation", "summarization", "vision", "tool_use")
# How many decisions a round is.
_DECISIONS = 1000


def _route(stage: Stage, result: Result) -> None:
    few, many = _catalogue(MODELS), _catalogue(LARGE)
    rounds = [_round(few, _DECISIONS) for _ in range(stage.options.rounds)]
    large = _round(many, _DECISIONS // 50)
    result.value = Spread.of([_p99(taken) for taken in rounds])
    middle = statistics.median(statistics.median(taken) for taken in rounds)
    result.tekton = f"{middle:.2f} ms"
    result.details |= {"p50_ms": middle, "p99_ms": [_p99(taken) for taken in rounds], "large_ms": large}
    began = time.perf_counter()
    explain(decide(_tasks(1)[0], _facts(few)))
    explained = (time.perf_counter() - began) * 1000
    result.notes.append(
        f"p99 of {_DECISIONS:,} decisions over {MODELS} models that nearly all fit; {LARGE:,} models take "
        f"{statistics.median(large):.0f} ms; an explanation of {MODELS} takes {explained:.1f} ms, when it is asked for"
    )


def _round(models: Sequence[CatalogueModel], decisions: int) -> list[float]:
    facts, taken = _facts(models), []
    for task in _tasks(decisions):
        began = time.perf_counter()
        decide(task, facts)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _p99(taken: Sequence[float]) -> float:
    return sorted(taken)[round((len(taken) - 1) * 0.99)]


def _catalogue(count: int) -> list[CatalogueModel]:
    chance = random.Random(_SEED)
    return [_model(chance, at) for at in range(count)]


def _model(chance: random.Random, at: int) -> CatalogueModel:
    facts = ModelFacts(
        provider=f"provider-{at % 7}",
        capabilities=tuple(chance.sample(_CAPABILITIES, 4)),
        tier=chance.randint(1, 3),
        context_window=chance.choice((32_768, 128_000, 200_000)),
        max_output_tokens=chance.choice((None, 8192, 16_384)),
        input_price=chance.random() * 10,
        output_price=chance.random() * 30,
        component_id=f"server-{at % 5}",
    )
    return completed(f"provider-{at % 7}/model-{at}", facts, ("configuration",), at, 0)


def _facts(models: Sequence[CatalogueModel]) -> Facts:
    """Five components serve them, one of them degraded; something is known of each, and two are out."""
    chance = random.Random(_SEED)
    serving = {
        f"server-{at}": Serving(Standing.DEGRADED if at == 3 else Standing.AVAILABLE, f"http://host-{at}:8003")
        for at in range(5)
    }
    averages = Averages(600.0, 0.0)
    for model in models:
        outcome = Outcome(
            model_id=model.model_id,
            task_type="code_generation",
            ok=chance.random() > 0.1,
            latency_ms=2000 * chance.random(),
        )
        averages.add(outcome, 0.0)
    return Facts(models, lambda model: serving[model.component_id], {}, averages.observed("code_generation"))


def _tasks(count: int) -> list[Task]:
    chance = random.Random(_SEED)
    return [
        Task(
            task_type="code_generation",
            complexity=chance.choice(tuple(Complexity)),
            context_length=chance.randint(100, 20_000),
            output_tokens=chance.randint(10, 4000),
            max_cost=chance.choice((None, None, 1.0)),
            capabilities=chance.choice(((), (), ("text_generation",))),
        )
        for _ in range(count)
    ]


ROWS = (Row("route", f"routing decision, {MODELS} models, p99", Goal(1, "ms", at_most=True), _route),)
