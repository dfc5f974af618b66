"""Who does not become ready in time has failed; but not for an outage of ours, nor before this server saw it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tekton.core.errors import StartupError, TektonTimeoutError, UnavailableError
from tekton.core.view import Launch
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.live.healing import startups
from tekton_server.live.healing.startups import StartUps
from tests.unit.test_healing import a_launch

TIMEOUT = 10.0


class Watched:
    """Launches that are watched; sleeping moves the clock, and `answers` are what waiting for each comes to."""

    def __init__(self) -> None:
        self.clock = 100.0
        self.fair_from = 0.0
        self.answers: list[Exception | None] = []
        self.overdue: list[tuple[str, int, float]] = []
        self.slept: list[float] = []
        self.asked = 0.0
        self.startups = StartUps(self, lambda: self.clock, lambda: self.fair_from, self._overdue)  # type: ignore[arg-type]

    def spec(self, component_id: str) -> LaunchSpec:
        return LaunchSpec(command=("x",), startup_timeout=TIMEOUT)

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer

    async def asked_for(self, launch: Launch) -> float:
        return self.asked

    def _overdue(self, key: str, launch: Launch) -> None:
        self.overdue.append((key, launch.epoch, self.clock))

    async def watch(self, launch: Launch | None = None) -> None:
        """Watch a launch and let everything happen that can happen now."""
        async with asyncio.TaskGroup() as group:
            self.startups.follow(group, "engram", launch or a_launch())
            for _ in range(20):
                await asyncio.sleep(0)
            self.startups.follow(group, "engram", None)


@pytest_asyncio.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """Nobody is watched yet."""
    made, sleep = Watched(), asyncio.sleep

    async def pass_time(seconds: float) -> None:
        if seconds:
            made.slept.append(seconds)
            made.clock += seconds
        await sleep(0)

    monkeypatch.setattr(startups.asyncio, "sleep", pass_time)
    yield made


def late() -> TektonTimeoutError:
    """Its time from its launch on is over."""
    return TektonTimeoutError("late", "engram")


async def test_one_that_this_server_has_seen_for_its_whole_timeout_is_overdue(watched: Watched) -> None:
    """One that was launched long before has a whole one from when it was first seen here."""
    watched.answers = [late(), late()]
    await watched.watch()
    assert watched.overdue == [("engram", 1, 110.0)]


async def test_an_outage_of_ours_gives_it_its_whole_timeout_again(watched: Watched) -> None:
    """From when it was over."""
    watched.answers = [late(), late(), late()]
    watched.fair_from = 107.0
    await watched.watch()
    assert watched.overdue == [("engram", 1, 117.0)]


async def test_what_it_had_asked_an_earlier_server_for_counts_from_when_this_one_saw_it(watched: Watched) -> None:
    """Only the journal knows of it."""
    watched.answers, watched.asked = [late(), late()], 90.0
    await watched.watch()
    assert watched.overdue == [("engram", 1, 190.0)]


@pytest.mark.parametrize("answer", [None, StartupError("it ended", "engram")])
async def test_one_that_serves_or_ends_is_not(watched: Watched, answer: Exception | None) -> None:
    """Its end is told by its process."""
    watched.answers = [answer]
    await watched.watch()
    assert watched.overdue == [] and watched.answers == []


async def test_a_watch_goes_on_through_outages(watched: Watched) -> None:
    """With pauses."""
    watched.answers = [UnavailableError("not now"), UnavailableError("not now"), None]
    await watched.watch()
    assert watched.overdue == [] and watched.answers == [] and len(watched.slept) == 2


async def test_a_newer_launch_is_watched_anew_and_the_older_no_more(watched: Watched) -> None:
    """Each epoch once."""
    async with asyncio.TaskGroup() as group:
        for epoch in (1, 1, 2):
            watched.startups.follow(group, "engram", a_launch(epoch=epoch))
            await asyncio.sleep(0)
        assert [task.get_name() for task in asyncio.all_tasks()].count("the start of engram") == 1
        watched.startups.follow(group, "engram", None)
