"""How `tekton status` looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from tekton_server.cli.grid import STYLES, Column, grid
from tekton_server.cli.text import ago, clean, parse_time, stamp

_NOT_READY = (Column("NOT READY"), Column("STATE"), Column("TYPE", 3), Column("SINCE", 1), Column("REASON", 2))
_SHOWN = 20
_NAME = 12


def status_lines(found: Mapping[str, Any], width: int | None) -> Iterable[Text]:
    """Lay out the screen."""
    now = datetime.now(UTC)
    build = f"{found['build_date']}, {found['git_commit'][:12]}"
    yield Text.assemble(
        (f"Tekton {clean(found['version'])}", "bold"), f" at {clean(found['address'])} ({clean(build)})"
    )
    yield from _itself(found, now)
    database, leases = found["database"], found["leases"]
    waiting = f", {database['waiting']} writes wait" if database["waiting"] else ""
    yield _fact("database", f"{'up' if database['up'] else 'down'}, revision {database['revision']}{waiting}")
    suspect = f", {leases['suspects']} of them suspect" if leases["suspects"] else ""
    yield _fact("leases", f"{leases['leases']}{suspect}; {leases['sessions']} heartbeat streams")
    yield _preservation(found["self_preservation"], now)
    yield _fact("watches", str(leases["watchers"]))
    yield _fact("components", _states(found))
    rows = found["not_ready"]
    if rows:
        yield Text()
        yield from grid(_NOT_READY, [_row(row, now) for row in rows[:_SHOWN]], width)
        if len(rows) > _SHOWN:
            yield Text(f"and {len(rows) - _SHOWN} more: tekton components list", style="dim")


def preservation_lines(found: Mapping[str, Any], now: datetime) -> Iterable[Text]:
    """Lay out how self-preservation stands."""
    yield _preservation(found, now)
    said = f", set {ago(parse_time(found['mode_set_at']), now)} ago" if found["mode_set_at"] else ""
    yield _fact("mode", f"{found['mode']}{said}")
    yield _fact("sessions", f"{found['sessions']}, {found['missing']} of them missing")
    yield _fact("overdue", f"{found['kept']} leases wait for their eviction")
    yield _fact("since start", f"{found['evicted']:g} leases evicted, {found['spared']:g} came back in time")


def _preservation(found: Mapping[str, Any], now: datetime) -> Text:
    if found["active"]:
        until = f", until {stamp(end)} at the latest" if (end := parse_time(found["until"])) else ""
        since = ago(parse_time(found["since"]), now)
        return _fact("evictions", f"STOPPED for {since}{until}: {found['reason']}", "red")
    if found["mode"] == "off":
        return _fact("evictions", f"never stopped: {found['reason']}", "yellow")
    return _fact("evictions", "as leases time out")


def summary(found: Mapping[str, Any]) -> Text:
    """Give the fleet in one line."""
    rows = [f"{row['component_id']} {row['status']}" for row in found["not_ready"][:_SHOWN]]
    rest = clean(", ".join(rows)) or "everything ready"
    return Text(f"{stamp(datetime.now(UTC))}  {_states(found)}  ({rest})")


def _itself(found: Mapping[str, Any], now: datetime) -> Iterable[Text]:
    if found["ready"]:
        yield _fact("ready", f"for {ago(parse_time(found['ready_since']), now)}", "green")
    else:
        yield _fact("ready", f"no: {found['not_ready_because']}", "red")
    yield _fact("health", found["health"], STYLES.get(found["health"], ""))
    named = {f"  {clean(part)}": how for part, how in found["parts"].items()}
    wide = max([_NAME, *(len(name) + 2 for name in named)])
    for name, how in named.items():
        reason = f": {how['reason']}" if how["reason"] else ""
        yield _fact(name, f"{how['status']}{reason}", STYLES.get(how["status"], ""), wide)


def _states(found: Mapping[str, Any]) -> str:
    components = found["components"]
    states = ", ".join(f"{count} {state}" for state, count in sorted(components["states"].items()))
    return f"{components['total']}: {states}" if states else "none"


def _fact(name: str, value: str, style: str = "", wide: int = _NAME) -> Text:
    return Text.assemble((f"  {name:<{wide}}", "dim"), (clean(value), style))


def _row(row: Mapping[str, Any], now: datetime) -> list[str]:
    return [
        row["component_id"],
        row["status"],
        row["component_type"],
        f"{ago(parse_time(row['status_since']), now)} ago" if row["status_since"] else "-",
        row["status_reason"] or "-",
    ]
