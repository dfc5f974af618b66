"""Supervision: what ends is started again with growing pauses, and the trying has an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tekton_server import supervision
from tekton_server.live.system import SystemState
from tekton_server.supervision import Part, Supervisor


class Fake:
    """A part that ends when told to, and whose starts fail as often as told."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.starts: asyncio.Queue[int] = asyncio.Queue()
        self.failing = 0
        self.tried = 0
        self.vital = True

    @property
    def part(self) -> Part:
        """The part as its supervisor knows it."""
        return Part("database", "PostgreSQL", self.ends.get, self._restart, vital=self.vital)

    async def _restart(self) -> None:
        self.tried += 1
        if self.failing:
            self.failing -= 1
            raise OSError("no space left")
        self.starts.put_nowait(self.tried)


class Watched:
    """A supervisor at work, and what it gave up on."""

    def __init__(self, fake: Fake) -> None:
        self.state = SystemState()
        self.state.add_check("database")
        self.given_up: list[tuple[str, BaseException | None]] = []
        self.supervisor = Supervisor(self.state, lambda sentence, cause: self.given_up.append((sentence, cause)))
        self.task = asyncio.create_task(self.supervisor.run(fake.part))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The attempt that each pause was drawn for; nothing waits."""
    drawn: list[int] = []

    def none(attempt: int, *, base: float, ceiling: float) -> float:
        drawn.append(attempt)
        return 0.0

    monkeypatch.setattr(supervision, "full_jitter", none)
    return drawn


async def until(true: Callable[[], bool]) -> None:
    """Let the others run until something holds."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


async def test_a_part_that_ends_is_started_again_and_told_meanwhile(pauses: list[int]) -> None:
    """Health says which part and how it ended until it runs, and then counts the restart."""
    fake = Fake()
    watched = Watched(fake)
    watched.supervisor.begin()
    fake.failing = 3
    fake.ends.put_nowait("killed by signal 9")
    told: list[str | None] = []
    while fake.starts.empty():
        told.append(watched.state.health()["database"])
        await asyncio.sleep(0)
    assert "PostgreSQL ended unexpectedly (killed by signal 9); it is started again" in told
    assert "PostgreSQL does not start (no space left); it is started again" in told
    await until(lambda: watched.state.health()["database"] is None)
    assert (fake.tried, pauses, watched.state.restarts) == (4, [0, 1, 2, 3], {"database": 1})
    watched.task.cancel()


async def test_a_part_that_crashes_again_and_again_waits_longer_and_longer(
    pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its short lives counts; one long life begins anew."""
    fake = Fake()
    watched = Watched(fake)
    watched.supervisor.begin()
    for _ in range(3):
        fake.ends.put_nowait("exit status 1")
        await fake.starts.get()
    assert pauses == [0, 1, 2]
    monkeypatch.setattr(supervision, "HEALED_AFTER", -1.0)
    fake.ends.put_nowait("exit status 1")
    await fake.starts.get()
    assert pauses[-1] == 0
    watched.task.cancel()


async def test_it_gives_up_after_enough_failures_with_the_cause(pauses: list[int]) -> None:
    """Whoever supervises us is told then."""
    fake = Fake()
    watched = Watched(fake)
    watched.supervisor.begin()
    fake.failing = 10**6
    fake.ends.put_nowait("exit status 1")
    await asyncio.wait_for(watched.task, 5)
    ((sentence, cause),) = watched.given_up
    assert sentence == f"PostgreSQL was started again {supervision.MOST_FAILURES} times in vain"
    assert isinstance(cause, OSError) and fake.tried == supervision.MOST_FAILURES


async def test_a_part_that_only_crashes_is_given_up_too(pauses: list[int]) -> None:
    """Starting well and ending at once is no service."""
    fake = Fake()
    watched = Watched(fake)
    watched.supervisor.begin()
    for _ in range(supervision.MOST_FAILURES + 1):
        fake.ends.put_nowait("exit status 1")
    await asyncio.wait_for(watched.task, 5)
    assert len(watched.given_up) == 1 and fake.tried == supervision.MOST_FAILURES


async def test_before_the_start_is_over_an_end_is_a_failure_of_the_start() -> None:
    """Nothing is started again that never served."""
    fake = Fake()
    watched = Watched(fake)
    fake.ends.put_nowait("exit status 1")
    await asyncio.wait_for(watched.task, 5)
    assert watched.given_up == [("PostgreSQL ended unexpectedly (exit status 1)", None)] and fake.tried == 0


async def test_what_is_not_vital_is_started_again_for_as_long_as_it_takes(pauses: list[int]) -> None:
    """Whether its starts fail, or it ends again at once; the pauses do not grow without end."""
    fake = Fake()
    fake.vital = False
    watched = Watched(fake)
    watched.supervisor.begin()
    fake.failing = 2 * supervision.MOST_FAILURES
    for _ in range(2 * supervision.MOST_FAILURES):
        fake.ends.put_nowait("gone")
    await until(lambda: watched.state.restarts["database"] == 2 * supervision.MOST_FAILURES)
    assert watched.given_up == [] and max(pauses) == supervision.PATIENT_FAILURES
    watched.task.cancel()
