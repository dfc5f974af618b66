"""What `tekton start`, `stop`, `restart` and `plan` do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from rich.text import Text

from tekton.core.errors import TektonError, from_reason
from tekton_server.cli import output
from tekton_server.cli.exits import ExitCode, code_of
from tekton_server.cli.fleet.view import FleetView, plan_lines, step_line
from tekton_server.cli.listing import Job
from tekton_server.cli.live import redraw
from tekton_server.cli.output import Format, note, width, write, write_lines, write_one
from tekton_server.cli.remote import Remote

Steps = AsyncGenerator[dict[str, Any], None]


async def shown(steps: Steps, form: Format, after: Callable[[], Steps] | None = None) -> ExitCode:
    """Show a start or a stop to its end, and `after` it another one, if it went well; give what came of it."""
    seen = _Seen(steps, form)
    try:
        await seen.show()
    except asyncio.CancelledError:
        note("it goes on without being watched; tekton status shows how things are")
        raise
    if after is not None and seen.code is ExitCode.OK:
        return await shown(after(), form)
    return seen.code


class _Seen:
    """One run, as it is told."""

    def __init__(self, steps: Steps, form: Format) -> None:
        self._steps = steps
        self._form = form
        self._view = FleetView()
        self._errors: list[dict[str, Any]] = []
        self._summary: dict[str, Any] | None = None

    @property
    def code(self) -> ExitCode:
        """The exit code: that of the first that failed, or else was skipped."""
        if self._summary is not None and self._summary["success"]:
            return ExitCode.OK
        first = next((one for one in self._errors if one["event"] == "failed"), None) or next(iter(self._errors), None)
        if first is None:
            return ExitCode.FAILED
        return code_of(_error(first["error"]))

    async def show(self) -> None:
        """Show it."""
        async with contextlib.aclosing(self._told()) as told:
            if self._form is Format.TABLE and output.on_terminal():
                await redraw(told, self._drawn, every=0.5)
            else:
                async for step in told:
                    if self._form is not Format.NAME:
                        write_one(step, self._form, lambda step=step: step_line(step), "")  # type: ignore[misc]
        if self._form is Format.NAME and self._summary is not None:
            output.write_text("".join(f"{name}\n" for name in self._summary["succeeded"]))
        if self._form is Format.TABLE:
            write_lines(self._view.causes())

    async def _told(self) -> Steps:
        async with contextlib.aclosing(self._steps) as steps:
            async for step in steps:
                self._view.take(step)
                if step["event"] in ("failed", "skipped"):
                    self._errors.append(step)
                self._summary = step["summary"] or self._summary
                yield step

    async def _drawn(self) -> Iterable[Text]:
        return self._view.lines(width())


def _error(told: dict[str, Any]) -> TektonError:
    return from_reason(told["reason"], told["message"], told["component"])


def plan_job(component_ids: list[str] | None, form: Format, *, resolve: bool) -> Job:
    """Make the job of `plan`."""

    async def job(remote: Remote) -> ExitCode:
        found = await remote.plan_start(component_ids, resolve_dependencies=resolve)
        names = [name for wave in found["waves"] for name in wave["component_ids"]]
        write(found, form, lambda: plan_lines(found, width()), lambda: names)
        if form is Format.TABLE and not found["components"]:
            note("there is nothing to start")
        bad = found["circular_dependencies"] or any(one["action"] == "skip" for one in found["components"])
        return ExitCode.FAILED if bad else ExitCode.OK

    return job
