"""`tekton status`: how Tekton and its fleet are, on one screen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Output, Timeout, Watch
from tekton_server.cli.output import Format

if TYPE_CHECKING:
    from rich.text import Text

    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.remote import Remote

EXAMPLES = examples(
    ("tekton status", "one look"),
    ("tekton status -w", "the same, as it changes"),
    ("tekton status -o json | jq .components.states", "for scripts; exit code 1 where Tekton itself is not well"),
)
# What no watch tells, such as Tekton's own health, is asked again after so long.
_AGAIN = 5.0


def status(
    watch: Watch = False, output: Output = Format.TABLE, timeout: Timeout = 5.0, address: Address = None
) -> None:
    """Show how Tekton is, and which components are not ready and since when.

    The exit code is 1 where Tekton itself is not ready or not healthy, whatever its components are.
    """
    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.remote import talk
    from tekton_server.cli.status_view import status_lines

    async def job(remote: Remote) -> ExitCode | None:
        if watch:
            return await _live(remote, output)
        found = await _gathered(remote)
        _write(found, output, status_lines)
        return ExitCode.OK if found["ready"] and found["health"] == "healthy" else ExitCode.FAILED

    talk(address, job, timeout)


def _write(found: dict[str, Any], form: Format, lines: Any) -> None:
    from tekton_server.cli.output import width, write

    not_ready = [row["component_id"] for row in found["not_ready"]]
    write(found, form, lambda: lines(found, width()), lambda: not_ready)


async def _gathered(remote: Remote) -> dict[str, Any]:
    """Ask for all of it once; the registry as the snapshot of a watch, which tells of every state since when."""
    from tekton.v1.registry_service_pb2 import WatchRegistryRequest
    from tekton_server.cli.fold import Fold

    found = await _itself(remote)
    fold = Fold()
    async with contextlib.aclosing(remote.follow(WatchRegistryRequest(), None)) as messages:
        async for events in messages:
            fold.take(events)
            if fold.whole:
                break
    return found | _fleet(fold)


async def _itself(remote: Remote) -> dict[str, Any]:
    from tekton.core.errors import UnavailableError

    version, health, metrics = await remote.version(), await remote.health(), await remote.metrics()
    found: dict[str, Any] = {"address": str(remote.target)}
    found |= {key: version[key] for key in ("version", "build_date", "git_commit")}
    found |= {"ready": True, "ready_since": None, "not_ready_because": ""}
    try:
        found["ready_since"] = (await remote.readiness())["ready_time"]
    except UnavailableError as error:
        found |= {"ready": False, "not_ready_because": error.message}
    parts = {
        part: {"status": word, "reason": health["details"].get(part, "")} for part, word in health["checks"].items()
    }
    leases = {key: metrics[key] for key in ("leases", "suspects", "sessions", "watchers")}
    database = {"up": metrics["database_up"], "revision": metrics["revision"], "waiting": metrics["writes_waiting"]}
    found |= {"health": health["status"], "parts": parts, "database": database, "leases": leases}
    return found | {"self_preservation": await remote.self_preservation()}


def _fleet(fold: Any) -> dict[str, Any]:
    from tekton_server.cli.fold import row_of

    rows = sorted(map(row_of, fold.view.all()), key=lambda row: str(row["component_id"]))
    states: dict[str, int] = {}
    for row in rows:
        states[row["status"]] = states.get(row["status"], 0) + 1
    kept = ("component_id", "component_type", "status", "status_since", "status_reason")
    # One that has been stopped, or was never started, is where somebody wanted it.
    wanted = ("ready", "stopped", "unknown")
    not_ready = [{key: row[key] for key in kept} for row in rows if row["status"] not in wanted]
    # What went wrong last is what somebody looks for.
    not_ready.sort(key=lambda row: str(row["status_since"]), reverse=True)
    return {"components": {"total": len(rows), "states": states}, "not_ready": not_ready}


async def _live(remote: Remote, form: Format) -> ExitCode | None:
    import asyncio

    from tekton.core.errors import TektonError
    from tekton.v1.registry_service_pb2 import WatchRegistryRequest
    from tekton_server.cli import output
    from tekton_server.cli.fold import Fold
    from tekton_server.cli.live import redraw
    from tekton_server.cli.remote import until_interrupted
    from tekton_server.cli.status_view import status_lines, summary

    fold, loop = Fold(), asyncio.get_running_loop()
    itself, asked_at = await _itself(remote), loop.time()

    async def changes() -> AsyncIterator[None]:
        async for events in remote.follow(WatchRegistryRequest(), lambda sentence: None):
            fold.take(events)
            if fold.whole:
                yield

    async def draw() -> Iterable[Text]:
        nonlocal itself, asked_at
        if loop.time() - asked_at > _AGAIN:
            asked_at = loop.time()
            try:
                itself = await _itself(remote)
            except TektonError as error:
                itself |= {"ready": False, "health": "unknown", "not_ready_because": error.message}
        return status_lines(itself | _fleet(fold), output.width())

    async def append() -> None:
        said = None
        async for _ in changes():
            found = itself | _fleet(fold)
            if (found["components"], found["not_ready"]) != said:
                said = (found["components"], found["not_ready"])
                output.write_one(found, form, lambda: summary(found), str(remote.target))  # noqa: B023 - called at once

    on_screen = form is Format.TABLE and output.on_terminal()
    await until_interrupted(redraw(changes(), draw) if on_screen else append())
    return None
