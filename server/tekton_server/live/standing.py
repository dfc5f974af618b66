"""Jobs that are done over and over while a server stands, through outages of the database as well."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tekton.core.errors import TektonError

log = logging.getLogger(__name__)


async def over_and_over(
    job: Callable[[], Awaitable[None]],
    pause: Callable[[], float],
    failing: str,
    *,
    again: str = "",
    at_once: bool = False,
) -> None:
    """Do a job after each pause, in seconds, until cancelled; for the first time `at_once` if that is wanted.

    A series of failures is told once, as `failing`, and its end as `again` where there are words for it.
    """
    failed = False
    while True:
        await asyncio.sleep(0 if at_once else pause())
        at_once = False
        try:
            await job()
        except TektonError as error:
            if not failed:
                log.warning("%s: %s", failing, error)
            failed = True
        else:
            if failed and again:
                log.info(again)
            failed = False
