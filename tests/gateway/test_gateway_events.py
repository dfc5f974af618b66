"""Server-sent events through the real Envoy: at once, without a timeout, and to nobody who has left."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, rest_client
from tests.gateway.test_gateway_rest import EVENTS, error_of

pytestmark = pytest.mark.timeout(30)


async def test_server_sent_events_arrive_as_they_happen(rest: httpx.AsyncClient) -> None:
    """The first event is here while the stream goes on."""
    async with rest.stream("GET", EVENTS) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert await anext(response.aiter_text()) == "event: registry\ndata: first\n\n"


@pytest.mark.parametrize("when", ["missing", "late"])
async def test_a_stream_that_fails_before_its_first_event_is_the_documented_error(
    rest: httpx.AsyncClient, when: str
) -> None:
    """Whether or not the server had sent initial metadata."""
    response = await rest.get(EVENTS, params={"component_ids": when})
    error = error_of(response, 400, 1000, "validation_error")
    assert error["details"]["violations"][0]["field"] == "after_revision"


async def test_a_stream_that_fails_after_its_first_event_just_ends(rest: httpx.AsyncClient) -> None:
    """Its status is sent already; what there is to say the server says as an event."""
    response = await rest.get(EVENTS, params={"component_ids": "breaks"})
    assert response.status_code == 200
    assert response.text == "event: registry\ndata: first\n\n"


async def test_a_stream_may_be_silent_for_longer_than_any_timeout(
    start_gateway: StartGateway, server: CannedServer
) -> None:
    """Neither the timeout of unary calls nor that of stalled requests is for streams."""
    gateway = await start_gateway(unary_timeout=0.2, request_idle_timeout=0.2)
    async with rest_client(gateway) as rest, rest.stream("GET", EVENTS) as response:
        events = response.aiter_text()
        await anext(events)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 1.0)


async def test_a_client_that_leaves_ends_its_stream_at_the_server(
    rest: httpx.AsyncClient, server: CannedServer
) -> None:
    """The server does not go on sending to nobody."""
    async with rest.stream("GET", EVENTS):
        await server.until_open(1)
    await server.until_idle()
