"""Small things that the tests of the SDK share."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from tekton.client import ComponentRegistration
from tests.support.ports import REGISTERED

_ports = itertools.cycle(REGISTERED)


def component(prefix: str = "part", **fields: Any) -> ComponentRegistration:
    """Make a registration that no other test collides with."""
    given = {
        "component_id": f"{prefix}_{uuid.uuid4().hex[:8]}",
        "component_name": "A part",
        "component_type": "service",
        "version": "1.0.0",
        "port": next(_ports),
    }
    return ComponentRegistration(**(given | fields))


async def eventually(holds: Callable[[], Awaitable[Any]], within: float = 5.0) -> Any:
    """Wait until something holds, and give it.

    Raises:
        AssertionError: it did not come to hold in time.
    """
    give_up = time.monotonic() + within
    while not (found := await holds()):
        assert time.monotonic() < give_up, "it did not come to hold"
        await asyncio.sleep(0.02)
    return found
