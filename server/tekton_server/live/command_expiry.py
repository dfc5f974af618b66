"""The end of commands that nobody answers: recorded when their deadline passes, or their instance ends."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from tekton.core.backoff import full_jitter
from tekton.core.commands import Commands
from tekton.core.errors import TektonError
from tekton.core.view import InstanceCommand
from tekton_server.domain.commands import ExpireCommands
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

_AT_ONCE = 500
# Answered commands stay in the heap until their time comes, or there are so many of them.
_SLACK = 1024
# What could not be recorded, or was not due yet, is tried again after so many seconds at most.
_AGAIN = 2.0
# How long at most nobody looks at the clock: it may be set.
_LOOK_EVERY = 30.0


class CommandExpiry:
    """Knows when each command that waits is over, by the database's clock. Every server tells; the second finds nothing
    left to change.
    """

    def __init__(self, commands: Commands, writer: Writer) -> None:
        self._commands = commands
        self._writer = writer
        self._due = [(one.deadline, one.command_id) for one in commands if one.pending]
        heapq.heapify(self._due)
        self._wake = asyncio.Event()

    def watch(self, command: InstanceCommand) -> None:
        """End a command at its deadline."""
        self._put(command.deadline, command.command_id)

    def end(self, command: InstanceCommand) -> None:
        """End a command now: its instance will not answer any more."""
        self._put(self._writer.now(), command.command_id)

    def _put(self, at: datetime, command_id: str) -> None:
        if len(self._due) > 2 * len(self._commands) + _SLACK:
            self._due = [one for one in self._due if self._waits(one[1])]
            heapq.heapify(self._due)
        heapq.heappush(self._due, (at, command_id))
        self._wake.set()

    def _waits(self, command_id: str) -> bool:
        command = self._commands.get(command_id)
        return command is not None and command.pending

    async def run(self) -> None:
        """Expire commands until cancelled."""
        tries, failing = 0, False
        while True:
            await self._until_due()
            chosen = self._taken()
            if not chosen:
                continue
            try:
                await self._writer.submit(ExpireCommands(command_ids=chosen))
                failing = False
            except TektonError as error:
                if not failing:
                    log.warning("the end of %d commands is not recorded yet: %s", len(chosen), error)
                failing = True
            left = [command_id for command_id in chosen if self._waits(command_id)]
            tries = tries + 1 if left else 0
            self._put_back(left, full_jitter(tries, base=0.25, ceiling=_AGAIN), failing)

    def _put_back(self, command_ids: Sequence[str], pause: float, failing: bool) -> None:
        """Try again after a pause in seconds; what was not due by the clock that counts, not before it is."""
        again = self._writer.now() + timedelta(seconds=pause)
        for command_id in command_ids:
            command = self._commands.get(command_id)
            if command is not None:
                self._put(again if failing else max(again, command.deadline), command_id)

    async def _until_due(self) -> None:
        self._wake.clear()
        pause = (self._due[0][0] - self._writer.now()).total_seconds() if self._due else None
        if pause is None or pause > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if pause is None else min(pause, _LOOK_EVERY)):
                    await self._wake.wait()

    def _taken(self) -> tuple[str, ...]:
        now = self._writer.now()
        chosen: dict[str, None] = {}
        while self._due and self._due[0][0] <= now and len(chosen) < _AT_ONCE:
            _, command_id = heapq.heappop(self._due)
            if self._waits(command_id):
                chosen[command_id] = None
        return tuple(chosen)
