"""Follows what other servers commit: woken by their notices, and looking by itself when there are none."""

from __future__ import annotations

import asyncio
import logging

from tekton.core.backoff import full_jitter
from tekton.core.errors import TektonError
from tekton.core.view import View
from tekton_server.live.writer import Writer
from tekton_server.storage.notices import Notices

log = logging.getLogger(__name__)

# How long at most what another server wrote goes unnoticed where no notice comes through, in seconds.
LOOK_EVERY = 1.0


class Follower:
    """Has the writer's task fold what is new; a commit of our own is in the view before its notice comes to mind."""

    def __init__(self, notices: Notices, view: View, writer: Writer) -> None:
        self._notices = notices
        self._view = view
        self._writer = writer

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        try:
            while True:
                try:
                    revision = await self._notices.next(LOOK_EVERY)
                    if revision > self._view.revision:
                        await self._writer.refresh()
                    failures = 0
                except TektonError as error:
                    if failures == 0:
                        log.warning("other servers cannot be followed now: %s", error)
                    self._notices.reset()
                    await asyncio.sleep(full_jitter(failures, base=0.1, ceiling=2.0))
                    failures += 1
        finally:
            self._notices.reset()
