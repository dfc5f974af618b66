"""Settings: what can be set, where it comes from (flag, environment, file, default), and what is refused."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NoReturn, get_type_hints
from urllib.parse import urlsplit

import msgspec

from tekton.core.resources import SYSTEM_CONSTRAINTS
from tekton_server.json_places import JsonFile, NotJsonError, written
from tekton_server.judging import judge, shown_value
from tekton_server.routing_entries import (
    BudgetEntry,
    ModelEntry,
    budgets_wrong,
    effective_budgets,
    effective_models,
    models_wrong,
)
from tekton_server.sections import (
    SECTIONS,
    VARIABLES,
    WANTED,
    Components,
    DatabaseTerms,
    Logs,
    Monitoring,
    ResourceRules,
    Routing,
)

if TYPE_CHECKING:
    from tekton_server.live.healing.healer import Healing
    from tekton_server.live.housekeeping import Retention
    from tekton_server.live.lease import Timing
    from tekton_server.live.resources.monitor import Terms as ResourceTerms
    from tekton_server.live.routing.terms import RoutingTerms
    from tekton_server.storage.database import Terms

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\0]+\Z")]
HostName = Annotated[str, msgspec.Meta(pattern=r"(?a)^(\w[\w-]*(\.[\w-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\Z")]
CollectorUrl = Annotated[str, msgspec.Meta(pattern=r"(?a)^https?://([\w.-]+|\[[0-9A-Fa-f:.]+\]):[1-9]\d{0,4}/?\Z")]

CONFIG_NAMES = ("config/tekton.json", "~/.tekton/tekton.json", "~/.tekton/config.json")
CONFIG_VARIABLE = "TEKTON_CONFIG_FILE"
# Each setting's environment variables; the first that is set wins.
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "host": ("TEKTON_HOST",),
    "port": ("TEKTON_PORT", "TEKTON_CORE_PORT"),
    "allowed_hosts": ("TEKTON_ALLOWED_HOSTS",),
    "grpc_port": ("TEKTON_GRPC_PORT",),
    "trusted_proxies": ("TEKTON_TRUSTED_PROXIES",),
    "data_dir": ("TEKTON_DATA_DIR",),
    "database_url": ("TEKTON_DATABASE_URL",),
    "database_password_file": ("TEKTON_DATABASE_PASSWORD_FILE",),
    "insecure": ("TEKTON_INSECURE",),
    "log_level": ("TEKTON_LOG_LEVEL",),
    "log_format": ("TEKTON_LOG_FORMAT",),
    "otlp_endpoint": ("TEKTON_OTLP_ENDPOINT",),
    **VARIABLES,
}
# What the documents print in tekton.json and nothing here reads.
DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "components": (),
    "security": ("enable_auth", "jwt_secret", "token_expiry"),
}
_WANTED: Mapping[str, str] = {
    "host": "an IP address or a host name",
    "port": "a whole number from 1 to 65535",
    "allowed_hosts": "a list of host names without scheme and port, such as tekton.example.com",
    "grpc_port": "a whole number from 1 to 65535",
    "trusted_proxies": "a list of networks such as 10.0.0.0/8, or of addresses",
    "data_dir": "the path of a directory",
    "database_url": "an address such as postgresql://user:password@host:5432/name",
    "database_password_file": "the path of a file with the database's password and nothing else",
    "insecure": "true or false",
    "log_level": "debug, info, warning or error",
    "log_format": "console or json",
    "otlp_endpoint": "the address of an OpenTelemetry collector that takes OTLP over gRPC, such as http://localhost:4317",
    "models": "a list of models, each an object with an id",
    "budgets": "a list of budgets, each an object",
    **WANTED,
}
# Their values never appear in a message.
_SECRET = frozenset({"database_url"})
# Lists of objects: what is wrong in one is told with its place.
_JUDGED = frozenset({"models", "budgets"})
_ANY_CASE = frozenset({"log_level", "log_format", "insecure", "monitoring.enable_metrics"})
# In the environment their items are told apart by commas; as a flag each item is one.
_LISTS: Mapping[str, str] = {"allowed_hosts": "--allowed-host", "trusted_proxies": "--trusted-proxy"}

Warn = Callable[[str], None]


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
        told = self.monitoring
        return told.metrics_port if told.enable_metrics and told.metrics_port != self.port else None

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


class _Given(NamedTuple):
    """A value as it was found, the name by which its author knows it, and where it is, if that is another thing."""

    value: Any
    origin: str
    where: str = ""
    file: JsonFile | None = None

    def inside(self, name: str, path: tuple[str | int, ...]) -> str:
        """Name a part of it, as its author knows that: with its place, where it is from a file."""
        shown = name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        if self.file is None:
            return shown
        return f"{self.file.at(self.file.places.of((*_path(name), *path)))}: {shown}"


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
    config: str | None = None,
    warn: Warn = lambda sentence: None,
) -> Settings:
    """Gather the settings and refuse what cannot work; `warn` is told of what is only suspicious.

    Raises:
        ConfigError: naming the setting and the remedy.
    """
    given = _from_file(config or environ.get(CONFIG_VARIABLE), warn) | dict(_from_environment(environ))
    given |= _from_flags(flags)
    settings = Settings(**_converted(given))
    _check(settings, given)
    if _tells_password(flags.get("database_url")):
        warn("every user of this machine can read the password in --database-url; set TEKTON_DATABASE_URL instead")
    return settings


class Origin(NamedTuple):
    """Where the value of a setting is from: `kind` is flag, environment, file or default, `where` its name there."""

    name: str
    value: Any
    kind: str
    where: str


class Explained(NamedTuple):
    """Every setting with its origin, the file that was read, and everything that is wrong or suspicious.

    `fit` is whether Tekton would start with them.
    """

    settings: Sequence[Origin]
    file: Path | None
    problems: Sequence[str]
    fit: bool


def explain(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, config: str | None = None) -> Explained:
    """Gather the settings as `load` does, and refuse nothing: a wrong value is a problem and shown as it was given."""
    warnings: list[str] = []
    problems: list[str] = []
    named = config or environ.get(CONFIG_VARIABLE)
    try:
        file = _from_file(named, warnings.append)
    except ConfigError as error:
        problems.append(str(error))
        file = {}
    sources = (("flag", _from_flags(flags)), ("environment", dict(_from_environment(environ))), ("file", file))
    found = list(_origins(Settings(), sources, ""))
    given = file | sources[1][1] | sources[0][1]
    problems += _problems(given)
    if not problems:
        try:
            _check(Settings(**_converted(given)), given)
        except ConfigError as error:
            problems.append(str(error))
    return Explained(found, config_file(config, environ), [*warnings, *problems], fit=not problems)


def _origins(
    defaults: msgspec.Struct, sources: Sequence[tuple[str, Mapping[str, _Given]]], prefix: str
) -> Iterator[Origin]:
    for name in defaults.__struct_fields__:
        default, full = getattr(defaults, name), prefix + name
        if isinstance(default, msgspec.Struct):
            yield from _origins(default, sources, f"{full}.")
            continue
        kind, given = next(((kind, values[full]) for kind, values in sources if full in values), ("default", None))
        if given is None:
            yield Origin(full, default, "default", "")
        else:
            yield Origin(full, given.value, kind, given.where or given.origin)


def _problems(given: Mapping[str, _Given]) -> Iterator[str]:
    """Judge each value on its own, so that all that is wrong is told and not the first of it."""
    for name, one in given.items():
        try:
            _converted({name: one})
        except ConfigError as error:
            yield str(error)


def resolve(host: str) -> str:
    """Give the IP address to listen on for a host name or address.

    Raises:
        ConfigError: it stands for none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:
        raise ConfigError(f"host {host!r} cannot be resolved; use an IP address, such as 127.0.0.1") from error
    addresses = [str(address[0]) for _, _, _, _, address in found]
    return next((address for address in addresses if ":" not in address), addresses[0])


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host name or address.

    Raises:
        ConfigError: the name cannot be resolved.
    """
    return ipaddress.ip_address(resolve(host).partition("%")[0]).is_loopback


def _from_flags(flags: Mapping[str, Any]) -> dict[str, _Given]:
    return {name: _Given(value, _flag(name)) for name, value in flags.items() if value is not None}


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    for name, variables in ENVIRONMENT.items():
        variable = next((variable for variable in variables if environ.get(variable)), None)
        if variable is not None:
            value = environ[variable]
            yield name, _Given(_items(value) if name in _LISTS else value, variable)


def _items(text: str) -> list[str]:
    return [item for item in re.split(r"[\s,]+", text) if item]


def _from_file(named: str | None, warn: Warn) -> dict[str, _Given]:
    path = Path(os.path.expanduser(named)) if named else _found()
    if path is None:
        return {}
    file = _read(path)
    section = file.content["tekton"]
    _look_over(section, file, warn)
    found: dict[str, _Given] = {}
    for name, value in _flat(section):
        place = file.at(file.places.of(_path(name)))
        found[name] = _Given(value, f"{place}: {name}", place, file)
    return found


def _path(name: str) -> tuple[str, ...]:
    return ("tekton", *name.split("."))


def _flat(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each setting by its full name; a section that is no object stays whole, for its refusal."""
    for name, value in section.items():
        if name in SECTIONS and isinstance(value, dict):
            yield from ((f"{name}.{key}", value[key]) for key in SECTIONS[name].__struct_fields__ if key in value)
        elif name in Settings.__struct_fields__:
            yield name, value


