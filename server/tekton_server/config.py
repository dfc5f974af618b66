"""Settings: what can be set, where it comes from (flag, environment, file, default), and what is refused."""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NoReturn, get_type_hints

import msgspec

if TYPE_CHECKING:
    from tekton_server.live.housekeeping import Retention
    from tekton_server.live.leases import Timing

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]
Keep = Annotated[float, msgspec.Meta(ge=60, le=366 * 86400)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\0]+\Z")]
HostName = Annotated[str, msgspec.Meta(pattern=r"(?a)^(\w[\w-]*(\.[\w-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\Z")]

CONFIG_NAMES = ("config/tekton.json", "~/.tekton/tekton.json", "~/.tekton/config.json")
CONFIG_VARIABLE = "TEKTON_CONFIG_FILE"
# Each setting's environment variables; the first that is set wins.
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "host": ("TEKTON_HOST",),
    "port": ("TEKTON_PORT", "TEKTON_CORE_PORT"),
    "grpc_port": ("TEKTON_GRPC_PORT",),
    "data_dir": ("TEKTON_DATA_DIR",),
    "database_url": ("TEKTON_DATABASE_URL",),
    "insecure": ("TEKTON_INSECURE",),
    "log_level": ("TEKTON_LOG_LEVEL",),
    "log_format": ("TEKTON_LOG_FORMAT",),
}
# What the documents print in tekton.json and nothing here reads.
DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "components": ("startup_timeout", "auto_recover"),
    "security": ("enable_auth", "jwt_secret", "token_expiry"),
    "monitoring": ("enable_metrics", "metrics_port", "collection_interval"),
}
_WANTED: Mapping[str, str] = {
    "host": "an IP address or a host name",
    "port": "a whole number from 1 to 65535",
    "allowed_hosts": "a list of host names without scheme and port, such as tekton.example.com",
    "grpc_port": "a whole number from 1 to 65535",
    "data_dir": "the path of a directory",
    "database_url": "an address such as postgresql://user:password@host:5432/name",
    "insecure": "true or false",
    "log_level": "debug, info, warning or error",
    "log_format": "console or json",
    "heartbeat_interval": "a number of seconds over 0, at most a day",
    "heartbeat_timeout": "a number of seconds over 0, at most a day",
    "instance_retention": "a number of seconds from a minute to a year",
    "component_retention": "a number of seconds from a minute to a year",
}
# Their values never appear in a message.
_SECRET = frozenset({"database_url"})
_ANY_CASE = frozenset({"log_level", "log_format", "insecure"})

Warn = Callable[[str], None]


class ConfigError(Exception):
    """A setting is wrong; the text is one sentence with the remedy."""


