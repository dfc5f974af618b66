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

_BYTES = 16 * 1024 * 1024
_KEPT = 3
_BUFFERED = 1000


class Stderr(logging.Handler):
    """Writes to whatever stderr is now, since a progress display may stand in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; go on without when nobody reads it any more."""
        with contextlib.suppress(OSError):
            print(self.format(record), file=sys.stderr, flush=True)


class LogFile(logging.handlers.MemoryHandler):
    """The log on disk, tracebacks included. Until `open` is called, what it gets waits in memory."""

    def __init__(self) -> None:
        super().__init__(_BUFFERED, flushLevel=logging.CRITICAL + 1)
        self.path: Path | None = None

    def open(self, path: Path) -> None:
        """Write to a file from now on; where that cannot be done the other log has to do."""
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            target = _Rotating(path, maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8")
            target.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
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


def configure_logging(level: LogLevel, style: LogFormat) -> LogFile:
    """Send every logger of this process to stderr in one style, and to a file once there is one."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _json() if style == "json" else _console(verbose=level == "debug")
    console = Stderr()
    console.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    file = LogFile()
    root = logging.getLogger()
    root.handlers[:] = [console, file]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # Alembic tells of every start that nothing was to do.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return file


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
