"""The journal, the current state of components and instances, and the leases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0001"
down_revision = None

_STATES = "'unknown', 'registering', 'initializing', 'starting', 'ready', 'degraded', 'failed', 'stopping', 'stopped'"


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Create the tables of the registry."""
    _create_journal()
    _create_components()
    _create_instances()
    _create_memory()
    op.create_table(
        "leases",
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        sa.Column("server_id", sa.Uuid, nullable=False),
        sa.Column("session_epoch", sa.BigInteger, nullable=False),
        _time("last_heartbeat"),
        sa.PrimaryKeyConstraint("instance_uuid", name="leases_pkey"),
    )


def _create_memory() -> None:
    op.create_table(
        "requests",
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("rpc", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("body_hash", sa.Text, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        _time("recorded_at"),
        sa.PrimaryKeyConstraint("principal", "rpc", "request_id", name="requests_pkey"),
    )
    op.create_index("requests_recorded_at_idx", "requests", ["recorded_at"])
    op.create_table(
        "tombstones",
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _time("recorded_at"),
        sa.PrimaryKeyConstraint("instance_uuid", name="tombstones_pkey"),
    )
    op.create_index("tombstones_recorded_at_idx", "tombstones", ["recorded_at"])


def _create_journal() -> None:
    op.create_table(
        "histories",
        sa.Column("singleton", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("history_id", sa.Text, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("singleton", name="histories_pkey"),
        sa.CheckConstraint("singleton", name="histories_singleton_check"),
    )
    op.create_table(
        "journal",
        sa.Column("revision", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("idx", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("old", JSON, nullable=True),
        sa.Column("new", JSON, nullable=True),
        sa.Column("cause", JSON, nullable=False),
        sa.Column("batch_id", sa.Uuid, nullable=False),
        _time("recorded_at"),
        sa.PrimaryKeyConstraint("revision", "idx", name="journal_pkey"),
        sa.CheckConstraint("revision > 0", name="journal_revision_check"),
        sa.CheckConstraint("kind IN ('component', 'instance')", name="journal_kind_check"),
    )


def _create_components() -> None:
    op.create_table(
        "components",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("component_name", sa.Text, nullable=False),
        sa.Column("component_type", sa.Text, nullable=False),
        sa.Column("capabilities", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("dependencies", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("health_check", sa.Text, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        _time("created_at"),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="components_pkey"),
    )


def _create_instances() -> None:
    op.create_table(
        "instances",
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        _time("state_since"),
        sa.Column("reason", sa.Text, nullable=False),
        _time("registered_at"),
        _time("ready_at", nullable=True),
        _time("ended_at", nullable=True),
        sa.Column("leased", sa.Boolean, nullable=False),
        sa.Column("granted", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("instance_uuid", name="instances_pkey"),
        sa.ForeignKeyConstraint(["key"], ["components.key"], name="instances_key_fkey"),
        sa.CheckConstraint("port BETWEEN 0 AND 65535", name="instances_port_check"),
        sa.CheckConstraint(f"state IN ({_STATES})", name="instances_state_check"),
    )
