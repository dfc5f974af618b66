"""What Tekton says of itself, and how its clock and its version go with ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tekton import __version__
from tekton._channel import Target
from tekton.core.errors import TektonError, UnavailableError
from tekton_server.cli.doctor.finding import Finding, fail, ok, warn
from tekton_server.cli.remote import Remote
from tekton_server.cli.text import parse_time

_PATIENCE = 3.0
_SKEW, _GREAT_SKEW = 2.0, 30.0


@dataclass
class Said:
    """Its answers over gRPC; `trouble` is why there are none. `ahead` is by how many seconds its clock is ahead."""

    trouble: str = ""
    not_ready: str = ""
    version: dict[str, Any] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    ahead: float = 0.0
    registered: dict[str, int] = field(default_factory=dict)


async def asked(target: Target) -> Said:
    """Ask it."""
    remote = Remote(target.host, target.port, timeout=_PATIENCE)
    try:
        await remote.reach()
        version = await remote.version()
        before = datetime.now(UTC)
        health = await remote.health()
        there, middle = parse_time(health["timestamp"]), before + (datetime.now(UTC) - before) / 2
        ahead = ((there or middle) - middle) / timedelta(seconds=1)
        return Said("", await _not_ready(remote), version, health, ahead, await _registered(remote))
    except TektonError as error:
        return Said(trouble=error.message)
    finally:
        await remote.close()


async def _not_ready(remote: Remote) -> str:
    try:
        await remote.readiness()
    except UnavailableError as error:
        return error.message
    return ""


async def _registered(remote: Remote) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in ("engram", "hermes"):
        async for row in remote.list_components(q=name):
            if row["component_id"] == name and row["component_type"] != "core":
                found[name] = row["port"]
    return found


def state(said: Said | None) -> Iterator[Finding]:
    """Judge what it said; None where there is no Tekton to ask."""
    if said is None:
        return
    if said.trouble:
        yield fail("gRPC", said.trouble, "see its log, logs/tekton.log in its data directory")
        return
    yield ok("gRPC", "answers")
    yield from _versions(said.version["version"])
    if said.not_ready:
        yield fail("ready", said.not_ready, "wait for its start, or see its log")
    else:
        yield ok("ready", "serving")
    for part, how in said.health["checks"].items():
        reason = said.health["details"].get(part, how)
        yield (
            ok(part, how)
            if how == "passing"
            else fail(part, reason, "see its log; what it kept in memory it goes on serving")
        )
    yield from _clock(said.ahead)
    yield from _engram_and_hermes(said.registered)


def _versions(there: str) -> Iterator[Finding]:
    if there == __version__:
        yield ok("server version", f"{there}, the same as here")
    else:
        yield warn("server version", f"{there}, and {__version__} here", "install the same version on both sides")


def _clock(ahead: float) -> Iterator[Finding]:
    told = f"its clock is {abs(ahead):.1f} s {'ahead' if ahead > 0 else 'behind'}"
    remedy = "let both machines take the time from NTP"
    if abs(ahead) > _GREAT_SKEW:
        yield fail("clock", told, remedy)
    elif abs(ahead) > _SKEW:
        yield warn("clock", told, remedy)
    else:
        yield ok("clock", told)


def _engram_and_hermes(ports: dict[str, int]) -> Iterator[Finding]:
    if ports.get("engram") == 8001 or ports.get("hermes") == 8000:
        told = ", ".join(f"{name} is registered on port {port}" for name, port in ports.items())
        yield fail("engram, hermes", told, "Engram is 8000 and Hermes is 8001: register them so")
