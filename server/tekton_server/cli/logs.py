"""Logging: for people on the console, or one JSON object a line; and a file that keeps what the console leaves out."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
from pathlib import Path

import structlog

from tekton_server.config import LogFormat, LogLevel
from tekton_server.live.call import CURRENT

_BYTES = 16 * 1024 * 1024
_KEPT = 3
_BUFFERED = 1000


class OfTheCall(logging.Filter):
    """Writes into each record which call it is about; here, because a call is named only once somebody tells of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        call = CURRENT.get()
        if call is not None:
            record.request_id = call.request_id
            if call.trace is not None:
                record.trace_id, record.span_id = call.trace
        return True


class _Text(logging.Formatter):
    """For people: a line, and the name of the call behind it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the library's
        text = super().formatMessage(record)
        name = getattr(record, "request_id", None)
        return text if name is None else f"{text} [request {name}]"


class Stderr(logging.Handler):
    """Writes to whatever stderr is now, since a progress display may stand in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; go on without when nobody reads it any more."""
        with contextlib.suppress(OSError):
            print(self.format(record), file=sys.stderr, flush=True)


class LogFile(logging.handlers.MemoryHandler):
    """The log on disk, tracebacks included. Until `open` is called, what it gets waits in memory."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__(_BUFFERED, flushLevel=logging.CRITICAL + 1)
        self._formatter = formatter
        self.path: Path | None = None

    def open(self, path: Path, max_bytes: int = _BYTES, keep: int = _KEPT) -> None:
        """Write to a file from now on; where that cannot be done the other log has to do."""
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            target = _Rotating(path, maxBytes=max_bytes, backupCount=keep, encoding="utf-8")
            target.setFormatter(self._formatter)
            self.path = path
            self.setTarget(target)
            self.flush()
            self.flushLevel = logging.NOTSET

    def shouldFlush(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the name is the library's
        """Tell whether to write now; without a file the oldest records give way to new ones."""
        if self.target is None:
            del self.buffer[:-_BUFFERED]
            return False
        return True


class _Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the library's
        """Go on without a log on a full disk."""


def configure_logging(level: LogLevel, style: LogFormat, *, structured: bool = False) -> LogFile:
    """Send every logger of this process to stderr in one style, and to a file once there is one.

    `structured`: the file has JSON too, as a program wants it that brings logs and traces together.
    """
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    json = _formatter(shared, _json())
    console = Stderr()
    console.setFormatter(json if style == "json" else _formatter(shared, _console(verbose=level == "debug")))
    file = LogFile(json if structured else _Text("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    for handler in (console, file):
        handler.addFilter(OfTheCall())
    root = logging.getLogger()
    root.handlers[:] = [console, file]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # Alembic tells of every start that nothing was to do.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return file


def _formatter(first: list[structlog.types.Processor], last: list[structlog.types.Processor]) -> logging.Formatter:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=[drop, *last])


def _json() -> list[structlog.types.Processor]:
    # Never the local variables of a traceback: they may hold passwords.
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(transform),
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(default=str),
    ]


def _console(*, verbose: bool) -> list[structlog.types.Processor]:
    render = structlog.dev.ConsoleRenderer(
        colors=wants_colour(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
    return [render] if verbose else [_on_one_line, render]


def _on_one_line(logger: object, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Leave a traceback to the file, and keep what it was about."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["event"] = f"{event['event']}: {type(error).__name__}: {' '.join(str(error).split())}"
    return event


def wants_colour() -> bool:
    """Tell whether a person looks at stderr on a terminal that shows colours."""
    return (
        sys.stderr is not None
        and sys.stderr.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
