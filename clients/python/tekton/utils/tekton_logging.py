"""The documented logger of a component: one line a record on stderr, where Tekton collects what a component writes."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tekton.core.text import told

__all__ = ["get_logger"]

# What every record has; the rest is what the application gave as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_lock = threading.Lock()


def get_logger(name: str) -> logging.Logger:
    """Give the logger of a component: `logging.getLogger(name)`, which also writes where nobody has set logging up.

    TEKTON_LOG_LEVEL (debug, info, warning, error; info by default) says from where on, TEKTON_LOG_FORMAT (console or
    json) how. What is given as `extra` is written too. An application that sets up the logging of Python itself has its
    own handlers, and this writes nothing beside them.

    Raises:
        TypeError: the name is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a logger must be a text, not {type(name).__name__}")
    logger = logging.getLogger(name)
    with _lock:
        if not any(isinstance(handler, _Fallback) for handler in logger.handlers):
            logger.addHandler(_Fallback())
        if logger.level == logging.NOTSET and logger is not logging.getLogger():
            logger.setLevel(_LEVELS.get(os.environ.get("TEKTON_LOG_LEVEL", "").strip().lower(), logging.INFO))
    return logger


class _Fallback(logging.StreamHandler[Any]):
    """Writes to stderr, as long as nobody else does."""

    def __init__(self) -> None:
        # Looked up at each record: a test, or a daemon, puts another in its place.
        super().__init__(sys.stderr)
        self.setFormatter(_Json() if os.environ.get("TEKTON_LOG_FORMAT", "").lower() == "json" else _Console())

    def emit(self, record: logging.LogRecord) -> None:
        handlers = list(_handlers(record.name))
        # Of loggers within each other, both given here, the nearest writes: one record is one line.
        if handlers[:1] == [self] and all(isinstance(one, _Fallback) for one in handlers):
            self.stream = sys.stderr
            super().emit(record)


def _handlers(name: str) -> Iterator[logging.Handler]:
    """Give everything that gets the records of a logger, the nearest first."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        yield from (one for one in logger.handlers if not isinstance(one, logging.NullHandler))
        logger = logger.parent if logger.propagate else None


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _OWN}


class _Console(logging.Formatter):
    """Lines for people: time, level, name, message, and what was given beside it as key=value."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Add what was given beside the message."""
        facts = "".join(f" {key}={_told(value)}" for key, value in _extra(record).items())
        return super().formatMessage(record) + facts


class _Json(logging.Formatter):
    """One object of JSON a line, with what was given beside the message as fields of its own."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        at = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}Z"
        found: dict[str, Any] = {"timestamp": at, "level": record.levelname.lower(), "logger": record.name}
        found |= {"message": record.getMessage()} | _extra(record)
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            found["stack"] = self.formatStack(record.stack_info)
        try:
            return _dumped(found)
        except (TypeError, ValueError, RecursionError):
            # JSON has no form for something of it: not a number, a key that is no text, a circle.
            return _dumped({key: _as_json(value) for key, value in found.items()})


def _dumped(found: dict[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, allow_nan=False, default=told)


def _as_json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False, default=told)
    except (TypeError, ValueError, RecursionError):
        return told(value)
    return value


def _told(value: Any) -> str:
    text = told(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text, ensure_ascii=False)
