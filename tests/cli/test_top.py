"""`tekton top`: its screen as a person uses it, with figures of the test's, and as scripts run it beside a Tekton."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from tekton.client import TektonClient
from tekton.core.errors import TektonError, UnavailableError, ValidationError
from tekton.v1 import component_pb2
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.cli.remote import Remote
from tekton_server.cli.top import chart, layout
from tekton_server.cli.top.model import Model, Point
from tekton_server.cli.top.orders import Order
from tekton_server.cli.top.screen import Chart, Top, show
from tekton_server.cli.top.table import Table
from tests.cli.running import on_a_terminal, run
from tests.sdk.fleet import component
from tests.support.client import new_id, stubs
from tests.support.control_plane import ControlPlane
from tests.support.processes import TEKTON, environment

S = component_pb2.ComponentState


def figures(name: str, *, cpu: float | None = None, state: str = "ready", **more: Any) -> pb.ComponentFigures:
    """Make the figures of a component."""
    made = pb.ComponentFigures(
        component_id=name, component_type=more.get("kind", "service"), status=S.Value.Value(state), instances=1
    )
    made.status_since.FromSeconds(int(time.time()) - 65)
    if cpu is not None:
        made.usage.cpu_percent = cpu
        made.usage.memory.rss = more.get("memory", cpu)
        if "gpu" in more:
            made.usage.gpu.memory_used = more["gpu"]
        made.timestamp.GetCurrentTime()
    return made


def system(cpu: float = 45.0, *gpus: pb.GpuResources) -> pb.SystemResources:
    """Make the figures of a machine."""
    made = pb.SystemResources(host="here", gpu=gpus)
    made.cpu.overall_percent, made.cpu.cores = cpu, 8
    made.cpu.load_average.extend([1, 2, 3])
    made.memory.total, made.memory.used, made.memory.percent = 16, 8, 50
    made.disk.total, made.disk.used, made.disk.percent = 100, 40, 40
    made.timestamp.GetCurrentTime()
    return made


class Scripted:
    """Says what the test wants."""

    target = "localhost:8010"

    def __init__(self, *components: pb.ComponentFigures, machine: pb.SystemResources | None = None) -> None:
        self.watches = 0
        self.asked: list[str] = []
        self.lost: Callable[[TektonError], None] = lambda error: None
        self._events: asyncio.Queue[pb.ResourceEvent | TektonError] = asyncio.Queue()
        self.say(event="present")
        self.say(event="system", system=machine or system())
        for start in range(0, len(components), 500):
            self.say(event="components", components=components[start : start + 500])
        self.say(event="complete")

    def say(self, **event: Any) -> None:
        """Send an event."""
        self._events.put_nowait(pb.ResourceEvent(**event))

    def fail(self, error: TektonError) -> None:
        """End the watch."""
        self._events.put_nowait(error)

    async def watch_figures(self, lost: Callable[[TektonError], None]) -> AsyncGenerator[pb.ResourceEvent, None]:
        self.watches += 1
        self.lost = lost
        while True:
            event = await self._events.get()
            if isinstance(event, TektonError):
                raise event
            yield event

    async def used_by_machine(self, seconds: float) -> pb.SystemResources:
        past = system()
        for minute in range(60):
            point = past.history.add(cpu_percent=minute, memory_percent=50)
            point.timestamp.FromSeconds(int(time.time()) - 60 * (60 - minute))
        return past

    async def used_by(self, component_id: str, seconds: float) -> pb.ComponentResources:
        self.asked.append(component_id)
        if component_id == "gone":
            raise UnavailableError("no")
        past = pb.ComponentResources(component_id=component_id)
        for step in range(20):
            point = past.history.add(cpu_percent=step, memory_mb=100)
            point.timestamp.FromSeconds(int(time.time()) - 30 * (20 - step))
        return past


async def settled(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait until the screen is as it should be."""
    async with asyncio.timeout(10):
        while not holds():
            await pilot.pause(0.05)


def table(app: Top) -> Table:
    """Find the table."""
    return app.query_one(Table)


