"""The tables. The journal is the truth; components and instances are its last values, for a quick start and for SQL."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tekton.core.lifecycle import ComponentState

metadata = MetaData()

_STATES = ", ".join(f"'{state.value}'" for state in ComponentState)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


histories = Table(
    "histories",
    metadata,
    # One row: a database holds one history at a time.
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("history_id", Text, nullable=False),
    _time("created_at"),
    CheckConstraint("singleton", name="histories_singleton_check"),
)

journal = Table(
    "journal",
    metadata,
    # Gapless, in commit order, chosen under the journal lock; the primary key is the backstop of that lock.
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("old", JSONB, nullable=True),
    Column("new", JSONB, nullable=True),
    Column("cause", JSONB, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    _time("recorded_at"),
    CheckConstraint("revision > 0", name="journal_revision_check"),
    CheckConstraint("kind IN ('component', 'instance')", name="journal_kind_check"),
)

components = Table(
    "components",
    metadata,
    # The id with "-" and "_" made equal.
    Column("key", Text, primary_key=True),
    Column("component_id", Text, nullable=False),
    Column("component_name", Text, nullable=False),
    Column("component_type", Text, nullable=False),
    Column("capabilities", ARRAY(Text), nullable=False),
    Column("dependencies", ARRAY(Text), nullable=False),
    Column("health_check", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    _time("created_at"),
    Column("revision", BigInteger, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("instance_uuid", Uuid, primary_key=True),
    Column("key", Text, ForeignKey("components.key"), nullable=False),
    Column("component_id", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("state", Text, nullable=False),
    _time("state_since"),
    Column("reason", Text, nullable=False),
    _time("registered_at"),
    _time("ready_at", nullable=True),
    _time("ended_at", nullable=True),
    Column("leased", Boolean, nullable=False),
    Column("granted", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    CheckConstraint("port BETWEEN 0 AND 65535", name="instances_port_check"),
    CheckConstraint(f"state IN ({_STATES})", name="instances_state_check"),
)

leases = Table(
    "leases",
    metadata,
    # No foreign key: a beat may be flushed a moment after its instance is gone; the flush of the next one cleans up.
    Column("instance_uuid", Uuid, primary_key=True),
    Column("server_id", Uuid, nullable=False),
    Column("session_epoch", BigInteger, nullable=False),
    _time("last_heartbeat"),
)
