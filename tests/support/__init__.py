"""Real parts for tests: a database cluster, a control plane, processes to kill, and readers of streams."""
