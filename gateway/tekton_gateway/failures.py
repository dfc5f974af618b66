"""What can go wrong with the gateway as a process. What goes wrong with a request is in `local_replies`."""

from __future__ import annotations


class GatewayError(Exception):
    """The gateway cannot do what was asked; the message is one sentence that ends in the remedy."""


class PortInUseError(GatewayError):
    """Another process listens on the gateway's address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"{host}:{port} is taken by another process: stop it, or choose another port (--port or TEKTON_PORT)."
        )
        self.host = host
        self.port = port