def said(app: Top, name: str) -> str:
    """Read a part of the screen."""
    return str(app.query_one(name, Static).render())


def listed(app: Top) -> list[str]:
    """Give the ids in their order."""
    return [row.component_id for row in table(app).rows]


FEW = (
    figures("alpha", cpu=10, memory=300, state="failed"),
    figures("beta", cpu=150, memory=20, gpu=2000, kind="llm"),
    figures("gamma"),
)


async def test_the_screen_shows_everything_in_order() -> None:
    """Who is there, the machine, the table; the keys sort, and what nobody knows is last."""
    app = Top(Scripted(*FEW))
    async with app.run_test(size=(110, 40)) as pilot:
        await settled(pilot, lambda: listed(app) == ["beta", "alpha", "gamma"])
        assert "3 components: 1 failed, 2 ready" in said(app, "#summary")
        assert "cpu 45.0 % of 8 cores" in said(app, "#cpu")
        assert "load 1.00 2.00 3.00   disk 40.0 %" in said(app, "#facts")
        for key, order in (
            ("m", ["alpha", "beta", "gamma"]), ("g", ["beta", "alpha", "gamma"]), ("n", ["alpha", "beta", "gamma"]),
            ("r", ["gamma", "beta", "alpha"]), ("s", ["alpha", "beta", "gamma"]), ("c", ["beta", "alpha", "gamma"]),
            ("r", ["alpha", "beta", "gamma"]),
        ):  # fmt: skip
            await pilot.press(key)
            await settled(pilot, lambda order=order: listed(app) == order)
        assert "CPU %^" in said(app, "#head")
        await pilot.press("q")


async def test_one_subscription_brings_every_change() -> None:
    """New figures, who is gone, what is too much, and a connection that is lost and comes back."""
    source = Scripted(*FEW)
    app = Top(source)
    async with app.run_test(size=(110, 40)) as pilot:
        await settled(pilot, lambda: len(listed(app)) == 3)
        alarm = pb.ResourceAlarm(figure="cpu_percent", host="here", message="here: processors busy 99 %\x1b[2J")
        source.say(event="threshold_exceeded", alarm=alarm)
        source.say(event="components", components=[figures("gamma", cpu=400)])
        source.say(event="components", components=[pb.ComponentFigures(component_id="alpha", removed=True)])
        await settled(pilot, lambda: listed(app) == ["gamma", "beta"])
        assert "! here: processors busy 99 %\\x1b[2J" in said(app, "#facts")
        source.say(event="threshold_cleared", alarm=alarm)
        await settled(pilot, lambda: "busy 99" not in said(app, "#facts"))
        source.lost(UnavailableError("nothing listens"))
        await settled(pilot, lambda: "no connection: nothing listens" in said(app, "#summary"))
        # What was known stays until all is told again; then who was not told is gone.
        source.say(event="present")
        source.say(event="components", components=[figures("beta", cpu=1)])
        await settled(pilot, lambda: "no connection" not in said(app, "#summary"))
        assert len(listed(app)) == 2
        source.say(event="complete")
        await settled(pilot, lambda: listed(app) == ["beta"])
        assert source.watches == 1


async def test_five_thousand_components_are_usable() -> None:
    """Only the lines that are seen are drawn, and a key is answered at once, while all of them change."""
    many = [figures(f"part-{number:04}", cpu=number % 100) for number in range(5000)]
    source = Scripted(*many)
    app = Top(source)
    async with app.run_test(size=(120, 50)) as pilot:
        await settled(pilot, lambda: len(listed(app)) == 5000)
        assert "5,000 components: 5,000 ready" in said(app, "#summary")
        before = table(app).drawn
        began = time.monotonic()
        for start in range(0, 5000, 500):
            changed = [figures(one.component_id, cpu=1) for one in many[start : start + 500]]
            source.say(event="components", components=changed)
        await pilot.press("end")
        assert table(app).chosen is not None
        await settled(pilot, lambda: table(app).scroll_offset.y > 4900)
        assert time.monotonic() - began < 5, "it is slow"
        assert table(app).drawn - before < 50 * 50
        await settled(pilot, lambda: listed(app)[0] == "part-0000" and table(app).rows[-1].cpu == 1)
        await pilot.press("home", "down", "down")
        assert table(app).chosen == listed(app)[2]
        await pilot.press("n", "slash", *"4999")
        await settled(pilot, lambda: listed(app) == ["part-4999"])
        await pilot.press("enter", "escape")
        await settled(pilot, lambda: len(listed(app)) == 5000)


