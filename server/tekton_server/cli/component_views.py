"""How components look: the rows of a list, and everything about one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from tekton.core.ids import bracketed
from tekton_server.cli.grid import STYLES, Column, grid
from tekton_server.cli.text import ago, clean, parse_time
from tekton_server.domain.built_in import UUIDS

LISTED = (
    Column("ID"),
    Column("STATE"),
    Column("TYPE", 3),
    Column("VERSION", 4),
    Column("ADDRESS", 2),
    Column("LAST BEAT", 1),
    Column("CAPABILITIES", 5),
)
WATCHED = (*LISTED[:5], Column("SINCE", 1), LISTED[6])
_INSTANCES = (
    Column("INSTANCE"),
    Column("STATE"),
    Column("VERSION", 4),
    Column("ADDRESS", 2),
    Column("LAST BEAT", 1),
    Column("SINCE", 3),
    Column("REASON", 5),
)


def list_lines(rows: Sequence[dict[str, Any]], width: int | None, *, live: bool = False) -> list[Text]:
    """Lay out a list; one that goes on says since when a state is, one that does not when the last beat was."""
    now = datetime.now(UTC)
    return grid(WATCHED if live else LISTED, [_row(row, now, live) for row in rows], width)


def appended_lines(rows: Sequence[dict[str, Any]], widths: list[int]) -> list[Text]:
    """Lay out rows that are written below each other as they change, the head only above the first."""
    now, head = datetime.now(UTC), not widths
    lines = grid(WATCHED, [_row(row, now, True) for row in rows], None, widths)
    return lines if head else lines[1:]


def _row(row: dict[str, Any], now: datetime, live: bool) -> list[str]:
    when = _when(row.get("status_since"), now) if live else _beat(row, now)
    return [
        row["component_id"],
        _state(row),
        row["component_type"],
        row["version"] or "-",
        _address(row),
        when,
        ",".join(row["capabilities"]) or "-",
    ]


def one_lines(found: dict[str, Any], width: int | None, errors: Sequence[dict[str, Any]] = ()) -> Iterable[Text]:
    """Lay out everything about one component, and the errors that it reported last."""
    now = datetime.now(UTC)
    yield Text.assemble((clean(found["component_id"]), "bold"), f"  {clean(found['component_name'])}")
    state = found["status"]
    facts: list[tuple[str, Text]] = [("state", Text(clean(state), style=STYLES.get(state, "cyan")))]
    facts += [(name, Text(clean(value))) for name, value in _facts(found, now)]
    facts += [("error", Text(clean(_error(one, now)))) for one in errors]
    yield from (Text.assemble((f"  {name:<13}", "dim"), value) for name, value in facts)
    yield Text()
    yield from grid(_INSTANCES, [_instance(one, now) for one in found["instances"]], width)


def _facts(found: dict[str, Any], now: datetime) -> Iterable[tuple[str, str]]:
    yield "type", found["component_type"]
    yield "version", found["version"] or "-"
    yield "address", _address(found)
    yield "last beat", _beat(found, now)
    if found["startup_time"] and found["uptime_seconds"]:
        yield "up for", _when(found["startup_time"], now, suffix="")
    shown = next((one for one in found["instances"] if one["status"] == found["status"]), None)
    if shown is not None:
        yield "since", f"{_when(shown['status_since'], now)} ({shown['status_reason'] or '-'})"
    yield "capabilities", ", ".join(found["capabilities"]) or "-"
    yield "dependencies", ", ".join(found["dependencies"]) or "-"
    yield "health check", found["health_check"] or "-"
    for key, value in sorted(found["metadata"].items()):
        yield "metadata", f"{key} = {value}"
    yield "registered", f"{found['created_at'][:19]}Z, revision {found['revision']}"


def _error(report: dict[str, Any], now: datetime) -> str:
    said = report["message"].strip().partition("\n")[0]
    return f"{_when(report['reported_at'], now)}: {report['error_type']}{': ' if said else ''}{said}"


def _beat(row: dict[str, Any], now: datetime) -> str:
    """Tekton's own parts do not beat, and nothing is wrong with that."""
    own = row.get("instance_uuid") in UUIDS or any(one["instance_uuid"] in UUIDS for one in row.get("instances", ()))
    return "-" if own else _when(row.get("last_heartbeat"), now)


def _instance(one: dict[str, Any], now: datetime) -> list[str]:
    return [
        one["instance_uuid"],
        _state(one),
        one["version"],
        _address(one),
        _when(one["last_heartbeat"], now),
        _when(one["status_since"], now),
        one["status_reason"] or "-",
    ]


def _state(row: dict[str, Any]) -> str:
    return f"{row['status']} (suspect)" if row.get("suspect") else str(row["status"])


def _address(row: dict[str, Any]) -> str:
    host = bracketed(row["host"])
    return f"{host}:{row['port']}" if row["port"] else host or "-"


def _when(time: str | None, now: datetime, suffix: str = " ago") -> str:
    return f"{ago(parse_time(time), now)}{suffix}" if time else "-"
