"""The switches: what an operator has said, and every server follows."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.engine import driven

_READ = "SELECT value, set_at FROM switches WHERE name = $1"
_SET = """
INSERT INTO switches (name, value, set_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at
RETURNING value, set_at
"""


class Setting(NamedTuple):
    """How a switch stands, and since when."""

    value: str
    set_at: datetime


class SwitchStore:
    """The switches table. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, name: str) -> Setting | None:
        """Give how a switch stands; None where nobody has said anything."""
        async with driven(self._engine) as connection:
            row = await connection.fetchrow(_READ, name)
        return None if row is None else Setting(*row)

    async def set(self, name: str, value: str) -> Setting:
        """Set a switch; the last word stands."""
        async with driven(self._engine) as connection:
            row = await connection.fetchrow(_SET, name, value)
        assert row is not None
        return Setting(*row)
