"""What `tekton components command` does."""

from __future__ import annotations

import asyncio
from typing import Any

from tekton.core.backoff import full_jitter
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.grid import Column, grid
from tekton_server.cli.output import Format, width, write
from tekton_server.cli.registering import Job
from tekton_server.cli.remote import Remote

_COLUMNS = (Column("INSTANCE"), Column("KIND", 2), Column("STATE"), Column("MESSAGE", 1), Column("COMMAND", 3))
# With --wait: an answer that is no.
_CODES = {"refused": ExitCode.FAILED, "expired": ExitCode.TIMEOUT}
# How often the outcome is asked for, in seconds at most. The server ends each command at its deadline.
_ASK_EVERY = 1.0


def command_job(
    component_id: str,
    kind: str,
    instance: str,
    arguments: dict[str, Any],
    deadline: float,
    form: Format,
    *,
    wait: bool,
) -> Job:
    """Make the job of `command`."""

    async def job(remote: Remote) -> ExitCode | None:
        found = await remote.send_command(
            component_id, kind, instance_uuid=instance, arguments=arguments, deadline=deadline
        )
        if wait:
            found = await _ended(remote, found)
        rows = [[one[name] for name in ("instance_uuid", "kind", "state", "message", "command_id")] for one in found]
        write(
            {"commands": found},
            form,
            lambda: grid(_COLUMNS, rows, width()),
            lambda: [one["command_id"] for one in found],
        )
        return next((code for state, code in _CODES.items() if any(one["state"] == state for one in found)), None)

    return job


async def _ended(remote: Remote, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask until none is pending any more; those that have ended are not asked for again."""
    asked = 0
    while any(one["state"] == "pending" for one in commands):
        await asyncio.sleep(full_jitter(asked, base=0.05, ceiling=_ASK_EVERY))
        asked += 1
        commands = [
            await remote.get_command(one["component_id"], one["command_id"]) if one["state"] == "pending" else one
            for one in commands
        ]
    return commands