async def test_the_chosen_one_shows_its_last_hour() -> None:
    """Enter opens and closes it; new figures go on in its charts; and what cannot be asked leaves them empty."""
    source = Scripted(*FEW, figures("gone", cpu=0.5))
    app = Top(source, Order.NAME)
    async with app.run_test(size=(110, 40)) as pilot:
        await settled(pilot, lambda: len(listed(app)) == 4)
        await pilot.press("down", "down", "enter")
        await settled(pilot, lambda: source.asked == ["beta"] and app.query_one("#one").display)
        await settled(pilot, lambda: "beta cpu 150.0 %" in said(app, "#one-cpu"))
        await settled(pilot, lambda: any(mark in said(app, "#one-cpu") for mark in "▂▃▄▅▆▇█#"))
        source.say(event="components", components=[figures("beta", cpu=77)])
        await settled(pilot, lambda: "beta cpu 77.0 %" in said(app, "#one-cpu"))
        assert app._past[-1].cpu == 77
        await pilot.press("down", "down", "enter")
        await settled(pilot, lambda: source.asked == ["beta", "gamma"] or source.asked == ["beta", "gone"])
        await pilot.press("enter")
        await settled(pilot, lambda: not app.query_one("#one").display)
        await pilot.press("enter", "escape")
        await settled(pilot, lambda: not app.query_one("#one").display)


async def test_a_paused_picture_stays() -> None:
    """And goes on with everything that came meanwhile."""
    source = Scripted(*FEW)
    app = Top(source)
    async with app.run_test(size=(110, 40)) as pilot:
        await settled(pilot, lambda: len(listed(app)) == 3)
        await pilot.press("p")
        await settled(pilot, lambda: "paused" in said(app, "#summary"))
        source.say(event="components", components=[figures("delta", cpu=1000)])
        await pilot.pause(0.6)
        assert listed(app)[0] == "beta"
        await pilot.press("p")
        await settled(pilot, lambda: listed(app)[0] == "delta")
        assert "paused" not in said(app, "#summary")


async def test_gpus_are_shown_with_what_they_tell() -> None:
    """One that tells everything and whose it is, one that tells little, and one that is lost."""
    full = pb.GpuResources(id=0, name="T4", util=45, memory_total=16, memory_used=4, temperature=50, status="ok")
    for owner in ("a", "b", "c", "d", "a"):
        full.processes.add(pid=1, component_id=owner)
    machine = system(1.0, full, pb.GpuResources(id=1, name="T5", status="ok"), pb.GpuResources(id=2, status="lost"))
    app = Top(Scripted(machine=machine))
    async with app.run_test(size=(110, 40)) as pilot:
        await settled(pilot, lambda: "gpu 0" in said(app, "#facts"))
        facts = said(app, "#facts")
        assert "gpu 0 T4, 45 %, 4.0 of 16.0 GB, 50 °C, used by a, b, c and 1 more" in facts
        assert "gpu 1 T5\n" in facts and "gpu 2 : lost, the driver cannot reach it" in facts
        assert app.model.points[-1].gpu == 45 and app.model.points[-1].gpu_memory == 25
        assert app.query_one("#gpu", Chart).display


@pytest.mark.parametrize("size", [(20, 6), (40, 12), (60, 22), (300, 80)])
async def test_it_fits_any_terminal(size: tuple[int, int]) -> None:
    """A small one has no charts; a change of size is drawn."""
    app = Top(Scripted(*FEW))
    async with app.run_test(size=size) as pilot:
        await settled(pilot, lambda: len(listed(app)) == 3)
        assert app.query_one("#charts").display is (size[1] >= 22)
        await pilot.resize_terminal(100, 40)
        await settled(pilot, lambda: app.query_one("#charts").display)
        await settled(pilot, lambda: table(app).size.width == 100)


