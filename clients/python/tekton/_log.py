"""How the documented functions tell what they only answer with False."""

from __future__ import annotations

import logging

from tekton.core.errors import TektonError

log = logging.getLogger("tekton")


def log_failure(what: str, component_id: str, error: TektonError) -> None:
    """Log why something did not happen."""
    log.warning("could not %s %s: %s (%s)", what, component_id, error, error.reason)
