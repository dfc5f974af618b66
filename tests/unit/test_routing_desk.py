"""Decisions of a server in a row: who is tried again, what came of them, and what is kept of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tekton.core.errors import NoRouteError
from tekton.core.model_records import ModelFacts
from tekton.core.view import View
from tekton.v1 import routing_service_pb2 as pb
from tekton_server.domain.routing.model import completed
from tekton_server.domain.routing.outcomes import Outcome
from tekton_server.domain.routing.serving import Standing
from tekton_server.domain.routing.task import Task
from tekton_server.live.routing import decisions
from tekton_server.live.routing.decisions import Decided, Shelf
from tekton_server.live.routing.desk import RoutingDesk
from tekton_server.live.routing.terms import RoutingTerms
from tekton_server.services import models
from tekton_server.storage.errors import StorageUnavailableError

TASK = Task(task_type="code")


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def began(count: int, **terms: Any) -> tuple[RoutingDesk, Time]:
    """A desk with so many equal models, and no database behind it."""
    time = Time()
    facts = ModelFacts(provider="us", tier=2, context_window=8000, endpoint="http://x:1/", capabilities=("code",))

    async def confirm() -> None:
        """There is nobody to ask."""

    desk = RoutingDesk(
        View(),
        RoutingTerms(shipped=False, models={f"m{at}": facts for at in range(count)}, min_requests=2, **terms),
        create_async_engine("postgresql+asyncpg://nobody.invalid/x"),
        time,
        suspect=lambda _: False,
        several=lambda: False,
        confirm=confirm,
    )
    return desk, time


def told(model_id: str = "", *, ok: bool = False) -> Outcome:
    return Outcome(model_id=model_id, task_type="code", ok=ok)


async def test_however_many_models_are_on_trial_each_is_tried_as_often_as_it_may() -> None:
    """A provider's outage puts all of its models out at once; who comes beyond the trials is told that by a flag."""
    desk, time = began(20, probes=2)
    for at in range(20):
        for _ in range(2):
            desk.report("", told(f"m{at}"))
    assert len(desk.cooldowns.out()) == 20
    time.now += 30
    made = [await desk.route(TASK) for _ in range(100)]
    tried = Counter(one.model_id for one in made if not one.decision.flagged)
    assert tried == {f"m{at}": 2 for at in range(20)}
    assert sum(one.decision.flagged for one in made) == 60


async def test_a_trial_counts_though_so_much_was_decided_meanwhile_that_it_cannot_be_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy server keeps explanations for a moment only; an answer of a model takes longer."""
    monkeypatch.setattr(decisions, "MOST_ROWS", 1000)
    desk, time = began(3, probes=2)
    for _ in range(2):
        desk.report("", told("m0"))
    time.now += 30
    only = Task(task_type="code", exclude_models=("m1", "m2"))
    asked = [await desk.route(only), await desk.route(only)]
    assert {one.model_id for one in asked} == {"m0"}
    for _ in range(1000):
        await desk.route(TASK)
    time.now += 40
    for one in asked:
        with pytest.raises(StorageUnavailableError):
            await desk.explain(one.decision_id)
        assert desk.report(one.decision_id, told(ok=True))
        assert not desk.report(one.decision_id, told(ok=True))
    assert not desk.cooldowns.trying("m0") and not desk.cooldowns.out()


async def test_a_trial_of_which_nothing_is_heard_for_a_minute_is_nobodys() -> None:
    """Until then its model is shown as degraded, and others are not tried on it."""
    desk, time = began(1, probes=1, cooldown=1.0)
    for _ in range(2):
        desk.report("", told("m0"))
    time.now += 1
    assert not (await desk.route(TASK)).decision.flagged
    (model,) = desk.catalogue.models
    assert desk.standing()(model).standing is Standing.DEGRADED
    time.now += decisions.PROBE_TIMEOUT - 1
    assert (await desk.route(TASK)).decision.flagged
    time.now += 1
    assert not (await desk.route(TASK)).decision.flagged


async def test_a_refused_task_is_explained_too() -> None:
    """It is then that one wants to know."""
    desk, _ = began(3)
    with pytest.raises(NoRouteError) as error:
        await desk.route(Task(task_type="code", capabilities=("vision",)))
    found = await desk.explain(error.value.details["decision_id"])
    assert found.selected == "" and [one.rule for one in found.models] == ["capabilities"] * 3


async def test_what_is_kept_of_decisions_is_bounded_by_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of long lists weigh more, and those that nothing fits weigh too."""
    monkeypatch.setattr(decisions, "MOST_FOLLOWED", 100)
    desk, time = began(3)
    long = tuple(f"name-{at}" for at in range(256))
    for _ in range(500):
        await desk.route(Task(task_type="code", exclude_providers=long, preferred_providers=long))
    assert len(desk.decisions) <= decisions.MOST_ROWS / (3 * 512)
    assert len(desk.decisions._followed) == 100
    time.now += 700
    await desk.route(TASK)
    assert len(desk.decisions) == len(desk.decisions._followed) == 1


async def test_what_is_told_to_other_servers_of_a_second_is_bounded() -> None:
    """Explaining is work: the newest, and always one."""
    desk, _ = began(300)
    shelf, made = Shelf(), [await desk.route(TASK) for _ in range(200)]
    assert all(isinstance(one, Decided) for one in made)
    for one in made:
        shelf.put(one)
    found = await shelf.take()
    assert 1 < len(found) <= Shelf.MOST / 600 and list(found)[-1] == made[-1].decision_id
    assert not await shelf.take()
    huge, _ = began(Shelf.MOST)
    shelf.put(await huge.route(TASK))
    assert len(await shelf.take()) == 1


def test_a_list_goes_on_at_another_server_whose_places_are_others() -> None:
    """One that started later knows nothing of what was removed before."""
    registered = [ModelFacts(provider="us", tier=1, context_window=9)] * 6
    here = [completed(f"m{at}", facts, (), 10 * at, 1) for at, facts in enumerate(registered)]
    there = [completed(f"m{at}", facts, (), at, 1) for at, facts in enumerate(registered)]
    for asked, next_one in ((here, there), (there, here)):
        request = pb.ListModelsRequest(page_token=models.token(asked[2]))
        assert [one.model_id for one in models.selected(next_one, request)] == ["m3", "m4", "m5"]
    gone = pb.ListModelsRequest(page_token=models.token(here[2]))
    assert [one.model_id for one in models.selected(here[:2] + here[3:], gone)] == ["m3", "m4", "m5"]
