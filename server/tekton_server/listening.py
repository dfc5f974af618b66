"""Listeners of this process: how an address is written, and whether what listens there can still be connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tekton.core.ids import bracketed

# How often listeners are connected to from inside, and how long that may take, in seconds.
PROBE_EVERY = 5.0
PROBE_WITHIN = 2.0

Address = Path | tuple[str, int]


class ListenError(Exception):
    """An address cannot be listened on; the text is one sentence with the remedy."""


async def reachable(addresses: Sequence[Address]) -> None:
    """Connect to each listener. A connection is all that is asked for: an answer late under load is no outage.

    Raises:
        ListenError: one is gone.
    """
    for address in addresses:
        try:
            async with asyncio.timeout(PROBE_WITHIN):
                _, writer = await _connect(address)
        except TimeoutError:
            continue
        except OSError as error:
            raise ListenError(f"nothing listens on {_shown(address)} any more") from error
        writer.close()


async def unreachable(addresses: Sequence[Address]) -> str:
    """Probe listeners now and then, and return once one is gone, saying which."""
    while True:
        await asyncio.sleep(PROBE_EVERY)
        try:
            await reachable(addresses)
        except ListenError as error:
            return str(error)


def callable_host(host: str) -> str:
    """Give an address to call: every-address is one to listen on only."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, Path):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


def _shown(address: Address) -> str:
    return str(address) if isinstance(address, Path) else f"{bracketed(address[0])}:{address[1]}"
