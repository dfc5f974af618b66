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
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

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
    Column("old", JSON, nullable=True),
    Column("new", JSON, nullable=True),
    Column("cause", JSON, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    _time("recorded_at"),
    CheckConstraint("revision > 0", name="journal_revision_check"),
    CheckConstraint("kind IN ('component', 'instance', 'command', 'launch')", name="journal_kind_check"),
)
# For the history of a component, in storage.transitions: also of instances that are forgotten.
Index(
    "journal_component_idx",
    text("replace(new ->> 'component_id', '-', '_')"),
    journal.c.revision,
    journal.c.idx,
    postgresql_where=text("kind = 'instance' AND new IS NOT NULL"),
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
    Column("metadata", JSON, nullable=False),
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
    # The IP address of another machine whose loopback the host is.
    Column("machine", Text, nullable=False),
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

requests = Table(
    "requests",
    metadata,
    # What was answered to a request with an id, written in the transaction of the change itself.
    Column("principal", Text, primary_key=True),
    Column("rpc", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("reply", Text, nullable=False),
    _time("recorded_at"),
)
# For the sweep of old answers.
Index("requests_recorded_at_idx", requests.c.recorded_at)

tombstones = Table(
    "tombstones",
    metadata,
    # Forgotten instances: a uuid never lives twice.
    Column("instance_uuid", Uuid, primary_key=True),
    Column("component_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _time("recorded_at"),
)
# For the sweep of old tombstones.
Index("tombstones_recorded_at_idx", tombstones.c.recorded_at)

leases = Table(
    "leases",
    metadata,
    # No foreign key: a beat may be flushed a moment after its instance is gone; the flush of the next one cleans up.
    Column("instance_uuid", Uuid, primary_key=True),
    Column("server_id", Uuid, nullable=False),
    Column("session_epoch", BigInteger, nullable=False),
    _time("last_heartbeat"),
    # The figures of the last beat that carried any, for the other servers to show.
    Column("metrics", JSON, nullable=True),
    # How often the row was written: what is newer is told by it, whatever the clocks of the servers say.
    Column("version", BigInteger, nullable=False),
    # The transaction that wrote it last, and for which server: what the others look for.
    Column("written_tx", BigInteger, nullable=False),
    Column("written_by", Uuid, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    # The lease of a server itself, renewed by the database's clock: leases of one that is gone are taken over.
    Column("server_id", Uuid, primary_key=True),
    Column("address", Text, nullable=False),
    _time("started_at"),
    _time("renewed_at"),
    # Every beat that it heard before then is in `leases`.
    _time("stored_until"),
)

commands = Table(
    "commands",
    metadata,
    # Orders to instances: the last values of the journal's kind "command".
    Column("command_id", Uuid, primary_key=True),
    Column("component_id", Text, nullable=False),
    Column("instance_uuid", Uuid, nullable=False),
    # The grant that it is for: an instance with another is not told.
    Column("granted", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    _time("issued_at"),
    _time("deadline"),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("kind IN ('stop', 'restart', 'reload', 'probe')", name="commands_kind_check"),
    CheckConstraint("state IN ('pending', 'accepted', 'refused', 'expired')", name="commands_state_check"),
)

launches = Table(
    "launches",
    metadata,
    # The components that Tekton launches: the last values of the journal's kind "launch".
    Column("key", Text, primary_key=True),
    Column("component_id", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("instance_uuid", Uuid, nullable=False),
    Column("server_id", Uuid, nullable=False),
    Column("host", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("desired", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("restart_count", Integer, nullable=False),
    Column("restarts", ARRAY(DateTime(timezone=True)), nullable=False),
    _time("next_attempt_at", nullable=True),
    Column("last_exit", Text, nullable=False),
    _time("stop_by", nullable=True),
    Column("force", Boolean, nullable=False),
    _time("since"),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("desired IN ('running', 'stopped')", name="launches_desired_check"),
    CheckConstraint(
        "phase IN ('claimed', 'running', 'stopping', 'backoff', 'gave_up', 'ended')", name="launches_phase_check"
    ),
)

switches = Table(
    "switches",
    metadata,
    # What an operator has said and every server follows.
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    _time("set_at"),
)
