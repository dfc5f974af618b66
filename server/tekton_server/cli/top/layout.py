"""How `tekton top` looks, line by line: the summary, the GPUs, what is too much, and the rows of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from tekton.v1 import resource_service_pb2 as pb
from tekton_server.cli.grid import STYLES, fitted
from tekton_server.cli.text import ago, clean
from tekton_server.cli.top.model import Model, Row
from tekton_server.cli.top.orders import Order

_OWNERS = 3


class Column(NamedTuple):
    """A column: its title, its width, whether it is of numbers, by what it is sorted, and how soon it is dropped."""

    title: str
    width: int
    right: bool = False
    order: Order | None = None
    drop: int = 0


_SINCE = Column("SINCE", 7, right=True, drop=4)
COLUMNS = (
    Column("COMPONENT", 16, order=Order.NAME),
    Column("STATE", 12, order=Order.STATE),
    _SINCE,
    Column("TYPE", 12, drop=5),
    Column("INST", 4, right=True, drop=3),
    Column("CPU %", 8, right=True, order=Order.CPU),
    Column("MEMORY", 9, right=True, order=Order.MEMORY),
    Column("GPU MEM", 9, right=True, order=Order.GPU, drop=2),
)


def widths(width: int) -> list[int]:
    """Give how wide each column is; 0 for one for which there is no room. The first takes what is left."""
    found = [column.width for column in COLUMNS]
    while sum(found) + 2 * (sum(map(bool, found)) - 1) > width:
        droppable = [at for at, column in enumerate(COLUMNS) if column.drop and found[at]]
        if not droppable:
            break
        found[max(droppable, key=lambda at: COLUMNS[at].drop)] = 0
    found[0] = max(8, found[0] + width - sum(found) - 2 * (sum(map(bool, found)) - 1))
    return found


def head(sizes: Sequence[int], order: Order, *, backwards: bool) -> Text:
    """Give the titles, with a mark at what it is sorted by."""
    line = Text(style="bold")
    for column, size in _placed(sizes):
        mark = ("^" if backwards else "v") if column.order is order else ""
        _append(line, column, column.title + mark, size, "reverse" if mark else "")
    return line


def row_cells(row: Row, sizes: Sequence[int], now: datetime) -> list[tuple[str, str]]:
    """Give a row as texts with their styles; whatever could act on a terminal is shown as an escape."""
    found: list[tuple[str, str]] = []
    for column, size, cell in zip(COLUMNS, sizes, cells(row, now), strict=True):
        if not size:
            continue
        if found:
            found.append(("  ", ""))
        # The larger unit of an age is enough in a picture that is always of now.
        text = cell.partition(" ")[0] if column is _SINCE else clean(cell)
        style = STYLES.get(row.status, "cyan") if column.order is Order.STATE else ""
        found.append((_aligned(column, text, size), style))
    return found


def cells(row: Row, now: datetime) -> list[str]:
    """Give what is told of a component, a text for each column, as whoever registered it wrote it."""
    return [
        row.component_id,
        row.status,
        ago(row.since, now),
        row.kind or "-",
        str(row.instances),
        "-" if row.cpu is None else f"{row.cpu:.1f}",
        megabytes(row.memory),
        megabytes(row.gpu),
    ]


def megabytes(value: float | None) -> str:
    """Give MB for people."""
    if value is None:
        return "-"
    return f"{value:.0f} MB" if value < 10_000 else f"{value / 1024:.1f} GB"


def summary(model: Model, target: str) -> Text:
    """Say who is there."""
    said = Text()
    said.append(clean(target), "bold")
    said.append(f"  {len(model.rows):,} components")
    for at, (state, count) in enumerate(model.states()):
        said.append(": " if at == 0 else ", ")
        said.append(f"{count:,} {state}", STYLES.get(state, "cyan"))
    if model.trouble:
        said.append(f"  no connection: {clean(model.trouble)}; trying again", "bold red")
    return said


def machine(system: pb.SystemResources) -> Iterator[tuple[str, str]]:
    """Say what a machine uses: a name and a sentence each."""
    cpu, memory, disk, network = system.cpu, system.memory, system.disk, system.network
    yield "cpu", f"{cpu.overall_percent:.1f} % of {cpu.cores} cores"
    yield "load", " ".join(f"{one:.2f}" for one in cpu.load_average)
    yield "memory", f"{memory.percent:.1f} %, {memory.used:.1f} of {memory.total:.1f} GB"
    if memory.swap_total:
        yield "swap", f"{memory.swap_used:.1f} of {memory.swap_total:.1f} GB"
    path = f" ({clean(disk.path)})" if disk.path else ""
    yield "disk", f"{disk.percent:.1f} %, {disk.used:.1f} of {disk.total:.1f} GB{path}"
    rates = f"{_rate(network.sent_per_second)} sent, {_rate(network.recv_per_second)} received"
    yield "network", rates


def gpus(system: pb.SystemResources) -> Iterator[tuple[str, str]]:
    """Say how each GPU is: a name and a sentence each."""
    for gpu in system.gpu:
        name = f"gpu {gpu.id}"
        if gpu.status == "lost":
            yield name, f"{clean(gpu.name)}: lost, the driver cannot reach it"
            continue
        told = [clean(gpu.name)]
        if gpu.HasField("util"):
            told.append(f"{gpu.util:.0f} %")
        if gpu.HasField("memory_used"):
            told.append(f"{gpu.memory_used:.1f} of {gpu.memory_total:.1f} GB")
        if gpu.HasField("temperature"):
            told.append(f"{gpu.temperature:.0f} °C")
        owners = dict.fromkeys(clean(one.component_id) for one in gpu.processes if one.component_id)
        if owners:
            more = f" and {len(owners) - _OWNERS} more" if len(owners) > _OWNERS else ""
            told.append(f"used by {', '.join(list(owners)[:_OWNERS])}{more}")
        yield name, ", ".join(told)


def alarms(model: Model, most: int) -> list[Text]:
    """Say what is too much: machines first, each a line, and how many there are that have none."""
    standing = sorted(model.alarms.values(), key=lambda one: (bool(one.component_id), one.since.seconds))
    shown = [Text(f"! {clean(one.message)}", style="yellow") for one in standing[:most]]
    if len(standing) > most and shown:
        shown[-1].append(f"  (and {len(standing) - most} more)")
    return shown


def _rate(value: float) -> str:
    return f"{value / 1e6:.1f} MB/s" if value >= 1e5 else f"{value / 1e3:.1f} kB/s"


def _placed(sizes: Sequence[int]) -> Iterable[tuple[Column, int]]:
    return ((column, size) for column, size in zip(COLUMNS, sizes, strict=True) if size)


def _append(line: Text, column: Column, text: str, size: int, style: str) -> None:
    if line:
        line.append("  ")
    line.append(_aligned(column, text, size), style)


def _aligned(column: Column, text: str, size: int) -> str:
    return text.rjust(size) if column.right and len(text) <= size else fitted(text, size)
