"""Athena on paper, and how properties are searched: the same examples on every run, or new ones.

For new ones: `pytest tests/unit --hypothesis-profile=search`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tekton.core.lifecycle import ComponentState
from tests.support.paper_server import PaperServer
from tests.unit.paper import Paper, a_registration
from tests.unit.stage import Stage

settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, max_examples=60, stateful_step_count=40
)
settings.register_profile("search", deadline=None, max_examples=2000, stateful_step_count=60)


def pytest_configure(config: pytest.Config) -> None:
    """Take the profile that was asked for; this file may be read before or after Hypothesis looks at the option."""
    settings.load_profile(config.getoption("--hypothesis-profile") or "steady")


@pytest.fixture
def athena() -> Paper:
    """A registry in which athena has registered with instance 1 on localhost:8005."""
    paper = Paper()
    paper.do(a_registration())
    return paper


@pytest.fixture
def ready_athena(athena: Paper) -> Paper:
    """A registry in which athena is ready."""
    athena.brought_to(ComponentState.READY)
    return athena


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage without servers."""
    stage = Stage()
    yield stage
    stage.loop.end()


@pytest.fixture
def server(stage: Stage) -> PaperServer:
    """The first server."""
    return stage.server()
