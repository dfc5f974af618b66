"""Plays rows one after the other: those that leave nothing behind on a common stage, the others each on its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from bench.model import Result
from bench.profile import Profile
from bench.rows.row import Row
from bench.stage import Options, Stage, stage


def rows(chosen: Sequence[Row], options: Options, say: Callable[[str], None]) -> list[Result]:
    """Play rows and give their results in the order of the table."""
    found: dict[str, Result] = {}

    def each(row: Row, setting: AbstractContextManager[Stage]) -> None:
        began = time.monotonic()
        found[row.name] = _played(row, setting)
        say(f"{row.name}: {found[row.name].missing or f'{time.monotonic() - began:.0f} s'}")

    common = _Common(options)
    with contextlib.closing(common):
        for row in chosen:
            if not row.alone:
                each(row, common.borrowed())
    for row in chosen:
        if row.alone:
            each(row, stage(options))
    return [one for row in chosen for one in found[row.name].all()]


def profiled(row: Row, options: Options, profile: Profile) -> None:
    """Play one row while the server samples itself."""
    if row.play is None:
        raise SystemExit(f"{row.name} is not there yet")
    with stage(options, profile=profile) as set_up:
        row.play(set_up, Result(row.name, row.title, row.goal))


def _played(row: Row, setting: AbstractContextManager[Stage]) -> Result:
    result = Result(row.name, row.title, row.goal)
    if row.play is None:
        result.missing = "not there yet"
        return result
    try:
        with setting as set_up:
            row.play(set_up, result)
    except Exception as error:
        # One row that fails does not take the others' figures with it.
        result.missing = f"failed: {error or type(error).__name__}"
    return result


class _Common:
    """A stage that is set when it is first needed, and set anew after a row has failed on it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = contextlib.ExitStack()
        self._stage: Stage | None = None

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Stage]:
        """Give the stage for one row."""
        if self._stage is None:
            self._stage = self._stack.enter_context(stage(self._options))
        try:
            yield self._stage
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Clear the stage away."""
        self._stage = None
        self._stack.close()
