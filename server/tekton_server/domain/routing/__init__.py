"""Routing, decided: which models there are, which of them takes a task, what is learnt of them, what may be taken."""
