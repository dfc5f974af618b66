"""A routing decision inside the server: over a catalogue, with who serves what, and what came of each model."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import create_async_engine

from bench.model import Goal, Result, Spread
from bench.rows.row import Row
from bench.stage import Stage
from tekton.core.lifecycle import ComponentState
from tekton.core.model_records import ModelFacts
from tekton.core.records import Cause, Commit, Definition, DefinitionChange, Instance, InstanceChange
from tekton.core.view import View
from tekton_server.app import settle_memory
from tekton_server.domain.routing.outcomes import Outcome
from tekton_server.domain.routing.task import Complexity, Task
from tekton_server.live.routing.desk import RoutingDesk
from tekton_server.live.routing.terms import RoutingTerms

MODELS, LARGE = 300, 10_000
# The same models and tasks in every run.
_SEED = 300
_CAPABILITIES = ("text_generation", "code_generation", "summarization", "vision", "tool_use")
_TYPE, _SERVERS, _DEGRADED = "code_generation", 5, 3
# How many decisions a round is.
_DECISIONS = 1000


def _route(stage: Stage, result: Result) -> None:
    few, many = _models(MODELS), _models(LARGE)
    rounds = [asyncio.run(_round(few, _DECISIONS)) for _ in range(stage.options.rounds)]
    large = asyncio.run(_round(many, _DECISIONS // 50))
    result.value = Spread.of([_p99(taken) for taken in rounds])
    middle = statistics.median(statistics.median(taken) for taken in rounds)
    result.tekton = f"{middle:.2f} ms"
    result.details |= {"p50_ms": middle, "p99_ms": [_p99(taken) for taken in rounds], "large_ms": large}
    result.notes.append(
        f"p99 of {_DECISIONS:,} decisions over {MODELS} models that nearly all fit, each kept for its explanation; "
        f"{LARGE:,} models take {statistics.median(large):.0f} ms"
    )


async def _round(models: Mapping[str, ModelFacts], decisions: int) -> list[float]:
    desk, taken = _desk(models), []
    # As the server does once it has loaded.
    settle_memory()
    for task in _tasks(decisions):
        began = time.perf_counter()
        await desk.route(task)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _p99(taken: Sequence[float]) -> float:
    return sorted(taken)[round((len(taken) - 1) * 0.99)]


def _models(count: int) -> dict[str, ModelFacts]:
    chance = random.Random(_SEED)
    return {f"provider-{at % 7}/model-{at}": _facts(chance, at) for at in range(count)}


def _facts(chance: random.Random, at: int) -> ModelFacts:
    return ModelFacts(
        provider=f"provider-{at % 7}",
        capabilities=tuple(chance.sample(_CAPABILITIES, 4)),
        tier=chance.randint(1, 3),
        context_window=chance.choice((32_768, 128_000, 200_000)),
        max_output_tokens=chance.choice((None, 8192, 16_384)),
        input_price=chance.random() * 10,
        output_price=chance.random() * 30,
        component_id=f"server-{at % _SERVERS}",
    )


def _desk(models: Mapping[str, ModelFacts]) -> RoutingDesk:
    """Make what the servicer asks: components serve the models, one of them degraded; something is known of each."""
    view = View()
    for at in range(_SERVERS):
        view.fold(_served_by(at))

    async def confirm() -> None:
        """There is no database to ask."""

    desk = RoutingDesk(
        view,
        RoutingTerms(shipped=False, models=models),
        create_async_engine("postgresql+asyncpg://nobody.invalid/x"),
        time.monotonic,
        suspect=lambda instance: False,
        several=lambda: False,
        confirm=confirm,
    )
    chance = random.Random(_SEED)
    for model_id in models:
        latency = 2000 * chance.random()
        desk.report("", Outcome(model_id=model_id, task_type=_TYPE, ok=chance.random() > 0.1, latency_ms=latency))
    return desk


def _served_by(at: int) -> Commit:
    name, now = f"server-{at}", datetime.now(UTC)
    definition = Definition(
        component_id=name, component_name=name, component_type="llm", created_at=now, revision=at + 1
    )
    instance = Instance(
        instance_uuid=str(UUID(int=at)),
        component_id=name,
        version="1.0.0",
        host=f"host-{at}",
        port=8003,
        state=ComponentState.DEGRADED if at == _DEGRADED else ComponentState.READY,
        state_since=now,
        registered_at=now,
        ready_at=now,
        granted=at + 1,
        revision=at + 1,
    )
    cause = Cause("bench")
    return Commit(at + 1, now, (DefinitionChange(None, definition, cause), InstanceChange(None, instance, cause)))


def _tasks(count: int) -> list[Task]:
    chance = random.Random(_SEED)
    return [
        Task(
            task_type=_TYPE,
            complexity=chance.choice(tuple(Complexity)),
            context_length=chance.randint(100, 20_000),
            output_tokens=chance.randint(10, 4000),
            max_cost=chance.choice((None, None, 1.0)),
            capabilities=chance.choice(((), (), ("text_generation",))),
        )
        for _ in range(count)
    ]


ROWS = (Row("route", f"routing decision, {MODELS} models, p99", Goal(1, "ms", at_most=True), _route),)
