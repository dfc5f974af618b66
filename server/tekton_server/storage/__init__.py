"""PostgreSQL: the one place where Tekton stores anything, and the only folder that knows its driver."""
