"""The sections of the settings: what stands together in the file, with bounds, and in words what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

Lag = Annotated[float, msgspec.Meta(ge=0.2, le=3600)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]
Keep = Annotated[float, msgspec.Meta(ge=60, le=366 * 86400)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
CountOrNone = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Window = Annotated[float, msgspec.Meta(ge=1, le=3600)]
Rate = Annotated[float, msgspec.Meta(ge=1, le=10_000_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Bytes = Annotated[int, msgspec.Meta(ge=64 * 1024, le=2**40)]
Interval = Annotated[float, msgspec.Meta(ge=0.1, le=3600)]
History = Annotated[float, msgspec.Meta(ge=60, le=86400)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Celsius = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Gigabytes = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class Components(msgspec.Struct, frozen=True, kw_only=True):
    """The `components` section. Times in seconds."""

    heartbeat_interval: Seconds = 10.0
    heartbeat_timeout: Seconds = 30.0
    loop_lag_threshold: Lag = 1.0
    max_beats_per_second: Rate = 10_000.0
    instance_retention: Keep = 3600.0
    component_retention: Keep = 72 * 3600.0
    auto_recover: bool = True
    restarts_at_once: Count = 10
    restarts_at_once_share: Share = 0.2
    restarts_per_minute: Count = 60
    orphans: Literal["adopt", "stop"] = "adopt"
    startup_timeout: Seconds = 60.0
    autostart: bool = False
    on_stop: Literal["leave", "stop"] = "leave"
    stop_within: Seconds = 30.0


class DatabaseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The `database` section: how the database is used, wherever it is. Times in seconds."""

    pool_size: Count = 8
    max_overflow: CountOrNone = 8
    pool_timeout: Seconds = 5.0
    connect_timeout: Seconds = 5.0
    read_timeout: Seconds = 30.0
    write_timeout: Seconds = 10.0
    lock_timeout: Seconds = 5.0
    idle_in_transaction_timeout: Seconds = 2.0
    keepalives_idle: Count = 10
    keepalives_interval: Count = 5
    keepalives_count: Count = 3


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """The `routing` section: when models cool down, how long what is learnt or decided is kept. Times in seconds."""

    half_life: Keep = 600.0
    window: Window = 60.0
    min_requests: Count = 5
    failure_rate: Share = 0.5
    cooldown: Seconds = 30.0
    auth_cooldown: Seconds = 300.0
    probes: Count = 2
    explain_retention: Seconds = 600.0
    shipped_catalogue: bool = True


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """The `logs` section: how long a log file may grow, and how many older ones of each are kept."""

    max_bytes: Bytes = 16 * 1024 * 1024
    keep: Count = 3


class Monitoring(msgspec.Struct, frozen=True, kw_only=True):
    """The `monitoring` section: how often figures are read, how long they are kept, which are too much, and who tells.

    Times in seconds, thresholds in percent, and in degrees Celsius; None is no threshold. `enable_metrics` is whether
    `/metrics` is answered, `metrics_port` where this server process answers it beside the gateway; None is nowhere.
    """

    enable_metrics: bool = True
    metrics_port: Port | None = None
    collection_interval: Interval = 10.0
    history: History = 3600.0
    cpu_threshold: Percent | None = 90.0
    memory_threshold: Percent | None = 90.0
    disk_threshold: Percent | None = 90.0
    gpu_memory_threshold: Percent | None = 95.0
    gpu_temperature_threshold: Celsius | None = 90.0
    hysteresis: Percent = 5.0


class ResourceRules(msgspec.Struct, frozen=True, kw_only=True):
    """The `resources` section: what has to hold of a machine for a start on it, in percent, percent and GB, and what
    becomes of an instance that has used more than it may for `over_limit_after` seconds.
    """

    cpu_percent_max: Percent | None = None
    memory_percent_max: Percent | None = None
    gpu_mem_free_min: Gigabytes | None = None
    over_limit: Literal["event", "degraded", "stopped"] = "event"
    over_limit_after: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 30.0


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "components": Components,
    "database": DatabaseTerms,
    "logs": Logs,
    "routing": Routing,
    "monitoring": Monitoring,
    "resources": ResourceRules,
}
_SECONDS = "a number of seconds over 0, at most a day"
_KEEP = "a number of seconds from a minute to a year"
_COUNT = "a whole number from 1 to 1000"
_PORT = "a whole number from 1 to 65535"
_PERCENT = "a number of percent from 0 to 100, or null for none"
WANTED: Mapping[str, str] = {
    "components.heartbeat_interval": _SECONDS,
    "components.heartbeat_timeout": _SECONDS,
    "components.loop_lag_threshold": "a number of seconds from 0.2 to 3600",
    "components.max_beats_per_second": "a number of beats a second from 1 to 10000000",
    "components.instance_retention": _KEEP,
    "components.component_retention": _KEEP,
    "components.auto_recover": "true or false",
    "components.restarts_at_once": _COUNT,
    "components.restarts_at_once_share": "a part of the fleet over 0, at most 1",
    "components.restarts_per_minute": _COUNT,
    "components.orphans": "adopt or stop",
    "components.startup_timeout": _SECONDS,
    "components.autostart": "true or false",
    "components.on_stop": "leave or stop",
    "components.stop_within": _SECONDS,
    "database.pool_size": _COUNT,
    "database.max_overflow": "a whole number from 0 to 1000",
    "database.keepalives_idle": _COUNT,
    "database.keepalives_interval": _COUNT,
    "database.keepalives_count": _COUNT,
    **{f"database.{name}": _SECONDS for name in DatabaseTerms.__struct_fields__ if name.endswith("_timeout")},
    "logs.max_bytes": "a whole number of bytes from 65536 (64 KiB) to 1099511627776 (1 TiB)",
    "logs.keep": _COUNT,
    "routing.half_life": _KEEP,
    "routing.window": "a number of seconds from 1 to 3600",
    "routing.min_requests": _COUNT,
    "routing.failure_rate": "a number over 0, at most 1",
    "routing.cooldown": _SECONDS,
    "routing.auth_cooldown": _SECONDS,
    "routing.probes": _COUNT,
    "routing.explain_retention": _SECONDS,
    "routing.shipped_catalogue": "true or false",
    "monitoring.enable_metrics": "true or false",
    "monitoring.metrics_port": _PORT,
    "monitoring.collection_interval": "a number of seconds from 0.1 to 3600",
    "monitoring.history": "a number of seconds from a minute to a day",
    **{f"monitoring.{name}": _PERCENT for name in Monitoring.__struct_fields__ if name.endswith("_threshold")},
    "monitoring.gpu_temperature_threshold": "a number of degrees Celsius from 0 to 1000, or null for none",
    "monitoring.hysteresis": "a number of percent from 0 to 100",
    "resources.cpu_percent_max": _PERCENT,
    "resources.memory_percent_max": _PERCENT,
    "resources.gpu_mem_free_min": "a number of GB from 0 to 1000000, or null for none",
    "resources.over_limit": "event, degraded or stopped",
    "resources.over_limit_after": "a number of seconds from 0 to a day",
}
VARIABLES: Mapping[str, tuple[str, ...]] = {
    f"{section}.{name}": (f"TEKTON_{section}_{name}".upper(),)
    for section in ("database", "logs", "monitoring", "resources")
    for name in SECTIONS[section].__struct_fields__
}
