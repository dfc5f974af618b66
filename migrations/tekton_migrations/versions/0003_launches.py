"""The components that Tekton launches: who holds the claim on each, and how far it has come."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Create the table; the journal takes launches."""
    op.drop_constraint("journal_kind_check", "journal")
    kinds = "kind IN ('component', 'instance', 'command', 'launch')"
    op.create_check_constraint("journal_kind_check", "journal", kinds)
    op.create_table(
        "launches",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        sa.Column("server_id", sa.Uuid, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("desired", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("restart_count", sa.Integer, nullable=False),
        sa.Column("restarts", sa.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        _time("next_attempt_at", nullable=True),
        sa.Column("last_exit", sa.Text, nullable=False),
        _time("stop_by", nullable=True),
        sa.Column("force", sa.Boolean, nullable=False),
        _time("since"),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.CheckConstraint("desired IN ('running', 'stopped')", name="launches_desired_check"),
        sa.CheckConstraint(
            "phase IN ('claimed', 'running', 'stopping', 'backoff', 'gave_up', 'ended')", name="launches_phase_check"
        ),
        sa.PrimaryKeyConstraint("key", name="launches_pkey"),
    )
