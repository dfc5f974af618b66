"""In-process facts: the writer, the view's followers, sessions, fan-out, and the lease wheel."""
