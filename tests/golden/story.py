"""The story of the corpus, told over one transport to a control plane that hears nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from tekton.v1 import system_service_pb2 as system_pb
from tests.golden.corpus import Case, Exchange, Step, filled
from tests.golden.transports import Transport
from tests.support.client import Stubs
from tests.support.shapes import assert_superset
from tests.support.sse import Event


class Story:
    """Who tells it, and what was kept so far."""

    def __init__(self, transport: Transport, api: Stubs) -> None:
        self._transport = transport
        self._api = api
        self._kept: dict[str, str] = {}

    async def told(self, case: Case) -> list[Any]:
        """Tell a case, check it, and give all that came back."""
        if not case.events:
            return await self._called(case)
        found: list[Any] = []
        async with self._transport.watch(filled(case, self._kept)) as watch:
            if "Watch" in case.rpc:
                # A watch of beats says nothing when it begins.
                await self._until_watchers(1)
            for step in case.events:
                if step.meanwhile is not None:
                    found += await self._called(step.meanwhile)
                else:
                    found += self._seen(case, step, await watch.next())
        await self._until_watchers(0)
        return found

    async def _called(self, exchange: Exchange) -> list[Any]:
        asked = filled(exchange, self._kept)
        answer = await self._transport.call(asked)
        assert answer.status == self._transport.wanted(asked), answer
        assert_superset(answer.body, asked.reply, loose=asked.loose)
        assert not [text for text in asked.holds if text not in answer.body["text"]]
        self._kept |= {name: _at(answer.body, place) for name, place in asked.keep.items()}
        return [answer.body, answer.revision]

    def _seen(self, case: Case, step: Step, event: Event) -> list[Any]:
        wanted = filled(step, self._kept)
        assert event.name == wanted.event, event
        assert_superset(event.data, wanted.data, loose=case.loose)
        if wanted.id is not None:
            assert_superset(event.last_id, wanted.id, f"the id after {event}")
        if step.keep:
            self._kept[step.keep] = event.last_id
        return [event.name, event.data, event.last_id]

    async def _until_watchers(self, count: int) -> None:
        async with asyncio.timeout(5):
            while (await self._api.system.Metrics(system_pb.MetricsRequest())).watchers != count:
                pass


def _at(body: Any, place: str) -> str:
    """Give a field of a reply: `commands.0.command_id` is one of the first of its commands."""
    for name in place.split("."):
        body = body[int(name)] if isinstance(body, list) else body[name]
    return str(body)
