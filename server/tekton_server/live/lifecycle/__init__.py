"""Starting, stopping and following components: what the journal wants is carried out by who holds the claim."""

from tekton_server.live.lifecycle.service import Lifecycle

__all__ = ["Lifecycle"]
