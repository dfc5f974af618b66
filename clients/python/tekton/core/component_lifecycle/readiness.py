"""Conditions for being ready, beyond the word of the component: a port that answers, a cache that is warm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tekton import _given
from tekton._user_code import called, function
from tekton.core.backoff import full_jitter

CHECK_WITHIN = 5.0
# Conditions are asked again this often at most, in seconds.
_ASK_EVERY = 1.0


@dataclass(frozen=True)
class ReadinessCondition:
    """Something that has to hold: `check` is a function without arguments, async or not, and tells whether it does.

    An exception is a no, with its reason; so is no answer within `timeout` seconds.
    """

    name: str
    check: Callable[[], Any]
    timeout: float = CHECK_WITHIN

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ValidationError: the check cannot be called, or the timeout is no number of seconds over 0.
        """
        _given.text("name", self.name)
        function("check", self.check)
        _given.seconds("timeout", self.timeout)

    async def unmet(self) -> str:
        """Ask; gives why it does not hold, empty where it does."""
        try:
            async with asyncio.timeout(self.timeout):
                return "" if await called(self.check) else f"{self.name} does not hold"
        except TimeoutError:
            return f"{self.name} did not answer within {self.timeout:g} s"
        except Exception as error:
            return f"{self.name} failed: {type(error).__name__}: {error}"


async def unmet(conditions: Sequence[ReadinessCondition]) -> list[str]:
    """Ask all at the same time; gives why each that does not hold does not, in their order."""
    answers = await asyncio.gather(*(condition.unmet() for condition in conditions))
    return [answer for answer in answers if answer]


async def until_met(conditions: Sequence[ReadinessCondition]) -> None:
    """Ask again and again until all hold at once; whoever calls bounds it."""
    asked = 0
    while await unmet(conditions):
        await asyncio.sleep(full_jitter(asked, base=0.05, ceiling=_ASK_EVERY))
        asked += 1
