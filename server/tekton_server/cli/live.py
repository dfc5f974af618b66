"""Showing something as it changes: drawn anew on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from rich.console import Group
from rich.live import Live
from rich.text import Text

from tekton_server.cli import output

T = TypeVar("T")
# People do not see more pictures a second, and a burst of changes is one picture.
_APART = 0.1


async def redraw(changes: AsyncIterator[T], draw: Callable[[], Awaitable[Iterable[Text]]], every: float = 1.0) -> None:
    """Draw whenever something changed, and `every` so many seconds for what counts on by itself, such as ages."""
    dirty = asyncio.Event()

    async def listen() -> None:
        async for _ in changes:
            dirty.set()

    # Put in place of stdout, Rich's would tell nobody that it is a terminal, and of which encoding.
    screen = Live(console=output.console(), auto_refresh=False, vertical_overflow="crop", redirect_stdout=False)
    with screen as shown:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(listen())
            while not listening.done():
                try:
                    async with asyncio.timeout(every):
                        await dirty.wait()
                except TimeoutError:
                    pass
                dirty.clear()
                shown.update(Group(*await draw()), refresh=True)
                await asyncio.sleep(_APART)
            # What came during the pause, where it was the last.
            shown.update(Group(*await draw()), refresh=True)
