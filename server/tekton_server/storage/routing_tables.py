"""The tables of models: what is registered and set, what was learnt and decided, and what is taken of budgets."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSON

from tekton_server.storage.schema import metadata, time

models = Table(
    "models",
    metadata,
    # What was registered at run time: the last values of the journal's kind "model".
    Column("model_id", Text, primary_key=True),
    # Only what was said; the rest is left to the layers below.
    Column("facts", JSON, nullable=False),
    time("created_at"),
    Column("revision", BigInteger, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    # What was set at run time: the last values of the journal's kind "budget".
    Column("key", Text, primary_key=True),
    Column("terms", JSON, nullable=False),
    time("set_at"),
    Column("revision", BigInteger, nullable=False),
)

model_averages = Table(
    "model_averages",
    metadata,
    # What was learnt of a model with a type of task, or with all where that is empty: sums that halve with time.
    Column("model_id", Text, primary_key=True),
    Column("task_type", Text, primary_key=True),
    *(
        Column(name, Double, nullable=False)
        for name in ("calls", "failures", "timed", "latency_ms", "input_tokens", "output_tokens", "cost")
    ),
    # What the sums were at this time, by the database's clock.
    time("as_of"),
)

route_decisions = Table(
    "route_decisions",
    metadata,
    # Explanations for the other servers to show; none while there is one server only.
    Column("decision_id", Uuid, primary_key=True),
    Column("explanation", JSON, nullable=False),
    time("decided_at"),
)
# For the sweep of old explanations.
Index("route_decisions_decided_at_idx", route_decisions.c.decided_at)

budget_leases = Table(
    "budget_leases",
    metadata,
    # What is taken of budgets. It counts while it is open: not ended, not past expires_at, its instance leased.
    Column("lease_id", Uuid, primary_key=True),
    # The id with "-" and "_" made equal; empty where nobody in particular took it.
    Column("component", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("instance_uuid", Uuid, nullable=True),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", Double, nullable=False),
    time("taken_at"),
    time("expires_at"),
    time("ended_at", nullable=True),
    # What was used in the end, as far as anybody said.
    Column("used_tokens", BigInteger, nullable=False),
    Column("used_cost", Double, nullable=False),
    Column("settled", Boolean, nullable=False),
    CheckConstraint("tokens >= 0 AND used_tokens >= 0", name="budget_leases_tokens_check"),
    CheckConstraint("cost >= 0 AND used_cost >= 0", name="budget_leases_cost_check"),
)
# For what counts: what is open, and what ended within the last minute.
Index("budget_leases_counted_idx", budget_leases.c.ended_at, budget_leases.c.model_id)

budget_costs = Table(
    "budget_costs",
    metadata,
    # What was spent, by the hour in which it was told.
    Column("component", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    time("hour"),
    Column("cost", Double, nullable=False),
    PrimaryKeyConstraint("component", "model_id", "hour", name="budget_costs_pkey"),
    CheckConstraint("cost >= 0", name="budget_costs_cost_check"),
)
