"""Reporting what this process uses, again and again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tekton import _given
from tekton._aside import Aside
from tekton.client import get_default_client
from tekton.core.backoff import spread
from tekton.core.errors import TektonError

if TYPE_CHECKING:
    from tekton._own_usage import OwnUsage

log = logging.getLogger(__name__)

# How long the system may take to tell, in seconds.
_WITHIN = 5.0


class ResourceReporter:
    """Reports what this process, and everything that it started, uses: processor, memory, disks, and memory of GPUs.

    interval: how often, in seconds. The figures are read by a thread of its own. What cannot be reported is logged
    once, and tried again with the next interval.

    Raises:
        ValidationError: these are no id and no uuid, or no number of seconds over 0.
    """

    def __init__(self, component_id: str, instance_uuid: str, interval: float = 10) -> None:
        self.component_id = _given.text("component_id", component_id)
        self.instance_uuid = _given.text("instance_uuid", instance_uuid)
        self.interval = _given.interval(interval)
        self._task: asyncio.Task[None] | None = None
        self._usage: OwnUsage | None = None
        self._aside = Aside("the reading of what this process uses")

    @property
    def running(self) -> bool:
        """Whether it reports."""
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Report from now on; starting it twice is starting it once."""
        if not self.running:
            self._task = asyncio.create_task(self._run(), name=f"report the resources of {self.component_id}")

    async def stop(self) -> None:
        """Stop reporting."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # Not the task itself: whoever is cancelled while waiting here has to learn of it.
            await asyncio.wait([task])
        self._aside.close()

    async def __aenter__(self) -> ResourceReporter:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def report(self) -> None:
        """Report once.

        Raises:
            TektonError: the report does not count.
            TimeoutError: the system does not tell in time what is used.
        """
        usage = await self._aside.run(self._read, _WITHIN)
        await get_default_client().report_resource_usage(self.component_id, self.instance_uuid, usage)

    def _read(self) -> dict[str, float]:
        if self._usage is None:
            from tekton._own_usage import OwnUsage

            self._usage = OwnUsage()
        return self._usage.read()

    async def _run(self) -> None:
        failed = False
        while True:
            try:
                await self.report()
                failed = False
            except Exception as error:
                # Whatever it is, nobody awaits this task, and the next report may succeed.
                if not failed:
                    unforeseen = not isinstance(error, TektonError | TimeoutError | OSError)
                    log.warning(
                        "could not report the resources of %s: %s", self.component_id, error, exc_info=unforeseen
                    )
                failed = True
            # Of a fleet that is started together not everybody reports at the same moment.
            await asyncio.sleep(self.interval * spread(0.9, 1.0))
