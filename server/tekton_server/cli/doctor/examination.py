"""The order in which things are looked at: from here outwards, so that the first failure is most often the cause."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from tekton._channel import Target
from tekton_server.cli.address import parse_address
from tekton_server.cli.doctor import database, machine, network, server
from tekton_server.cli.doctor.finding import Finding, fail, ok
from tekton_server.config import ConfigError, Settings, explain, load


def examine(address: str | None, flags: Mapping[str, Any], config: str | None) -> Iterator[Finding]:
    """Look at everything, one thing after the other."""
    yield from machine.versions()
    settings = yield from _settings(flags, config)
    try:
        target = Target.of(*parse_address(address))
    except ValueError as error:
        yield fail("address", str(error), "correct TEKTON_PORT or give --address")
        return
    if target.is_socket:
        # Of another program, which runs the plane itself: there is no network and no gateway on the way.
        yield from server.state(asyncio.run(server.asked(target)))
        return
    yield from network.way(target)
    found = network.ask(target.host, target.port)
    yield from network.listener(target, found)
    yield from server.state(asyncio.run(server.asked(target)) if found.is_tekton else None)
    yield from network.ports(settings, target)
    yield from network.swapped()
    if network.is_here(target.host):
        yield from machine.data_directory(settings)
        yield from asyncio.run(database.look(settings))


def _settings(flags: Mapping[str, Any], config: str | None) -> Generator[Finding, None, Settings]:
    explained = explain(flags, config=config)
    for problem in explained.problems:
        yield fail("settings", problem, "see `tekton config check`")
    if not explained.problems:
        yield ok("settings", f"from {explained.file}" if explained.file else "no file; environment and defaults")
    try:
        return load(flags, config=config)
    except ConfigError:
        return Settings()
