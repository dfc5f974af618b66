"""One look at everything that is used: where the output is piped, and for scripts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, NoReturn

from rich.text import Text

from tekton import _convert
from tekton.core.errors import TektonError, TektonTimeoutError
from tekton_server.cli import output
from tekton_server.cli.grid import Column, grid
from tekton_server.cli.output import Format
from tekton_server.cli.remote import Remote
from tekton_server.cli.text import clean
from tekton_server.cli.top import layout
from tekton_server.cli.top.model import Model, Row
from tekton_server.cli.top.orders import Order

_LISTED = (
    Column("COMPONENT"), Column("STATE"), Column("SINCE", 4), Column("TYPE", 5), Column("INST", 3), Column("CPU %"),
    Column("MEMORY"), Column("GPU MEM", 2),
)  # fmt: skip
_ALARMS = 20


def interactive() -> bool:
    """Tell whether there is a terminal to draw on and to be told keys by."""
    return output.on_terminal() and sys.stdin.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


async def look(remote: Remote, order: Order, text: str, form: Format, within: float) -> None:
    """Write everything once.

    Raises:
        TektonTimeoutError: it is not all told in time.
    """
    model = await _gathered(remote, within)
    rows = model.shown(order, text)
    output.write(
        _data(model, rows), form, lambda: _lines(model, rows, str(remote.target)), lambda: [one[0] for one in rows]
    )


async def _gathered(remote: Remote, within: float) -> Model:
    model = Model()
    try:
        async with asyncio.timeout(within), aclosing(remote.watch_figures(_refuse)) as events:
            async for event in events:
                model.take(event)
                if model.whole:
                    break
    except TimeoutError:
        raise TektonTimeoutError(f"{remote.target} did not tell everything within {within:g} s") from None
    return model


def _refuse(error: TektonError) -> NoReturn:
    raise error


def _data(model: Model, rows: list[Row]) -> dict[str, Any]:
    return {
        "system": None if model.system is None else _convert.plain(model.system),
        "alarms": [_convert.plain(one) for one in model.alarms.values()],
        "states": dict(model.states()),
        "components": [_convert.plain(model.of(row)) for row in rows],
    }


def _lines(model: Model, rows: list[Row], target: str) -> Iterator[Text]:
    yield layout.summary(model, target)
    if model.system is None:
        yield Text("the figures of the machine cannot be read now", style="yellow")
    else:
        facts = [("host", clean(model.system.host)), *layout.machine(model.system), *layout.gpus(model.system)]
        yield from (Text.assemble((f"  {name:<8}", "dim"), value) for name, value in facts)
    yield from layout.alarms(model, _ALARMS)
    yield Text()
    now = datetime.now(UTC)
    yield from grid(_LISTED, [layout.cells(row, now) for row in rows], output.width())
