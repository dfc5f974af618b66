"""One batch: commands decided in turn on an overlay, and what each caller will be told once it is durable."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from tekton.core.errors import RequestMismatchError, TektonError
from tekton.core.view import Commit, View
from tekton_server.domain.commands import Command, decode_reply, encode_reply, replayed
from tekton_server.domain.decide import decide
from tekton_server.domain.overlay import Overlay, Tombstones
from tekton_server.live.call import CURRENT
from tekton_server.storage.journal import Head
from tekton_server.storage.requests import Answered, Request, RequestKey

DECIDE_WITHIN = 0.1

log = logging.getLogger(__name__)


class Pending:
    """A command (None: only fold what others wrote), who waits for it, and under which request id it came."""

    __slots__ = ("call", "command", "future", "guard", "request")

    def __init__(
        self,
        command: Command | None,
        *,
        guard: Callable[[], bool] | None = None,
        request: Request | None = None,
    ) -> None:
        self.command = command
        self.guard = guard
        self.request = request
        self.call = CURRENT.get()
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def resolve(self, answer: Any) -> None:
        """Tell the caller; an error is raised there. A caller that is gone, or was told, is left alone."""
        if self.future.done():
            return
        if isinstance(answer, TektonError):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


class Batch:
    """What became of one attempt."""

    def __init__(self, view: View, head: Head, remembered: Mapping[RequestKey, Answered], tombs: Tombstones) -> None:
        self.batch_id = uuid4()
        self.commits: list[Commit] = []
        self.answered: dict[RequestKey, Answered] = {}
        self._answers: list[tuple[Pending, Any]] = []
        self._now = head.now
        self._remembered = remembered
        self._overlay = Overlay(view, tombs)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to store."""
        return not self.commits and not self.answered

    def decide(self, pending: Sequence[Pending]) -> Sequence[Pending]:
        """Decide each command on what the ones before it have changed; gives back those that time did not allow for.

        The journal's lock is held meanwhile and the event loop is not given up, so a batch is bounded in time.
        """
        until = time.monotonic() + DECIDE_WITHIN
        for number, item in enumerate(pending):
            if number and time.monotonic() > until:
                return pending[number:]
            if item.command is None or (item.guard is not None and not item.guard()):
                self._answers.append((item, None))
            elif item.request is None:
                self._answers.append((item, self._decide(item.command)))
            else:
                self._answers.append((item, self._once(item.command, item.request)))
        return ()

    @property
    def request_ids(self) -> list[str]:
        """The names of the calls whose commands were decided, as the log has them."""
        return [item.call.request_id for item, _ in self._answers if item.call is not None]

    def resolve(self) -> None:
        """Tell every caller."""
        for item, answer in self._answers:
            item.resolve(answer)

    def _once(self, command: Command, request: Request) -> Any:
        """Decide a command that may have been answered before, in an earlier batch or in this one."""
        known = self._remembered.get(request.key) or self.answered.get(request.key)
        if known is None:
            answer = self._decide(command)
            if not isinstance(answer, TektonError):
                # Refusals are not remembered: once its cause is gone, the same request may well succeed.
                self.answered[request.key] = Answered(request.body_hash, encode_reply(answer))
            return answer
        if known.body_hash != request.body_hash:
            return RequestMismatchError(
                f"request_id {request.key.request_id} was used with another body; use a new one",
                details={"request_id": request.key.request_id},
            )
        return replayed(decode_reply(command, known.reply))

    def _decide(self, command: Command) -> Any:
        revision, now = self._overlay.revision, self._now
        try:
            decision = decide(self._overlay, command, now)
        except TektonError as error:
            return error
        except Exception as error:
            log.exception("deciding %s failed", type(command).__name__)
            return TektonError(f"the server failed to decide this: {type(error).__name__}")
        if decision.changes:
            self.commits.append(Commit(revision, now, decision.changes))
            self._overlay.accept(decision.changes)
        return decision.reply
