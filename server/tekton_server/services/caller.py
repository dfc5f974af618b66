"""Who calls: the machine that a call comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from tekton_server.services.base import Context

# The gateway overwrites what clients say here with the address that it sees itself.
CLIENT_ADDRESS = "x-tekton-client"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
"""Where the gateways call from whose word for a client's address counts."""


def machine(context: Context, trusted: Networks = ()) -> str:
    """Give the IP address of the machine that calls; empty for the one that this server runs on."""
    return machine_of(context.peer(), context.invocation_metadata() or (), trusted)


def machine_of(peer: str, metadata: Iterable[tuple[str, str | bytes]], trusted: Networks = ()) -> str:
    """Read gRPC's name of the peer. The Unix socket has only our own gateway; over TCP anybody can claim to be one."""
    kind, _, address = peer.partition(":")
    if kind == "unix":
        return _remote(_told(metadata))
    # ipv4:10.0.0.7:5000, ipv6:%5Bfe80::1%25eth0%5D:5000
    address = unquote(address).rpartition(":")[0].strip("[]")
    if trusted and _within(address, trusted):
        # A client on the gateway's own loopback is on the gateway's machine, which is not this one.
        return _remote(_told(metadata)) or _remote(address)
    return _remote(address)


def _told(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    return next((str(value) for key, value in metadata if key == CLIENT_ADDRESS), "")


@lru_cache(4096)
def _within(text: str, trusted: Networks) -> bool:
    address = _read(text)
    return address is not None and any(address in network for network in trusted)


@lru_cache(4096)
def _remote(text: str) -> str:
    address = _read(text)
    return "" if address is None or address.is_loopback else str(address)


def _read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
