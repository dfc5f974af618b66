"""The table of DESIGN §10 in its order."""

from __future__ import annotations

from bench.model import Goal
from bench.rows import beats, calls, held, leases, plan, routing, views
from bench.rows.row import Row

ROWS: tuple[Row, ...] = (
    *calls.ROWS,
    *beats.ROWS,
    *views.ROWS,
    *leases.ROWS,
    *held.ROWS,
    Row("mesh", "commit to Envoy routing to it, p99", Goal(250, "ms", at_most=True), None),
    *plan.ROWS,
    *routing.ROWS,
)
