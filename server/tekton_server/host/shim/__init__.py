"""The program between the server and a component: one process per launch, which outlives the server.

It runs as ``python -I -S`` and imports the standard library alone, of which as little as possible, `json` and `re` not
among it: there is one of it for each component. It leads a session of its own, is the subreaper of all that the
component starts, holds the lock that means "alive", writes the captured log, and ends when nothing of it is left.
"""
