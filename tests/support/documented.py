"""What the documents give as an example, once for all tests."""

from __future__ import annotations

GRAPH = {
    "api_gateway": ["hermes", "engram", "rhetor"],
    "hermes": [],
    "engram": ["hermes"],
    "rhetor": ["hermes", "engram"],
    "athena": ["hermes", "engram"],
    "ergon": ["hermes", "rhetor"],
}
"""Who needs whom: technical documentation, "Dependency Resolver"."""

ORDER = ["hermes", "engram", "rhetor", "athena", "ergon", "api_gateway"]
"""The order that the API reference prints for the same graph."""
