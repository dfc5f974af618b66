"""What a registry is made of where others may stand in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.live.writer import Writer
from tekton_server.storage.database import Database
from tekton_server.storage.journal import JournalSession
from tekton_server.storage.state import Store


class Parts(NamedTuple):
    """The makers of the parts; tracing puts its own here."""

    store: Callable[[AsyncEngine], Store] = Store
    session: Callable[[Database], JournalSession] = JournalSession
    writer: Callable[..., Writer] = Writer


PARTS = Parts()
