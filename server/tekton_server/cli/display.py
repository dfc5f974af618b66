"""What `tekton up` shows: for people the phases and where to go on, or the same as records of the log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.status import Status
from rich.text import Text

from tekton import __version__
from tekton.core.ids import bracketed
from tekton_server.config import Settings, is_loopback, resolve
from tekton_server.live.system import PHASES

log = logging.getLogger("tekton_server.cli")

_QUIET = 10.0


class Display(Protocol):
    """Told of what happens, in order; every method MUST return at once."""

    def step(self, phase: str, text: str) -> None:
        """Show a step of the start."""

    def ready(self, settings: Settings, database: str) -> None:
        """Show where to go on."""

    def serving(self, part: str, where: str, rows: Mapping[str, str], settings: Settings) -> None:
        """Show where a part that runs alone is, and what there is to know about it."""

    def stopping(self) -> None:
        """Say that the stop began."""

    def stopped(self) -> None:
        """Say that nothing is left."""

    def warn(self, sentence: str) -> None:
        """Show what is suspicious."""

    def failed(self, sentence: str, error: BaseException | None = None) -> None:
        """Show why it ends; the error is for the log."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def display_for(settings: Settings) -> Display:
    """Choose by the log's format."""
    return LogDisplay() if settings.log_format == "json" else ConsoleDisplay()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence when nobody reads any more: what runs behind it is not for its reader alone."""
        self.quiet = True


class ConsoleDisplay:
    """For people: a line for each step with the time; on a terminal also a sign of life."""

    def __init__(self) -> None:
        self._console = _Console(stderr=True, highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._last = ("", "")
        self._shown = 0.0
        self._status: Status | None = None
        self._line(Text.assemble(("Tekton", "bold"), f" {__version__} starts"))
        if sys.stderr is not None and sys.stderr.isatty():
            self._status = self._console.status("loading")
            self._status.start()

    def step(self, phase: str, text: str) -> None:
        """Show a step; one that only counts on, such as a wait, is a line every ten seconds."""
        if self._status is not None:
            self._status.update(Text(text))
        now, head = time.monotonic(), text.partition(" (")[0]
        if self._last == (phase, head) and now - self._shown < _QUIET:
            return
        self._last, self._shown = (phase, head), now
        number = f"{PHASES.index(phase) + 1}/{len(PHASES)}"
        spent = f"{now - self._began:6.2f}s"
        self._line(Text.assemble((spent, "dim"), (f"  {number} {phase:<13}", "cyan"), text))

    def ready(self, settings: Settings, database: str) -> None:
        """Show where to go on."""
        self.close()
        base = url_of(settings)
        rows = {
            "database": database,
            "data": str(settings.data_path),
            "try": f"curl {base}/api/tekton/components",
            "watch": f"curl -N {base}/events/tekton/state",
            "stop": "Ctrl-C",
        }
        if settings.grpc_port is not None:
            rows = {"direct gRPC": f"{reachable(settings)}:{settings.grpc_port}"} | rows
        rows = metrics_row(settings, settings.metrics_port) | rows
        self._serving("Tekton is ready", f"{base}  (REST, gRPC and events on one port)", rows, settings)

    def serving(self, part: str, where: str, rows: Mapping[str, str], settings: Settings) -> None:
        """Show where a part that runs alone is, and what there is to know about it."""
        self.close()
        self._serving(f"Tekton: {part} runs", where, rows, settings)

    def _serving(self, title: str, where: str, rows: Mapping[str, str], settings: Settings) -> None:
        if not is_loopback(settings.host):
            rows = {"reachable": f"by others, at {settings.host}, without authentication", **rows}
        self._line(Text())
        self._line(Text.assemble((title, "bold green"), f"  {where}"))
        for name, value in rows.items():
            self._line(Text.assemble((f"  {name:<13}", "dim"), value))

    def stopping(self) -> None:
        """Say that the stop began."""
        self.close()
        self._line(Text("stopping (once more to force it)"))

    def stopped(self) -> None:
        """Say that nothing is left."""
        self._line(Text("stopped"))

    def warn(self, sentence: str) -> None:
        """Show what is suspicious."""
        self._line(Text.assemble(("tekton: warning: ", "yellow"), sentence))

    def failed(self, sentence: str, error: BaseException | None = None) -> None:
        """Show why it ends."""
        self.close()
        self._line(Text.assemble(("tekton: ", "red"), sentence))

    def close(self) -> None:
        """Take the sign of life away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _line(self, text: Text) -> None:
        self._console.print(text)


class LogDisplay:
    """For machines: the same as records of the log."""

    def step(self, phase: str, text: str) -> None:
        """Log a step of the start."""
        number = PHASES.index(phase) + 1
        log.info("start-up %d/%d %s: %s", number, len(PHASES), phase, text, extra={"phase": phase, "step": number})

    def ready(self, settings: Settings, database: str) -> None:
        """Log where it serves."""
        facts = {"url": url_of(settings), "grpc_port": settings.grpc_port, "database": database}
        log.info("Tekton is ready at %s", facts["url"], extra=facts)

    def serving(self, part: str, where: str, rows: Mapping[str, str], settings: Settings) -> None:
        """Log where a part that runs alone is."""
        facts = {name.replace(", ", "_").replace(" ", "_").lower(): value for name, value in rows.items()}
        log.info("Tekton: %s runs at %s", part, where.partition("  ")[0], extra=facts)

    def stopping(self) -> None:
        """Log that the stop began."""
        log.info("stopping")

    def stopped(self) -> None:
        """Log that nothing is left."""
        log.info("stopped")

    def warn(self, sentence: str) -> None:
        """Log what is suspicious."""
        log.warning(sentence)

    def failed(self, sentence: str, error: BaseException | None = None) -> None:
        """Log why it ends."""
        log.error(sentence, exc_info=error)

    def close(self) -> None:
        """Leave nothing behind."""


def url_of(settings: Settings) -> str:
    """Give where to call the one port."""
    return f"http://{reachable(settings)}:{settings.port}"


def metrics_row(settings: Settings, port: int | None) -> dict[str, str]:
    """Give where the server itself tells its metrics, if it does so on a port of their own."""
    return {} if port is None else {"metrics": f"http://{reachable(settings)}:{port}/metrics"}


def reachable(settings: Settings) -> str:
    """Give a host to call: every-address is an address to listen on only."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(resolve(settings.host), settings.host)
    return bracketed(host)
