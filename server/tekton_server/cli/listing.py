"""What `tekton components list` and `get` do."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from rich.text import Text

from tekton.core.errors import ComponentNotFoundError, TektonError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import parse_state
from tekton.v1.registry_service_pb2 import WatchRegistryRequest
from tekton_server.cli import output
from tekton_server.cli.component_views import appended_lines, list_lines, one_lines
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.fold import Filter, Fold, row_of
from tekton_server.cli.happenings import Teller
from tekton_server.cli.live import redraw
from tekton_server.cli.output import Format, note, width, write, write_one
from tekton_server.cli.remote import Remote, until_interrupted

Job = Callable[[Remote], Awaitable[ExitCode | None]]
_SHOWN = 5
_ERRORS = 3


def list_job(status: str, kind: str, capability: str, query: str, form: Format, *, watch: bool) -> Job:
    """Make the job of `list`."""

    async def once(remote: Remote) -> None:
        found = remote.list_components(status=status, type=kind, capability=capability, q=query)
        rows = [row async for row in found]
        write({"components": rows}, form, lambda: list_lines(rows, width()), lambda: _ids(rows))
        if form is Format.TABLE and not rows:
            note("no component is like that")

    async def live(remote: Remote) -> None:
        fold, chosen = Fold(), Filter(parse_state(status, "status").value if status else "", kind, capability, query)
        changes = _folded(remote, fold)
        if form is Format.TABLE and output.on_terminal():
            await until_interrupted(redraw(changes, lambda: _drawn(fold, chosen)))
        else:
            await until_interrupted(_appended(changes, fold, chosen, form))

    return live if watch else once


async def _folded(remote: Remote, fold: Fold) -> AsyncIterator[set[str]]:
    changed: set[str] = set()
    async for events in remote.follow(WatchRegistryRequest()):
        changed |= fold.take(events)
        if fold.whole:
            yield changed
            changed = set()


async def _drawn(fold: Fold, chosen: Filter) -> Iterable[Text]:
    return list_lines(_rows(fold, chosen), width(), live=True)


async def _appended(changes: AsyncIterator[set[str]], fold: Fold, chosen: Filter, form: Format) -> None:
    """Write the list, and then a row for each component that changed; one that left the list is `gone`."""
    shown: dict[str, dict[str, Any]] = {}
    widths: list[int] = []
    async for changed in changes:
        fresh = list(_fresh(changed | (set(shown) - set(fold.view.components)), shown, fold, chosen))
        if form is Format.TABLE:
            output.write_lines(appended_lines(fresh, widths))
        else:
            for row in fresh:
                write_one(row, form, Text, row["component_id"])
        sys.stdout.flush()


def _fresh(keys: set[str], shown: dict[str, dict[str, Any]], fold: Fold, chosen: Filter) -> Iterator[dict[str, Any]]:
    for key in sorted(keys):
        component = fold.view.components.get(key)
        row = row_of(component) if component is not None and chosen.keeps(component) else None
        if row is None and key in shown:
            yield shown.pop(key) | {"status": "gone", "status_since": None, "status_reason": ""}
        elif row is not None and shown.get(key) != row:
            shown[key] = row
            yield row


def _rows(fold: Fold, chosen: Filter) -> list[dict[str, Any]]:
    kept = [one for one in fold.view.all() if chosen.keeps(one)]
    return [row_of(one) for one in sorted(kept, key=lambda one: one.definition.component_id)]


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["component_id"] for row in rows]


def get_job(component_id: str, form: Format, *, watch: bool) -> Job:
    """Make the job of `get`."""

    async def job(remote: Remote) -> None:
        found = await _get(remote, component_id)
        if watch and form is Format.TABLE and output.on_terminal():
            await until_interrupted(_drawn_anew(remote, found["component_id"]))
            return
        if watch:
            await until_interrupted(_told(remote, found["component_id"], form))
        else:
            errors = await _errors(remote, found["component_id"]) if form is Format.TABLE else []
            _write_one(found, form, errors)

    return job


async def _errors(remote: Remote, component_id: str) -> list[dict[str, Any]]:
    """Read what it reported last; that this cannot be read does not keep the rest back."""
    with suppress(TektonError):
        return await remote.list_error_reports(component_id, most=_ERRORS)
    return []


async def _get(remote: Remote, component_id: str) -> dict[str, Any]:
    """Read a component by its id, or by the beginning of it where only one begins so; that is said."""
    try:
        return await remote.get_component(component_id)
    except ComponentNotFoundError as error:
        wanted = lookup_key(component_id)
        rows = [row["component_id"] async for row in remote.list_components(q=component_id)]
        found = [one for one in rows if wanted and lookup_key(one).startswith(wanted)]
        if len(found) != 1:
            several = f"; {_some(found)} begin so" if found else ""
            raise ComponentNotFoundError(f"{error.message}{several}", details=error.details) from None
        note(f"there is no component {component_id}; this is {found[0]}, the only one that begins so")
        return await remote.get_component(found[0])


def _some(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more


async def _drawn_anew(remote: Remote, component_id: str) -> None:
    changed = True
    lines: list[Text] = []

    async def changes() -> AsyncIterator[None]:
        nonlocal changed
        async for _ in remote.follow(WatchRegistryRequest(component_ids=[component_id])):
            changed = True
            yield

    async def draw() -> Iterable[Text]:
        nonlocal changed, lines
        if changed:
            changed = False
            try:
                lines = list(one_lines(await remote.get_component(component_id), width()))
            except ComponentNotFoundError as error:
                lines = [Text(error.message)]
        return lines

    await redraw(changes(), draw)


async def _told(remote: Remote, component_id: str, form: Format) -> None:
    """Write it, and then what happens to it: it is read when the watch stands, so that nothing falls in between."""
    teller, written = Teller(), False
    async for events in remote.follow(WatchRegistryRequest(component_ids=[component_id])):
        for happening in teller.tell(events):
            write_one(happening.data(), form, happening.line, component_id)
        if not written and any(event.type == "snapshot_end" for event in events):
            written = True
            _write_one(await remote.get_component(component_id), form)
            sys.stdout.flush()


def _write_one(found: dict[str, Any], form: Format, errors: Sequence[dict[str, Any]] = ()) -> None:
    write(found, form, lambda: one_lines(found, width(), errors), lambda: [found["component_id"]])
