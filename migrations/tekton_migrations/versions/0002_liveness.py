"""Several servers on one database, commands to instances, what an operator has said, and the history of a component."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0002"
down_revision = "0001"


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    """Create the tables of liveness; the journal takes commands, and is read by component."""
    op.drop_constraint("journal_kind_check", "journal")
    op.create_check_constraint("journal_kind_check", "journal", "kind IN ('component', 'instance', 'command')")
    _create_commands()
    # Over what is stored already too, without a rewrite of the journal.
    op.create_index(
        "journal_component_idx",
        "journal",
        [sa.text("replace(new ->> 'component_id', '-', '_')"), "revision", "idx"],
        postgresql_where=sa.text("kind = 'instance' AND new IS NOT NULL"),
    )
    op.create_table(
        "servers",
        sa.Column("server_id", sa.Uuid, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        _time("started_at"),
        _time("renewed_at"),
        _time("stored_until"),
        sa.PrimaryKeyConstraint("server_id", name="servers_pkey"),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        _time("set_at"),
        sa.PrimaryKeyConstraint("name", name="switches_pkey"),
    )
    _widen_leases()


def _widen_leases() -> None:
    op.add_column("leases", sa.Column("metrics", JSON, nullable=True))
    for name, kind in (("version", sa.BigInteger), ("written_tx", sa.BigInteger), ("written_by", sa.Uuid)):
        op.add_column("leases", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE leases SET version = 1, written_tx = 0, written_by = server_id")
    for name in ("version", "written_tx", "written_by"):
        op.alter_column("leases", name, nullable=False)


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("command_id", sa.Uuid, nullable=False),
        sa.Column("component_id", sa.Text, nullable=False),
        sa.Column("instance_uuid", sa.Uuid, nullable=False),
        sa.Column("granted", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("arguments", JSON, nullable=False),
        _time("issued_at"),
        _time("deadline"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.CheckConstraint("kind IN ('stop', 'restart', 'reload', 'probe')", name="commands_kind_check"),
        sa.CheckConstraint("state IN ('pending', 'accepted', 'refused', 'expired')", name="commands_state_check"),
        sa.PrimaryKeyConstraint("command_id", name="commands_pkey"),
    )
