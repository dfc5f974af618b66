"""Who calls: the machine that a call comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from tekton_server.services.base import Context

# The gateway overwrites what clients say here with the address that it sees itself.
CLIENT_ADDRESS = "x-tekton-client"


def machine(context: Context) -> str:
    """Give the IP address of the machine that calls; empty for the one that this server runs on."""
    return machine_of(context.peer(), context.invocation_metadata() or ())


def machine_of(peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Read gRPC's name of the peer. Only on the Unix socket is it the gateway, whose word for the client counts."""
    kind, _, address = peer.partition(":")
    if kind == "unix":
        return _remote(next((str(value) for key, value in metadata if key == CLIENT_ADDRESS), ""))
    # ipv4:10.0.0.7:5000, ipv6:%5Bfe80::1%25eth0%5D:5000
    return _remote(unquote(address).rpartition(":")[0].strip("[]"))


@lru_cache(4096)
def _remote(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    return "" if address.is_loopback else str(address)
