"""`tekton up`: start, show how far it is, wait for a signal or a failure, stop."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from types import TracebackType

from rich.console import Console
from tekton.core.errors import TektonError
from tekton_gateway import GatewayError

from tekton_server import app
from tekton_server.cli.logs import configure_logging
from tekton_server.config import ConfigError, Settings
from tekton_server.live.system import PHASES
from tekton_server.server import ListenError
from tekton_server.storage.data_directory import EmbeddedPostgresError
from tekton_server.storage.migrate import SchemaTooNewError

EXPECTED = (
    ConfigError,
    EmbeddedPostgresError,
    GatewayError,
    ListenError,
    SchemaTooNewError,
    TektonError,
    app.PartFailedError,
)


class PhaseDisplay:
    """Shows the start-up phases: a line each, with what it did and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._status = console.status("starting") if console.is_terminal else None

    def __enter__(self) -> PhaseDisplay:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def step(self, phase: str, text: str) -> None:
        """Show one step."""
        number = PHASES.index(phase) + 1
        spent = time.monotonic() - self._began
        self._console.print(f"[dim]{spent:6.2f}s[/] [cyan]{number}/{len(PHASES)} {phase:<12}[/] {text}")


def run_up(settings: Settings) -> int:
    """Run until stopped; gives the exit code."""
    configure_logging(settings.log_level, settings.log_format)
    console = Console(stderr=True, highlight=False)
    try:
        return asyncio.run(_run(settings, console))
    except EXPECTED as error:
        console.print(f"[red]tekton:[/] {error}", soft_wrap=True, markup=True)
        return 1


async def _run(settings: Settings, console: Console) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait(), name="signal")
    running = asyncio.create_task(_serve(settings, console), name="tekton")
    await asyncio.wait([stopping, running], return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        console.print("stopping")
        running.cancel()
    stopping.cancel()
    try:
        await running
    except asyncio.CancelledError:
        console.print("stopped")
    return 0


async def _serve(settings: Settings, console: Console) -> None:
    with PhaseDisplay(console) as display:
        context = app.run(settings, display.step)
        tekton = await context.__aenter__()
    try:
        _announce(settings, console)
        await tekton.wait_failed()
    finally:
        await context.__aexit__(*sys.exc_info())


def _announce(settings: Settings, console: Console) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{host}:{settings.port}"
    console.print()
    console.print(f"[bold green]Tekton is ready[/]  {base}  (REST, gRPC and events on one port)")
    if settings.grpc_port is not None:
        console.print(f"  direct gRPC   {host}:{settings.grpc_port}")
    console.print(f"  data          {settings.data_path}")
    console.print(f"  try           curl {base}/api/tekton/components")
    console.print(f"  watch         curl -N {base}/events/tekton/state")
    console.print("  stop          Ctrl-C")
