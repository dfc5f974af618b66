"""Whether an instance is busy: the lag that its beats tell, recorded when it gets too much and when it is over."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from tekton.core.errors import TektonError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import View
from tekton_server.domain import busy
from tekton_server.domain.commands import JudgeBusy
from tekton_server.live.lease import Lease
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)


class Scales:
    """Weighs lags, one judgement at a time for each lease. `most` is the lag that is borne, in seconds."""

    def __init__(self, view: View, writer: Writer, most: float) -> None:
        self._view = view
        self._writer = writer
        self._most = most

    def weigh(self, lease: Lease, lag: float, claimed: ComponentState | None) -> asyncio.Future[None] | None:
        """Have a change of being busy recorded; the future is done when it is, or could not be, and never fails.

        Between half of what is borne and all of it nothing changes, so that it does not flicker.
        """
        instance = self._view.instance(lease.instance_uuid)
        if instance is None or lease.weighing is not None:
            return lease.weighing
        is_busy = lag > self._most and ComponentState.READY in (instance.state, claimed)
        if not is_busy and not (lag < self._most / 2 and busy.blocked(instance)):
            return None
        evidence = {"loop_lag_seconds": round(lag, 3), "threshold_seconds": self._most}
        command = JudgeBusy(instance_uuid=lease.instance_uuid, granted=lease.granted, busy=is_busy, evidence=evidence)
        try:
            judging = self._writer.submit_nowait(command)
        except TektonError as error:
            _untold(lease, error)
            return None
        lease.weighing = asyncio.get_running_loop().create_future()
        judging.add_done_callback(lambda done: _weighed(lease, done))
        return lease.weighing


def _weighed(lease: Lease, judged: asyncio.Future[Any]) -> None:
    weighing, lease.weighing = lease.weighing, None
    error = None if judged.cancelled() else judged.exception()
    if error is not None:
        _untold(lease, error)
    if weighing is not None and not weighing.done():
        weighing.set_result(None)


def _untold(lease: Lease, error: BaseException) -> None:
    # No more than this: the lag comes with every beat, so the next one says it again.
    log.debug("whether %s is busy could not be recorded: %s", lease.instance_uuid, error)
