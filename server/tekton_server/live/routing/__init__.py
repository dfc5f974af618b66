"""Routing, live: the catalogue as it is now, what came of models, decisions of late, what is taken of budgets."""