async def test_a_watch_that_is_refused_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the error, for the sentence and the code of the command."""
    source = Scripted(*FEW)
    source.fail(ValidationError("no"))

    async def headless(app: Top) -> None:
        async with app.run_test() as pilot:
            await settled(pilot, lambda: app.failure is not None)

    monkeypatch.setattr(Top, "run_async", headless)
    with pytest.raises(ValidationError):
        await show(source, Order.CPU, "")


async def test_the_screen_of_a_real_tekton(tekton: ControlPlane) -> None:
    """Its own figures, and a component that reports."""
    name = new_id()
    remote = Remote(tekton.host, tekton.port)
    async with stubs(tekton.direct) as api:
        granted = await api.register(name)
        app = Top(remote)
        async with app.run_test(size=(110, 40)) as pilot:
            await settled(pilot, lambda: name in listed(app))
            request = pb.ReportComponentResourcesRequest(
                component_id=name,
                instance_uuid=granted.instance_uuid,
                usage=pb.ReportedUsage(cpu_percent=9999, memory_mb=5),
            )
            await api.resources.ReportComponentResources(request)
            await settled(pilot, lambda: listed(app)[0] == name)
            await settled(pilot, lambda: app.model.system is not None)
    await remote.close()


async def test_piped_it_is_one_look(tekton: ControlPlane, tmp_path: Path) -> None:
    """As a table, as data and as names; sorted and filtered as asked."""
    first, second = new_id("first"), new_id("second")
    async with TektonClient(tekton.host, tekton.port) as client:
        for name, cpu in ((first, 5.0), (second, 7.5)):
            registered = await client.register_component(component(component_id=name))
            client.start_heartbeat(name)
            usage = {"cpu_percent": cpu, "memory_mb": 100 - cpu}
            await client.report_resource_usage(name, registered.instance_uuid or "", usage)
        await _looked(tekton, tmp_path, first, second)


async def _looked(tekton: ControlPlane, tmp_path: Path, first: str, second: str) -> None:
    done = await run(tekton, tmp_path, "top")
    assert done.code == 0 and "\x1b" not in done.out and done.err == "", done.err
    assert "  cpu " in done.out and "  memory " in done.out
    rows = [line.split() for line in done.out.splitlines() if line.startswith((first, second))]
    assert [row[0] for row in rows] == [second, first] and "7.5" in rows[0]
    named = await run(tekton, tmp_path, "top", "--sort", "memory", "-o", "name")
    names = named.out.split()
    assert names.index(first) < names.index(second)
    found = json.loads((await run(tekton, tmp_path, "top", "-q", second, "-o", "json")).out)
    (only,) = found["components"]
    assert (only["component_id"], only["usage"]["cpu_percent"]) == (second, 7.5)
    assert found["system"]["cpu"]["cores"] > 0 and found["alarms"] == []
    once = await on_a_terminal(tekton, tmp_path, "top", "--once", columns=80)
    assert once.code == 0 and first in once.out and "\x1b[?1049h" not in once.out
    assert (await run(tekton, tmp_path, "top", "--sort", "size")).code == 2
    assert (await run(tekton, tmp_path, "top", "-a", "127.0.0.1:1")).code == 4


async def test_on_a_terminal_it_is_drawn_until_q(tekton: ControlPlane, tmp_path: Path) -> None:
    """And the terminal is given back as it was; without one for keys, or a dumb one, it is one look."""
    mine, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    variables = environment(tmp_path, TEKTON_PORT=str(tekton.port), TERM="xterm-256color")
    process = await asyncio.create_subprocess_exec(
        str(TEKTON), "top", stdin=its, stdout=its, stderr=its, env=variables, start_new_session=True
    )
    os.close(its)
    os.set_blocking(mine, False)
    written = b""

    async def until(mark: bytes) -> None:
        nonlocal written
        async with asyncio.timeout(20):
            while mark not in written:
                await asyncio.sleep(0.02)
                with contextlib.suppress(OSError):
                    written += os.read(mine, 65536)

    try:
        await until(b"tekton_core")
        os.write(mine, b"q")
        await until(b"\x1b[?1049l")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        os.close(mine)
        if process.returncode is None:
            process.kill()
    dumb = await on_a_terminal(tekton, tmp_path, "top", TERM="dumb")
    assert dumb.code == 0 and "tekton_core" in dumb.out and "\x1b[?1049h" not in dumb.out


# The parts.


async def test_a_signal_leaves_the_terminal_as_it_was(tekton: ControlPlane, tmp_path: Path) -> None:
    """As every other stream SIGTERM ends it, and nothing of its screen stays."""
    mine, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(its)
    process = await asyncio.create_subprocess_exec(
        str(TEKTON), "top", stdin=its, stdout=its, stderr=its,
        env=environment(tmp_path, TEKTON_PORT=str(tekton.port), TERM="xterm-256color"),
    )  # fmt: skip
    shown = bytearray()
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        shown.extend(os.read(mine, 65536))
        arrived.set()

    loop.add_reader(mine, read)
    try:
        async with asyncio.timeout(20):
            while b"COMPONENT" not in shown:
                await arrived.wait()
                arrived.clear()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            while b"\x1b[?1049l" not in shown:
                await arrived.wait()
                arrived.clear()
        assert termios.tcgetattr(its) == before
    finally:
        loop.remove_reader(mine)
        os.close(mine)
        os.close(its)


def test_a_state_that_only_a_newer_server_knows_is_unknown_here() -> None:
    """It must not end the screen."""
    model = Model()
    odd = figures("new", cpu=1)
    odd.status = 99  # type: ignore[assignment]
    model.take(pb.ResourceEvent(event="components", components=[odd]))
    assert model.states() == [("unknown", 1)]


def test_a_chart_says_what_was_the_most() -> None:
    """The newest on the right; nothing where nothing is known, and a gap where nobody told for long."""
    points = [(0.0, 10.0), (5.0, 50.0), (6.0, 20.0), (55.0, 100.0)]
    found = chart.columns(points, now=60.0, width=6, span=60.0)
    assert found == [50.0, 50.0, 50.0, 50.0, 50.0, 100.0]
    assert chart.columns([(1.0, 1.0), (500.0, None)], now=600.0, width=3, span=600.0) == [1.0, None, None]
    assert chart.columns([(700.0, 3.0)], now=600.0, width=2, span=600.0) == [None, 3.0]
    assert chart.columns(points, now=60.0, width=0, span=60.0) == []
    assert chart.lines([None, 0.0, 0.01, 50.0, 100.0, 900.0], 2, 100.0) == ["    ██", "  ▁███"]
    assert chart.lines([100.0], 1, 100.0, plain=True) == ["#"]
    assert chart.lines([5.0], 1, 0.0) == [" "]


def test_the_last_hour_is_put_before_what_came_since() -> None:
    """Without telling a moment twice, and without what is older than an hour."""
    model = Model()
    now = system(10)
    model.take(pb.ResourceEvent(event="system", system=now))
    past = pb.SystemResources()
    for second in (-7000, -60, 0):
        past.history.add(cpu_percent=1).timestamp.FromSeconds(now.timestamp.seconds + second)
    past.history[-1].timestamp.CopyFrom(now.timestamp)
    model.remember(past)
    assert [point.cpu for point in model.points] == [1, 1, 10]
    later = system(20)
    later.timestamp.FromSeconds(now.timestamp.seconds + 10)
    model.take(pb.ResourceEvent(event="system", system=later))
    assert [point.cpu for point in model.points] == [1, 10, 20]
    assert isinstance(model.points[0], Point)


def test_columns_give_way_to_the_name() -> None:
    assert all(layout.widths(120))
    narrow = layout.widths(50)
    assert narrow[3] == 0 and narrow[2] == 0 and narrow[0] >= 8
    assert layout.megabytes(None) == "-" and layout.megabytes(20_480) == "20.0 GB"
