"""What every table is made with."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData

metadata = MetaData()


def time(name: str, *, nullable: bool = False) -> Column[object]:
    """Make a column for a point in time."""
    return Column(name, DateTime(timezone=True), nullable=nullable)
