"""`tekton models`, `tekton route` and `tekton budgets` as people and scripts run them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cli.running import run
from tests.routing.fleet import DOCUMENTED, plane_with, serve
from tests.support.client import stubs
from tests.support.control_plane import ControlPlane
from tests.support.postgres import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with the documented models, and rhetor to serve them."""
    async with (
        plane_with(cluster.new_database(), tmp_path_factory.mktemp("models"), DOCUMENTED) as running,
        stubs(running.direct) as api,
    ):
        await serve(api, "rhetor", host="localhost", port=8003)
        yield running


async def test_models_are_listed_for_people_and_for_scripts(plane: ControlPlane, tmp_path: Path) -> None:
    """Filtered, in the order of the catalogue; and so is what they can do."""
    listed = await run(plane, tmp_path, "models", "list", "--provider", "ollama")
    head, row = listed.out.splitlines()
    assert head.split()[:3] == ["ID", "STATUS", "TIER"]
    assert row.split()[:4] == ["llama3", "available", "2", "8000"]
    names = await run(plane, tmp_path, "models", "list", "--tier", "3", "-o", "name")
    assert names.out.split() == ["claude-3-sonnet-20240229", "gpt-4-turbo"]
    wrong = await run(plane, tmp_path, "models", "list", "--status", "fine")
    assert wrong.code == 2 and "cooling_down" in wrong.err
    able = await run(plane, tmp_path, "models", "capabilities")
    assert "text_embedding" in able.out and "claude-3-sonnet-20240229, gpt-4-turbo" in able.out


async def test_a_model_is_registered_shown_and_removed(plane: ControlPlane, tmp_path: Path) -> None:
    """With an id as its provider writes it."""
    made = await run(
        plane, tmp_path, "models", "register", "org/model:7b", "--provider", "us", "--tier", "1", "--context", "4096",
        "--component", "rhetor", "--input-price", "0.5", "--capability", "text_generation",
    )  # fmt: skip
    assert made.code == 0 and "http://localhost:8003/api/generate" in made.out and "0.5/? dollars" in made.out
    data = json.loads((await run(plane, tmp_path, "models", "get", "org/model:7b", "-o", "json")).out)
    assert data["output_price"] is None and data["layers"] == ["registered"]
    assert (await run(plane, tmp_path, "models", "deregister", "org/model:7b")).code == 0
    again = await run(plane, tmp_path, "models", "get", "org/model:7b")
    assert again.code == 3 and again.out == ""
    refused = await run(plane, tmp_path, "models", "register", "a b")
    assert refused.code == 6 and "must match" in refused.err


async def test_a_task_is_routed_with_its_fallbacks(plane: ControlPlane, tmp_path: Path) -> None:
    """The documented one; what the fallbacks miss is told."""
    asked = ("route", "code_generation", "--complexity", "high", "--context", "5000", "--capability", "code_analysis")
    done = await run(plane, tmp_path, *asked, "--min-tier", "2")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[1][:2] == ["use", "claude-3-sonnet-20240229"] and rows[1][-1] == "nothing"
    assert rows[2][:2] == ["else", "gpt-4-turbo"] and rows[3][-1] == "complexity"
    nothing = await run(plane, tmp_path, *asked, "--min-tier", "9")
    assert nothing.code == 3 and "3 by min_tier" in nothing.err
    assert (await run(plane, tmp_path, "route")).code == 2


async def test_a_decision_is_explained_at_once_and_later(plane: ControlPlane, tmp_path: Path) -> None:
    """Every model with its score, or the rule that dropped it."""
    told = await run(plane, tmp_path, "route", "code_generation", "--context", "9000", "--explain", "-o", "json")
    data = json.loads(told.out)
    assert [one["dropped_by"] for one in data["candidates"]] == ["", "", "context_window"]
    later = await run(plane, tmp_path, "route", "--decision", data["decision_id"])
    assert later.code == 0 and "score = 0.2 " in later.out
    assert "context_window: its context window of 8000 tokens is less than the 9000 needed" in later.out
    nothing = await run(plane, tmp_path, "route", "code_generation", "--min-tier", "9", "--explain")
    assert nothing.code == 3 and "3 by min_tier" in nothing.err
    assert "min_tier: its tier 2 is below 9" in nothing.out


async def test_a_task_that_no_model_takes_is_explained_too(plane: ControlPlane, tmp_path: Path) -> None:
    """As the sentence of the error promises; the error and its exit code stay."""
    asked = ("route", "code_generation", "--min-tier", "9", "--explain")
    told = await run(plane, tmp_path, *asked)
    assert told.code == 3 and "no model fits the task" in told.err
    assert told.out.count("min_tier: its tier") == 3
    assert (await run(plane, tmp_path, *asked, "-o", "name")).out == ""


async def test_the_usage_says_that_an_argument_may_be_left_out(plane: ControlPlane, tmp_path: Path) -> None:
    """In one pair of brackets."""
    assert "tekton route [OPTIONS] [TASK_TYPE] " in (await run(plane, tmp_path, "route", "--help")).out
    assert "tekton start [OPTIONS] [ID]... " in (await run(plane, tmp_path, "start", "--help")).out


async def test_budgets_are_set_listed_and_removed(plane: ControlPlane, tmp_path: Path) -> None:
    """With what is taken of them."""
    done = await run(plane, tmp_path, "budgets", "set", "--model", "gpt-4-turbo", "--tokens", "90000", "--cost", "2.5")
    assert done.code == 0
    listed = await run(plane, tmp_path, "budgets", "list")
    assert "0 of 90000" in listed.out and "0.0000 of 2.5 a day" in listed.out and "all together" in listed.out
    assert (await run(plane, tmp_path, "budgets", "remove", "--model", "gpt-4-turbo")).code == 0
    assert (await run(plane, tmp_path, "budgets", "list", "-o", "name")).out == ""
