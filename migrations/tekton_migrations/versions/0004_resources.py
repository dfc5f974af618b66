"""Resources: what components may use, what they use, the machines of the servers, and errors that are reported."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0004"
down_revision = "0003"

_KINDS = "kind IN ('component', 'instance', 'command', 'launch', 'constraints')"


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    """Create the tables of resources; the journal takes constraints."""
    op.drop_constraint("journal_kind_check", "journal")
    op.create_check_constraint("journal_kind_check", "journal", _KINDS)
    _create_constraints()
    _create_usage()
    _create_error_reports()


def _create_constraints() -> None:
    op.create_table(
        "resource_constraints",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("cpu_limit", sa.Float(53), nullable=True),
        sa.Column("memory_limit", sa.Float(53), nullable=True),
        sa.Column("gpu_limit", sa.Float(53), nullable=True),
        _time("updated_at"),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "cpu_limit > 0 AND memory_limit > 0 AND gpu_limit >= 0", name="resource_constraints_limits_check"
        ),
        sa.PrimaryKeyConstraint("key", name="resource_constraints_pkey"),
    )


def _create_usage() -> None:
    op.create_table(
        "usage_samples",
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        _time("slot"),
        _time("at"),
        sa.Column("server_id", sa.Uuid, nullable=False),
        sa.Column("usage", JSON, nullable=False),
        sa.PrimaryKeyConstraint("instance_uuid", "slot", name="usage_samples_pkey"),
    )
    op.create_index("usage_samples_slot_idx", "usage_samples", ["slot"])
    op.create_table(
        "machines",
        sa.Column("server_id", sa.Uuid, nullable=False),
        _time("at"),
        sa.Column("figures", JSON, nullable=False),
        sa.PrimaryKeyConstraint("server_id", name="machines_pkey"),
    )


def _create_error_reports() -> None:
    op.create_table(
        "error_reports",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        sa.Column("error_type", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        _time("at"),
        sa.Column("stack_trace", sa.Text, nullable=False),
        sa.Column("context", JSON, nullable=False),
        _time("reported_at"),
        sa.PrimaryKeyConstraint("id", name="error_reports_pkey"),
    )
    op.create_index("error_reports_key_idx", "error_reports", ["key", "id"])
