"""What an instance uses: in bytes, cores and shares inside, and in the documented names and units outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from tekton.core.errors import ValidationError
from tekton.core.machine import MB
from tekton_server.domain import limits


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Figures of one instance; None is not known. `cpu_cores` 1.0 is one core all the time.

    What was read, written, sent and received is counted since the instance started.
    """

    cpu_cores: float | None = None
    rss_bytes: float | None = None
    vms_bytes: float | None = None
    memory_ratio: float | None = None
    gpu_id: int | None = None
    gpu_bytes: float | None = None
    gpu_ratio: float | None = None
    read_bytes: float | None = None
    written_bytes: float | None = None
    sent_bytes: float | None = None
    received_bytes: float | None = None


class Conversion(NamedTuple):
    """A figure inside, its name in a report (empty: it cannot be reported), its place in a reply, and how many of ours
    one of theirs is.
    """

    figure: str
    reported: str
    shown: str
    unit: float


CONVERSIONS = (
    Conversion("cpu_cores", "cpu_percent", "cpu_percent", 0.01),
    Conversion("rss_bytes", "memory_mb", "memory.rss", MB),
    Conversion("vms_bytes", "", "memory.vms", MB),
    Conversion("memory_ratio", "memory_percent", "memory.percent", 0.01),
    Conversion("gpu_bytes", "gpu_memory_mb", "gpu.memory_used", MB),
    Conversion("gpu_ratio", "gpu_util", "gpu.util", 0.01),
    Conversion("read_bytes", "disk_read_bytes", "disk_io.read_bytes", 1),
    Conversion("written_bytes", "disk_write_bytes", "disk_io.write_bytes", 1),
    Conversion("sent_bytes", "network_sent_bytes", "network.bytes_sent", 1),
    Conversion("received_bytes", "network_recv_bytes", "network.bytes_recv", 1),
)
"""The only table of units."""

FIGURES = tuple(one.figure for one in CONVERSIONS)
_REPORTED = {one.reported: one for one in CONVERSIONS if one.reported}
# Sums over all instances, here and in the database, must stay numbers.
_COUNTED = ("disk_read_bytes", "disk_write_bytes", "network_sent_bytes", "network_recv_bytes")
_MOST = {
    "cpu_percent": 100 * limits.CORES,
    **dict.fromkeys(("memory_percent", "gpu_util"), 100),
    **dict.fromkeys(("memory_mb", "gpu_memory_mb"), limits.MEMORY_MB),
    **dict.fromkeys(_COUNTED, limits.COUNTED_BYTES),
}
_DIGITS = 6


def reported(usage: Mapping[str, float]) -> Usage:
    """Read a report by its documented names.

    Raises:
        ValidationError: it has no figure, an unknown one, or one that cannot be.
    """
    if not usage:
        names = ", ".join(_REPORTED)
        raise ValidationError.of("usage", f"must have at least one figure of {names}", "required")
    return _usage({_REPORTED[name].figure: _checked(name, value) for name, value in usage.items()})


def _checked(name: str, value: float) -> float:
    field, most = f"usage.{name}", _MOST[name]
    if not math.isfinite(value):
        raise ValidationError.of(field, "must be a finite number", "finite")
    if not 0 <= value <= most:
        raise ValidationError.of(field, f"must be between 0 and {most}", "range", limit=0 if value < 0 else most)
    return value * _REPORTED[name].unit


def _usage(fields: Mapping[str, Any]) -> Usage:
    return Usage(**fields)


def shown(usage: Usage) -> dict[str, float]:
    """Give the figures that are known by their places in a reply, in the documented units."""
    found: dict[str, float] = {}
    for one in CONVERSIONS:
        value = getattr(usage, one.figure)
        if value is not None:
            # What came in as 25.3 goes out as 25.3.
            found[one.shown] = round(value / one.unit, _DIGITS)
    return found


def over(first: Usage, second: Usage) -> Usage:
    """Give the first's figures, and the second's where the first has none."""
    return _usage({name: _either(getattr(first, name), getattr(second, name)) for name in Usage.__struct_fields__})


def _either(first: float | None, second: float | None) -> float | None:
    return second if first is None else first


def total(usages: Iterable[Usage]) -> Usage:
    """Add instances up. The GPU is the one of which the most memory is used; of shares of GPUs the greatest counts."""
    known = list(usages)
    if len(known) == 1:
        return known[0]
    sums = {name: _sum(getattr(one, name) for one in known) for name in FIGURES}
    heaviest = max(known, key=lambda one: one.gpu_bytes or 0.0, default=Usage())
    busiest = max((one.gpu_ratio for one in known if one.gpu_ratio is not None), default=None)
    return _usage({**sums, "gpu_id": heaviest.gpu_id, "gpu_ratio": busiest})


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
