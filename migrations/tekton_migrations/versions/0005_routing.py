"""Models and budgets in the journal, what was learnt of models, explanations, and what is taken of budgets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0005"
down_revision = "0004"


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Create the tables of routing; the journal takes models and budgets."""
    op.drop_constraint("journal_kind_check", "journal")
    kinds = "'component', 'instance', 'command', 'launch', 'constraints', 'model', 'budget'"
    op.create_check_constraint("journal_kind_check", "journal", f"kind IN ({kinds})")
    op.create_table(
        "models",
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        _time("created_at"),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("model_id", name="models_pkey"),
    )
    op.create_table(
        "budgets",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("terms", JSON, nullable=False),
        _time("set_at"),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="budgets_pkey"),
    )
    _create_learnt()
    _create_taken()


def _create_learnt() -> None:
    sums = ("calls", "failures", "timed", "latency_ms", "input_tokens", "output_tokens", "cost")
    op.create_table(
        "model_averages",
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("task_type", sa.Text, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in sums),
        _time("as_of"),
        sa.PrimaryKeyConstraint("model_id", "task_type", name="model_averages_pkey"),
    )
    op.create_table(
        "route_decisions",
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("explanation", JSON, nullable=False),
        _time("decided_at"),
        sa.PrimaryKeyConstraint("decision_id", name="route_decisions_pkey"),
    )
    op.create_index("route_decisions_decided_at_idx", "route_decisions", ["decided_at"])


def _create_taken() -> None:
    op.create_table(
        "budget_leases",
        sa.Column("lease_id", sa.Uuid, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("instance_uuid", sa.Uuid, nullable=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.Double, nullable=False),
        _time("taken_at"),
        _time("expires_at"),
        _time("ended_at", nullable=True),
        sa.Column("used_tokens", sa.BigInteger, nullable=False),
        sa.Column("used_cost", sa.Double, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.CheckConstraint("tokens >= 0 AND used_tokens >= 0", name="budget_leases_tokens_check"),
        sa.CheckConstraint("cost >= 0 AND used_cost >= 0", name="budget_leases_cost_check"),
        sa.PrimaryKeyConstraint("lease_id", name="budget_leases_pkey"),
    )
    op.create_index("budget_leases_counted_idx", "budget_leases", ["ended_at", "model_id"])
    op.create_table(
        "budget_costs",
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        _time("hour"),
        sa.Column("cost", sa.Double, nullable=False),
        sa.CheckConstraint("cost >= 0", name="budget_costs_cost_check"),
        sa.PrimaryKeyConstraint("component", "model_id", "hour", name="budget_costs_pkey"),
    )