class Components(msgspec.Struct, frozen=True, kw_only=True):
    """The `components` section. Times in seconds."""

    heartbeat_interval: Seconds = 10.0
    heartbeat_timeout: Seconds = 30.0
    instance_retention: Keep = 3600.0
    component_retention: Keep = 72 * 3600.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. `port` is the gateway's; `grpc_port` None opens no direct gRPC port.

    `allowed_hosts` are further names by which HTTP clients may call.
    """

    host: Text = "127.0.0.1"
    port: Port = 8010
    allowed_hosts: tuple[HostName, ...] = ()
    grpc_port: Port | None = None
    data_dir: Text = "~/.tekton/data"
    database_url: Text | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat = "console"
    insecure: bool = False
    components: Components = Components()

    @property
    def data_path(self) -> Path:
        """The data directory as an absolute path."""
        return Path(self.data_dir).expanduser().absolute()

    @property
    def timing(self) -> Timing:
        """The terms of leases."""
        # Here, because `tekton --help` needs the table of settings and not the registry.
        from tekton_server.live.leases import Timing

        return Timing(self.components.heartbeat_interval, self.components.heartbeat_timeout)

    @property
    def retention(self) -> Retention:
        """How long what has ended is kept."""
        from tekton_server.live.housekeeping import Retention

        return Retention(self.components.instance_retention, self.components.component_retention)


class _Given(NamedTuple):
    """A value as it was found, and the name by which its author knows it."""

    value: Any
    origin: str


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
    given |= {name: _Given(value, _flag(name)) for name, value in flags.items() if value is not None}
    settings = Settings(**_converted(given, Settings))
    _check(settings, given)
    return settings


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


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    for name, variables in ENVIRONMENT.items():
        variable = next((variable for variable in variables if environ.get(variable)), None)
        if variable is not None:
            yield name, _Given(environ[variable], variable)


def _from_file(named: str | None, warn: Warn) -> dict[str, _Given]:
    path = Path(os.path.expanduser(named)) if named else _found()
    if path is None:
        return {}
    section = _read(path)
    _look_over(section, path, warn)
    settings = {name: value for name, value in section.items() if name in Settings.__struct_fields__}
    return {name: _Given(value, f"{name} in {path}") for name, value in settings.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        # Some editors put a byte order mark in front.
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"the configuration file {path} does not exist; create it or drop the setting") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"the configuration file {path} is not JSON: {error.msg} at {where}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration file {path} is not JSON in UTF-8; write it anew") from error
    section = content.get("tekton") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise ConfigError(f'the configuration file {path} must hold an object under the key "tekton"')
    return section


def _found() -> Path | None:
    paths = (Path(os.path.expanduser(name)) for name in CONFIG_NAMES)
    return next((path for path in paths if path.is_file()), None)


def _look_over(section: Mapping[str, Any], path: Path, warn: Warn) -> None:
    """Warn of keys that nobody knows, and of a lock that does not lock."""
    _know(section, {*Settings.__struct_fields__, *DOCUMENTED}, "", path, warn)
    for name, keys in DOCUMENTED.items():
        inner = section.get(name)
        if isinstance(inner, dict):
            read = Components.__struct_fields__ if name == "components" else ()
            _know(inner, {*keys, *read}, f"{name}.", path, warn)
    security = section.get("security")
    if isinstance(security, dict) and security.get("enable_auth"):
        warn(f"security.enable_auth in {path} has no effect: this Tekton does not authenticate anybody")


def _know(found: Iterable[str], known: set[str], prefix: str, path: Path, warn: Warn) -> None:
    for key in found:
        if key not in known:
            nearest = difflib.get_close_matches(key.lower(), known, 1)
            advice = f"did you mean {prefix}{nearest[0]}?" if nearest else "remove it"
            warn(f"unknown key {prefix}{key} in {path} has no effect; {advice}")


def _converted(given: Mapping[str, _Given], kind: type[msgspec.Struct]) -> dict[str, Any]:
    types = get_type_hints(kind, include_extras=True)
    return {name: _convert(name, one, types[name]) for name, one in given.items()}


def _convert(name: str, given: _Given, kind: Any) -> Any:
    value, origin = given
    if name == "components":
        if not isinstance(value, dict):
            raise ConfigError(f"{origin} must be an object, not {_shown(value)}")
        inner = {
            key: _Given(value[key], origin.replace(name, f"{name}.{key}", 1))
            for key in Components.__struct_fields__
            if key in value
        }
        return Components(**_converted(inner, Components))
    if isinstance(value, str) and name in _ANY_CASE:
        value = value.lower()
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        _refuse(name, given)


def _refuse(name: str, given: _Given) -> NoReturn:
    shown = "" if name in _SECRET else f", not {_shown(given.value)}"
    raise ConfigError(f"{given.origin} must be {_WANTED[name]}{shown}") from None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _check(settings: Settings, given: Mapping[str, _Given]) -> None:
    if settings.grpc_port == settings.port:
        raise ConfigError("grpc_port must differ from port; leave it out: the one port serves gRPC too")
    if os.path.expanduser(settings.data_dir).startswith("~"):
        raise ConfigError(f"there is no home directory for {settings.data_dir}; name a directory with --data-dir")
    components = settings.components
    if components.heartbeat_interval >= components.heartbeat_timeout:
        raise ConfigError("components.heartbeat_interval must be less than components.heartbeat_timeout")
    if not is_loopback(settings.host) and not settings.insecure:
        origin = given["host"].origin if "host" in given else "host"
        raise ConfigError(
            f"{origin} {settings.host} can be reached from other machines and there is no authentication; "
            "use 127.0.0.1, or --insecure if the network is yours alone"
        )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
