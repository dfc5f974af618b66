"""`tekton up`: start, show how far it is, wait for a signal or a failure, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from contextlib import suppress

from tekton.core.errors import TektonError
from tekton_gateway import GatewayError
from tekton_server import app
from tekton_server.assembly import PartFailedError
from tekton_server.cli.display import Display, metrics_row, reachable
from tekton_server.cli.logs import LogFile
from tekton_server.config import ConfigError, Settings
from tekton_server.fleet_files import Fleet, folder, load_fleet
from tekton_server.host.process import raise_file_limit
from tekton_server.listening import ListenError
from tekton_server.live.system import PHASES
from tekton_server.storage.data_directory import EmbeddedPostgresError
from tekton_server.storage.errors import is_full
from tekton_server.storage.migrate import SchemaTooNewError

EXPECTED = (
    ConfigError,
    EmbeddedPostgresError,
    GatewayError,
    ListenError,
    SchemaTooNewError,
    TektonError,
    PartFailedError,
)
# A wrapper such as make or npm passes on the Ctrl-C that the terminal has sent us already.
_SAME_PRESS = 0.3
# How long a forced stop may take before we end and leave the children to the signal they get for that.
_FORCE_DEADLINE = 5.0

log = logging.getLogger(__name__)


def run_up(
    settings: Settings, display: Display, log_file: LogFile, *, bare: bool = False, config: str | None = None
) -> int:
    """Run until stopped; gives the exit code. `bare`: the server alone. The files of the fleet are by `config`."""
    raise_file_limit()
    try:
        fleet = None if bare else load_fleet(folder(config), settings.components.startup_timeout)
        try:
            with asyncio.Runner(loop_factory=_event_loop) as runner:
                return runner.run(_run(settings, display, log_file, bare, fleet))
        finally:
            _usual_signals()
    except EXPECTED as error:
        _note(log_file, error)
        display.failed(str(error))
    except Exception as error:
        _note(log_file, error)
        said = " ".join(str(error).split())
        if is_full(error):
            display.failed(f"a disk is full ({said}); free some space and start Tekton again")
            return 1
        display.failed(f"an unexpected {type(error).__name__} ended it ({said}); {_where(log_file)}", error)
    finally:
        display.close()
    return 1


def _event_loop() -> asyncio.AbstractEventLoop:
    """Give libuv's loop where there is one: a call costs a fifth less than on that of the standard library."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _usual_signals() -> None:
    """Let signals end us again: a loop of libuv keeps its handlers installed, and hears nothing once it is closed."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, usual)


def _note(log_file: LogFile, error: BaseException) -> None:
    """Keep the traceback in the file: the console shows a sentence."""
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, "ended by a failure", (), (type(error), error, None))
    record.exc_info = (type(error), error, error.__traceback__)
    log_file.handle(record)


def _where(log_file: LogFile) -> str:
    if log_file.path is None:
        return "run it with --log-format json to see where"
    return f"the traceback is in {log_file.path}"


async def _run(settings: Settings, display: Display, log_file: LogFile, bare: bool, fleet: Fleet | None) -> int:
    signals = Signals()
    running = asyncio.create_task(_serve(settings, display, log_file, bare, fleet), name="tekton")
    asked = asyncio.create_task(signals.first.wait(), name="signal")
    await asyncio.wait([asked, running], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not running.done():
        display.stopping()
        running.cancel()
    await _ended(running, signals)
    with suppress(asyncio.CancelledError):
        await running
    display.stopped()
    return 128 + signals.number if signals.second.is_set() else 0


async def _ended(running: asyncio.Task[None], signals: Signals) -> None:
    """Wait for the stop in order; a second signal forces it."""
    again = asyncio.create_task(signals.second.wait(), name="second signal")
    await asyncio.wait([again, running], return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if signals.second.is_set():
        # Children still get a signal from the kernel when we end like this.
        end = threading.Timer(_FORCE_DEADLINE, os._exit, [128 + signals.number])
        end.daemon = True
        end.start()
    while not running.done():
        running.cancel()
        await asyncio.wait([running], timeout=0.5)


class Signals:
    """The signals that ask for an end: one in order, a second one at once."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.number = 0
        self._at = 0.0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup the end of the terminal is not ours.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._came, number)

    def _came(self, number: int) -> None:
        now = time.monotonic()
        if not self.first.is_set():
            self.number, self._at = number, now
            self.first.set()
        elif now - self._at > _SAME_PRESS:
            self.number = number
            self.second.set()


async def _serve(settings: Settings, display: Display, log_file: LogFile, bare: bool, fleet: Fleet | None) -> None:
    def step(phase: str, text: str) -> None:
        if phase == PHASES[1] and not bare:
            # The first phase has taken the data directory: before, another Tekton may be writing this file.
            log_file.open(settings.data_path / "logs" / "tekton.log", settings.logs.max_bytes, settings.logs.keep)
        display.step(phase, text)

    async with app.run(settings, step, bare=bare, fleet=fleet) as tekton:
        if bare:
            display.serving(*_bare(settings, tekton.database), settings)
        else:
            display.ready(settings, tekton.database)
        await tekton.wait_failed()


def _bare(settings: Settings, database: str) -> tuple[str, str, dict[str, str]]:
    port = settings.grpc_port or settings.port
    address = f"{reachable(settings)}:{port}"
    rows = metrics_row(settings, settings.own_metrics_port) | {
        "database": database,
        "REST, events": f"from a gateway before it: tekton gateway --upstream {address}",
        "try": f"tekton status --address {address}",
        "stop": "Ctrl-C",
    }
    return "the server", f"{address}  (gRPC only)", rows
