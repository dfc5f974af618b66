"""The tables. The journal is the truth; components and instances are its last values, for a quick start and for SQL."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from tekton.core.lifecycle import ComponentState
from tekton_server.storage.routing_tables import (
    budget_costs,
    budget_leases,
    budgets,
    model_averages,
    models,
    route_decisions,
)
from tekton_server.storage.schema import metadata, time

__all__ = [
    "budget_costs",
    "budget_leases",
    "budgets",
    "commands",
    "components",
    "error_reports",
    "histories",
    "instances",
    "journal",
    "launches",
    "leases",
    "machines",
    "metadata",
    "model_averages",
    "models",
    "requests",
    "resource_constraints",
    "route_decisions",
    "servers",
    "switches",
    "tombstones",
    "usage_samples",
]

_STATES = ", ".join(f"'{state.value}'" for state in ComponentState)


histories = Table(
    "histories",
    metadata,
    # One row: a database holds one history at a time.
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("history_id", Text, nullable=False),
    time("created_at"),
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
    time("recorded_at"),
    CheckConstraint("revision > 0", name="journal_revision_check"),
    CheckConstraint(
        "kind IN ('component', 'instance', 'command', 'launch', 'constraints', 'model', 'budget')",
        name="journal_kind_check",
    ),
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
    time("created_at"),
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
    time("state_since"),
    Column("reason", Text, nullable=False),
    time("registered_at"),
    time("ready_at", nullable=True),
    time("ended_at", nullable=True),
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
    time("recorded_at"),
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
    time("recorded_at"),
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
    time("last_heartbeat"),
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
    time("started_at"),
    time("renewed_at"),
    # Every beat that it heard before then is in `leases`.
    time("stored_until"),
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
    time("issued_at"),
    time("deadline"),
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
    time("next_attempt_at", nullable=True),
    Column("last_exit", Text, nullable=False),
    time("stop_by", nullable=True),
    Column("force", Boolean, nullable=False),
    time("since"),
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
    time("set_at"),
)

resource_constraints = Table(
    "resource_constraints",
    metadata,
    # What each instance of a component may use: the last values of the journal's kind "constraints".
    Column("key", Text, primary_key=True),
    Column("component_id", Text, nullable=False),
    Column("cpu_limit", Float(53), nullable=True),
    Column("memory_limit", Float(53), nullable=True),
    Column("gpu_limit", Float(53), nullable=True),
    time("updated_at"),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("cpu_limit > 0 AND memory_limit > 0 AND gpu_limit >= 0", name="resource_constraints_limits_check"),
)

usage_samples = Table(
    "usage_samples",
    metadata,
    # What instances use, by half minutes, each the newest that was told in it. Pruned by age; never in the journal.
    Column("instance_uuid", Uuid, primary_key=True),
    Column("slot", DateTime(timezone=True), primary_key=True),
    time("at"),
    Column("server_id", Uuid, nullable=False),
    Column("usage", JSON, nullable=False),
)
# For the sweep, and for what other servers have heard lately.
Index("usage_samples_slot_idx", usage_samples.c.slot)

machines = Table(
    "machines",
    metadata,
    # The newest figures of each server's machine, for the other servers to show.
    Column("server_id", Uuid, primary_key=True),
    time("at"),
    Column("figures", JSON, nullable=False),
)

error_reports = Table(
    "error_reports",
    metadata,
    # Errors that components have reported. Swept by age and by number.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # The component's id with "-" and "_" made equal.
    Column("key", Text, nullable=False),
    Column("component_id", Text, nullable=False),
    Column("instance_uuid", Uuid, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("code", Text, nullable=False),
    time("at"),
    Column("stack_trace", Text, nullable=False),
    Column("context", JSON, nullable=False),
    time("reported_at"),
)
# For the list of a component, the newest first.
Index("error_reports_key_idx", error_reports.c.key, error_reports.c.id)