def _read(path: Path) -> JsonFile:
    try:
        file = JsonFile(path)
    except FileNotFoundError:
        raise ConfigError(f"the configuration file {path} does not exist; create it or drop the setting") from None
    except NotJsonError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(file.content, dict) or not isinstance(file.content.get("tekton"), dict):
        raise ConfigError(f'{path}: must hold an object under the key "tekton"')
    return file


def config_file(config: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Give the tekton.json in use, named or found; None where there is none."""
    named = config or environ.get(CONFIG_VARIABLE)
    return Path(os.path.expanduser(named)) if named else _found()


def _found() -> Path | None:
    paths = (Path(os.path.expanduser(name)) for name in CONFIG_NAMES)
    return next((path for path in paths if path.is_file()), None)


def _look_over(section: Mapping[str, Any], file: JsonFile, warn: Warn) -> None:
    """Warn of keys that nobody knows or that are there twice, and of a lock that does not lock."""
    _know(section, {*Settings.__struct_fields__, *DOCUMENTED}, "", file, warn)
    for name in dict.fromkeys((*DOCUMENTED, *SECTIONS)):
        inner = section.get(name)
        if isinstance(inner, dict):
            read = SECTIONS[name].__struct_fields__ if name in SECTIONS else ()
            _know(inner, {*DOCUMENTED.get(name, ()), *read}, f"{name}.", file, warn)
    for path, at in file.twice:
        warn(f"{file.at(at)}: {written(path[1:])} is there twice; the last one counts")
    security = section.get("security")
    if isinstance(security, dict) and security.get("enable_auth"):
        place = file.at(file.places.of(_path("security.enable_auth"), key=True))
        warn(f"{place}: security.enable_auth has no effect: this Tekton does not authenticate anybody")


def _know(found: Iterable[str], known: set[str], prefix: str, file: JsonFile, warn: Warn) -> None:
    for key in found:
        if key not in known:
            nearest = difflib.get_close_matches(key.lower(), known, 1)
            advice = f"did you mean {prefix}{nearest[0]}?" if nearest else "remove it"
            path = ("tekton", *filter(None, [prefix.removesuffix(".")]), key)
            warn(f"{file.at(file.places.of(path, key=True))}: {prefix}{key} is not known and has no effect; {advice}")


def _converted(given: Mapping[str, _Given]) -> dict[str, Any]:
    """Give what makes Settings."""
    found: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for full, one in given.items():
        section, dot, name = full.partition(".")
        if dot:
            kind = get_type_hints(SECTIONS[section], include_extras=True)[name]
            sections.setdefault(section, {})[name] = _convert(full, one, kind)
        else:
            found[full] = _convert(full, one, get_type_hints(Settings, include_extras=True)[full])
    return found | {name: SECTIONS[name](**values) for name, values in sections.items()}


def _convert(name: str, given: _Given, kind: Any) -> Any:
    value, origin = given.value, given.origin
    if name in SECTIONS:
        raise ConfigError(f"{origin} must be an object, not {shown_value(value)}")
    if isinstance(value, str) and name in _ANY_CASE:
        value = value.lower()
    try:
        return msgspec.convert(value, kind, strict=name in _JUDGED)
    except msgspec.ValidationError:
        _refuse(name, given, kind)


def _refuse(name: str, given: _Given, kind: Any = None) -> NoReturn:
    if name in _JUDGED and isinstance(given.value, list):
        problem = next(judge(given.value, kind))
        raise ConfigError(f"{given.inside(name, problem.path)} {problem.sentence}") from None
    shown = "" if name in _SECRET else f", not {shown_value(given.value)}"
    raise ConfigError(f"{given.origin} must be {_WANTED[name]}{shown}") from None


def _check(settings: Settings, given: Mapping[str, _Given]) -> None:
    if settings.grpc_port == settings.port:
        raise ConfigError("grpc_port must differ from port; leave it out: the one port serves gRPC too")
    if settings.grpc_port is not None and settings.grpc_port == settings.monitoring.metrics_port:
        raise ConfigError(
            "monitoring.metrics_port must differ from grpc_port; leave it out: the gateway's port has /metrics too"
        )
    if os.path.expanduser(settings.data_dir).startswith("~"):
        raise ConfigError(f"there is no home directory for {settings.data_dir}; name a directory with --data-dir")
    try:
        _ = settings.collector
    except ValueError:
        _refuse("otlp_endpoint", given["otlp_endpoint"])
    try:
        _ = settings.networks
    except ValueError:
        _refuse("trusted_proxies", given["trusted_proxies"])
    wrong = models_wrong(settings.models, on_shipped=settings.routing.shipped_catalogue)
    for name, at, sentence in (*wrong, *budgets_wrong(settings.budgets)):
        raise ConfigError(f"{given[name].inside(name, (at,))} {sentence}")
    components = settings.components
    if components.heartbeat_interval >= components.heartbeat_timeout:
        raise ConfigError("components.heartbeat_interval must be less than components.heartbeat_timeout")
    if not is_loopback(settings.host) and not settings.insecure:
        origin = given["host"].origin if "host" in given else "host"
        raise ConfigError(
            f"{origin} {settings.host} can be reached from other machines and there is no authentication; "
            "use 127.0.0.1, or --insecure if the network is yours alone"
        )


def _tells_password(url: Any) -> bool:
    return isinstance(url, str) and re.search(r"://[^/?]*:[^/?]*@|password=", url) is not None


def _flag(name: str) -> str:
    return _LISTS.get(name, f"--{name.replace('_', '-')}")
