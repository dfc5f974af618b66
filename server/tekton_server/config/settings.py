"""The settings themselves: everything that can be set, its bounds and defaults, and what they mean to the parts."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from tekton.core.resources import SYSTEM_CONSTRAINTS
from tekton_server.routing_entries import BudgetEntry, ModelEntry, effective_budgets, effective_models
from tekton_server.sections import Components, DatabaseTerms, Logs, Monitoring, Port, ResourceRules, Routing

if TYPE_CHECKING:
    from tekton_server.live.healing.healer import Healing
    from tekton_server.live.housekeeping import Retention
    from tekton_server.live.lease import Timing
    from tekton_server.live.resources.monitor import Terms as ResourceTerms
    from tekton_server.live.routing.terms import RoutingTerms
    from tekton_server.storage.database import Terms

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\0]+\Z")]
HostName = Annotated[str, msgspec.Meta(pattern=r"(?a)^(\w[\w-]*(\.[\w-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\Z")]
CollectorUrl = Annotated[str, msgspec.Meta(pattern=r"(?a)^https?://([\w.-]+|\[[0-9A-Fa-f:.]+\]):[1-9]\d{0,4}/?\Z")]


class ConfigError(Exception):
    """A setting is wrong; the text is one sentence with the remedy."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. `port` is the gateway's; `grpc_port` None opens no direct gRPC port.

    `allowed_hosts` are further names by which HTTP clients may call. `trusted_proxies` are the networks of the gateways
    whose word for a client's address counts on the direct port.
    """

    host: Text = "127.0.0.1"
    port: Port = 8010
    allowed_hosts: tuple[HostName, ...] = ()
    grpc_port: Port | None = None
    trusted_proxies: tuple[Text, ...] = ()
    data_dir: Text = "~/.tekton/data"
    database_url: Text | None = None
    database_password_file: Text | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat = "console"
    otlp_endpoint: CollectorUrl | None = None
    insecure: bool = False
    components: Components = Components()
    database: DatabaseTerms = DatabaseTerms()
    logs: Logs = Logs()
    routing: Routing = Routing()
    models: tuple[ModelEntry, ...] = ()
    budgets: tuple[BudgetEntry, ...] = ()
    monitoring: Monitoring = Monitoring()
    resources: ResourceRules = ResourceRules()

    @property
    def data_path(self) -> Path:
        """The data directory as an absolute path."""
        return Path(self.data_dir).expanduser().absolute()

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Where gateways that are believed call from."""
        return tuple(map(ipaddress.ip_network, self.trusted_proxies))

    @property
    def collector(self) -> tuple[str, int, bool] | None:
        """Where traces go: host, port, and whether by TLS."""
        if self.otlp_endpoint is None:
            return None
        url = urlsplit(self.otlp_endpoint)
        return url.hostname or "", url.port or 0, url.scheme == "https"

    @property
    def metrics_port(self) -> int | None:
        """Where the server process itself answers `/metrics` beside the gateway, which does so on `port`."""
        return self.own_metrics_port if self.own_metrics_port != self.port else None

    @property
    def own_metrics_port(self) -> int | None:
        """Where a server without a gateway answers `/metrics`."""
        return self.monitoring.metrics_port if self.monitoring.enable_metrics else None

    @property
    def timing(self) -> Timing:
        """The terms of leases."""
        # Here, because `tekton --help` needs the table of settings and not the registry.
        from tekton_server.live.lease import Timing

        terms = self.components
        return Timing(terms.heartbeat_interval, terms.heartbeat_timeout, terms.loop_lag_threshold)

    @property
    def routing_terms(self) -> RoutingTerms:
        """How tasks are routed, with the configured layers."""
        from tekton_server.live.routing.terms import RoutingTerms

        given = msgspec.structs.asdict(self.routing)
        shipped = given.pop("shipped_catalogue")
        models, budgets = effective_models(self.models), effective_budgets(self.budgets)
        return RoutingTerms(shipped=shipped, models=models, budgets=budgets, **given)

    @property
    def terms(self) -> Terms:
        """How the database is used."""
        from tekton_server.storage.database import Terms

        return Terms(**msgspec.structs.asdict(self.database))

    @property
    def resource_terms(self) -> ResourceTerms:
        """How resources are looked after."""
        from tekton_server.domain.alarms import Thresholds
        from tekton_server.live.resources.monitor import Terms

        told, rules = self.monitoring, self.resources
        wanted = {name: getattr(rules, name) for name in SYSTEM_CONSTRAINTS if getattr(rules, name) is not None}
        return Terms(
            interval=told.collection_interval,
            history=told.history,
            thresholds=Thresholds(
                cpu_percent=told.cpu_threshold,
                memory_percent=told.memory_threshold,
                disk_percent=told.disk_threshold,
                gpu_memory_percent=told.gpu_memory_threshold,
                gpu_temperature=told.gpu_temperature_threshold,
                margin=told.hysteresis,
            ),
            constraints=wanted,
            over_limit=rules.over_limit,
            over_limit_after=rules.over_limit_after,
        )

    @property
    def healing(self) -> Healing:
        """Whether what fails is started again, and how much of it at once."""
        from tekton_server.domain.blast_radius import Cap
        from tekton_server.live.healing.healer import Healing

        terms = self.components
        cap = Cap(terms.restarts_at_once, terms.restarts_at_once_share, terms.restarts_per_minute)
        return Healing(terms.auto_recover, cap, terms.heartbeat_timeout)

    @property
    def retention(self) -> Retention:
        """How long what has ended is kept."""
        from tekton_server.live.housekeeping import Retention

        return Retention(self.components.instance_retention, self.components.component_retention)


class TektonFile(msgspec.Struct, frozen=True):
    """tekton.json: the settings under one key, beside what the documents print there and nothing here reads."""

    tekton: Settings
