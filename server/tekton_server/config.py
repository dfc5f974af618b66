"""Settings: what can be set, where it comes from (flag, environment, file, default), and what is refused."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tekton_server.live.leases import Timing

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]

CONFIG_NAMES = ("config/tekton.json", "~/.tekton/tekton.json", "~/.tekton/config.json")
# Each setting's environment variables; the first that is set wins.
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "host": ("TEKTON_HOST",),
    "port": ("TEKTON_PORT", "TEKTON_CORE_PORT"),
    "grpc_port": ("TEKTON_GRPC_PORT",),
    "data_dir": ("TEKTON_DATA_DIR",),
    "database_url": ("TEKTON_DATABASE_URL",),
    "log_level": ("TEKTON_LOG_LEVEL",),
    "log_format": ("TEKTON_LOG_FORMAT",),
}


class ConfigError(Exception):
    """A setting is wrong; the text is one sentence with the remedy."""


class Components(msgspec.Struct, frozen=True, kw_only=True):
    """The `components` section. Times in seconds."""

    heartbeat_interval: float = 10.0
    heartbeat_timeout: float = 30.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. `port` is the gateway's; `grpc_port` None opens no direct gRPC port."""

    host: str = "127.0.0.1"
    port: int = 8010
    grpc_port: int | None = None
    data_dir: str = "~/.tekton/data"
    database_url: str | None = None
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
        return Timing(self.components.heartbeat_interval, self.components.heartbeat_timeout)


def load(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, config: str | None = None) -> Settings:
    """Gather the settings and refuse what cannot work.

    Raises:
        ConfigError: naming the setting and the remedy.
    """
    merged: dict[str, Any] = _from_file(config or environ.get("TEKTON_CONFIG_FILE"))
    merged |= {
        name: environ[variable]
        for name, variables in ENVIRONMENT.items()
        for variable in reversed(variables)
        if environ.get(variable)
    }
    merged |= {name: value for name, value in flags.items() if value is not None}
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"a setting is wrong: {error}; see tekton up --help") from error
    _check(settings)
    return settings


def _from_file(named: str | None) -> dict[str, Any]:
    path = Path(named).expanduser() if named else _found()
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"the configuration file {path} does not exist; create it or drop the setting") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"the configuration file {path} cannot be read: {error}") from error
    section = content.get("tekton") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise ConfigError(f'the configuration file {path} must hold an object under the key "tekton"')
    return section


def _found() -> Path | None:
    paths = (Path(name).expanduser() for name in CONFIG_NAMES)
    return next((path for path in paths if path.is_file()), None)


def _check(settings: Settings) -> None:
    for name, port in (("port", settings.port), ("grpc_port", settings.grpc_port)):
        if port is not None and not 1 <= port <= 65535:
            raise ConfigError(f"{name} must be between 1 and 65535, not {port}")
    if settings.grpc_port == settings.port:
        raise ConfigError("grpc_port must differ from port; leave it out: the one port serves gRPC too")
    components = settings.components
    if not 0 < components.heartbeat_interval < components.heartbeat_timeout:
        raise ConfigError("components.heartbeat_interval must be positive and less than components.heartbeat_timeout")
    if not is_loopback(settings.host) and not settings.insecure:
        raise ConfigError(
            f"host {settings.host} can be reached from other machines and there is no authentication; "
            "use 127.0.0.1, or --insecure if the network is yours alone"
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
