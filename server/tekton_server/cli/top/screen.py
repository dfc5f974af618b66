"""The live screen of `tekton top`."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.widgets import Footer, Input, Static

from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.cli import output
from tekton_server.cli.text import clean
from tekton_server.cli.top import chart, layout
from tekton_server.cli.top.model import HOUR, Model, Point, seconds
from tekton_server.cli.top.orders import Order
from tekton_server.cli.top.table import Table

# What changed is drawn so often, and ages go on, in seconds.
_APART, _AGES = 0.25, 1.0
# A screen with fewer lines has no charts.
_ALL_LINES = 22
_GPUS, _ALARMS = 8, 3


class Source(Protocol):
    """Whom the screen asks."""

    @property
    def target(self) -> object:
        """Where that is."""
        ...

    def watch_figures(self, lost: Callable[[TektonError], None]) -> AsyncGenerator[pb.ResourceEvent, None]:
        """Watch everything that is used."""
        ...

    async def used_by_machine(self, seconds: float) -> pb.SystemResources:
        """Ask what the machine has used since so many seconds."""
        ...

    async def used_by(self, component_id: str, seconds: float) -> pb.ComponentResources:
        """Ask what a component has used since so many seconds."""
        ...


async def show(source: Source, order: Order, text: str) -> None:
    """Show everything until somebody ends it.

    Raises:
        TektonError: nobody may see it.
    """
    app = Top(source, order, text)
    loop, ends = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGHUP)
    for number in ends:
        # Else the terminal would be left as the screen needs it: without lines, echo and cursor.
        loop.add_signal_handler(number, app.exit)
    try:
        await app.run_async()
    finally:
        for number in ends:
            loop.remove_signal_handler(number)
    if app.failure is not None:
        raise app.failure


class Chart(Static):
    """The last hour of a figure. `greatest` is what fills it; None is whatever was the most."""

    def __init__(self, name: str, greatest: float | None = 100.0, *, plain: bool = False) -> None:
        super().__init__(id=name, classes="chart")
        self._greatest = greatest
        self._plain = plain
        self._drawn: tuple[str, Sequence[tuple[float, float | None]]] = "", ()

    def on_resize(self) -> None:
        """Draw what there is in the new size."""
        self.draw(*self._drawn)

    def draw(self, title: str, points: Sequence[tuple[float, float | None]]) -> None:
        """Draw it."""
        self._drawn = title, points
        width, height = self.size.width, self.size.height - 1
        values = chart.columns(points, time.time(), width, HOUR)
        most = self._greatest or max((value for value in values if value is not None), default=0.0)
        picture = chart.lines(values, max(0, height), most, plain=self._plain)
        self.update(Text("\n".join([title[: max(0, width - 1)], *picture]), no_wrap=True))


class Top(App[None]):
    """Everything that is used, live."""

    CSS = """
    #summary, #facts, #head { height: auto; }
    #charts { height: 5; }
    #one { height: 6; display: none; border-top: solid $primary; }
    .chart { width: 1fr; height: 100%; margin-right: 1; }
    #table { height: 1fr; }
    #filter { display: none; height: 3; }
    """
    TITLE = "tekton top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("slash", "filter", "Filter"),
        Binding("c", "sort('cpu')", "CPU"),
        Binding("m", "sort('memory')", "Memory"),
        Binding("g", "sort('gpu')", "GPU"),
        Binding("n", "sort('name')", "Name"),
        Binding("s", "sort('state')", "State"),
        Binding("r", "backwards", "Reverse"),
        Binding("p,space", "pause", "Pause"),
        Binding("escape", "clear", "Back", show=False),
    ]

    def __init__(self, source: Source, order: Order = Order.CPU, text: str = "") -> None:
        super().__init__()
        self.model = Model()
        self.failure: TektonError | None = None
        self.paused = False
        self._source = source
        self._order, self._backwards, self._text = order, False, text
        self._opened: str | None = None
        self._past: list[Point] = []
        self._aged = 0.0
        # While it is shown, something else stands in the place of stdout.
        self._plain = output.plain_ascii()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="summary")
        with Horizontal(id="charts"):
            for name in ("cpu", "memory", "gpu"):
                yield Chart(name, plain=self._plain)
        yield Static(id="facts")
        with Horizontal(id="one"):
            for name in ("one-cpu", "one-memory"):
                yield Chart(name, None, plain=self._plain)
        yield Static(id="head")
        yield Table()
        yield Input(self._text, placeholder="text in id, type or state", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Begin."""
        self._table.focus()
        self.run_worker(self._follow(), name="figures")
        self.run_worker(self._remember(), name="the last hour")
        self.set_interval(_APART, self._tick)

    async def _follow(self) -> None:
        try:
            async with aclosing(self._source.watch_figures(lambda error: self.model.lost(error.message))) as events:
                async for event in events:
                    self.model.take(event)
                    self._grow(event)
        except TektonError as error:
            self.failure = error
            self.exit()

    async def _remember(self) -> None:
        try:
            self.model.remember(await self._source.used_by_machine(HOUR))
        except TektonError as error:
            self.log(f"no figures of the last hour: {error}")

    def _grow(self, event: pb.ResourceEvent) -> None:
        """Keep the charts of the opened component going."""
        for one in event.components:
            if self._opened is not None and lookup_key(one.component_id) == lookup_key(self._opened):
                usage = one.usage
                self._past.append(Point(seconds(one.timestamp), usage.cpu_percent, usage.memory.rss))
                del self._past[:-7200]

    # Drawing.

    def _tick(self) -> None:
        now = time.monotonic()
        # As it ends the timer may go on for a moment without anything to draw on.
        if self.paused or not self._standing or not (self.model.changed or now - self._aged >= _AGES):
            return
        if self.model.changed:
            self._draw()
        else:
            # Ages go on by themselves; only what is seen is drawn.
            self._table.refresh()
        self._aged = now

    def _draw(self) -> None:
        self.model.changed = False
        self._summarize()
        self._draw_machine()
        self._draw_one()
        self._table.show(self.model.shown(self._order, self._text, backwards=self._backwards))
        self._draw_head()

    def _summarize(self) -> None:
        said = layout.summary(self.model, str(self._source.target))
        if self._text:
            said.append(f"  only with {clean(self._text)}", "bold")
        if self.paused:
            said.append("  paused", "bold reverse")
        self.query_one("#summary", Static).update(said)

    def _draw_machine(self) -> None:
        system, roomy = self.model.system, self.size.height >= _ALL_LINES
        facts = layout.alarms(self.model, _ALARMS)
        charts = self.query_one("#charts")
        charts.display = roomy and system is not None
        if system is not None:
            told = dict(layout.machine(system))
            points = self.model.points
            self.query_one("#cpu", Chart).draw(f"cpu {told['cpu']}", [(one.at, one.cpu) for one in points])
            self.query_one("#memory", Chart).draw(f"memory {told['memory']}", [(one.at, one.memory) for one in points])
            gpu = self.query_one("#gpu", Chart)
            gpu.display = bool(system.gpu)
            gpu.draw("gpu, the busiest", [(one.at, one.gpu) for one in points])
            names = ("load", "swap", "disk", "network") if roomy else ("cpu", "memory")
            rest = "   ".join(f"{name} {told[name]}" for name in names if name in told)
            each = [Text.assemble((f"{name} ", "bold"), value) for name, value in self._gpus(system, roomy)]
            facts = [Text(rest), *each, *facts]
        else:
            facts = [Text("the figures of the machine are not known", style="yellow"), *facts]
        self.query_one("#facts", Static).update(Text("\n").join(facts))

    def _gpus(self, system: pb.SystemResources, roomy: bool) -> list[tuple[str, str]]:
        found = list(layout.gpus(system))
        most = _GPUS if roomy else 1
        return found if len(found) <= most else [*found[:most], ("", f"and {len(found) - most} more GPUs")]

    def _draw_one(self) -> None:
        one = self.query_one("#one")
        one.display = self._opened is not None and self.size.height >= _ALL_LINES
        if self._opened is None:
            return
        row = self.model.rows.get(lookup_key(self._opened))
        name = clean(self._opened)
        said = f"{name} is gone" if row is None else f"{name} cpu {'-' if row.cpu is None else f'{row.cpu:.1f} %'}"
        used = "memory -" if row is None else f"memory {layout.megabytes(row.memory)}"
        self.query_one("#one-cpu", Chart).draw(said, [(point.at, point.cpu) for point in self._past])
        self.query_one("#one-memory", Chart).draw(used, [(point.at, point.memory) for point in self._past])

    def _draw_head(self) -> None:
        sizes = layout.widths(self._table.size.width)
        self.query_one("#head", Static).update(layout.head(sizes, self._order, backwards=self._backwards))

    # What is asked for.

    def on_resize(self, event: Resize) -> None:
        """Draw anew, once everything has its new size."""
        self.model.changed = True

    def on_table_opened(self, message: Table.Opened) -> None:
        """Show the last hour of a component; of the same one once more, end it."""
        same = message.component_id == self._opened
        self._opened, self._past = (None if same else message.component_id), []
        self._redraw()
        if self._opened is not None:
            self.run_worker(self._open(self._opened), name="one", group="one", exclusive=True)

    async def _open(self, component_id: str) -> None:
        try:
            found = await self._source.used_by(component_id, HOUR)
        except TektonError as error:
            self.log(f"no figures of the last hour of {component_id}: {error}")
            return
        past = [Point(seconds(one.timestamp), one.cpu_percent, one.memory_mb) for one in found.history]
        self._past = [*past, *self._past]
        self._redraw()

    def action_sort(self, order: str) -> None:
        """Sort otherwise."""
        self._order, self._backwards = Order(order), False
        self._redraw()

    def action_backwards(self) -> None:
        """Turn the order around."""
        self._backwards = not self._backwards
        self._redraw()

    def action_pause(self) -> None:
        """Leave the picture as it is, or let it go on."""
        self.paused = not self.paused
        self._redraw()

    def action_filter(self) -> None:
        """Ask for a text."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_clear(self) -> None:
        """Leave the filter, then the charts of one component."""
        box = self.query_one("#filter", Input)
        if box.display or self._text:
            box.value, self._text, box.display = "", "", False
        else:
            self._opened = None
        self._table.focus()
        self._redraw()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter as it is typed."""
        self._text = message.value.strip()
        self._redraw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Keep the filter, and go back to the table."""
        message.input.display = False
        self._table.focus()

    def _redraw(self) -> None:
        """Draw what a key asked for, also while paused."""
        if self.paused and self._standing:
            self._draw()
        self.model.changed = True

    @property
    def _standing(self) -> bool:
        return bool(self.query(Table)) and bool(self.query("#summary"))

    @property
    def _table(self) -> Table:
        return self.query_one(Table)
