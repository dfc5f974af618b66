"""What settings are refused, and in which words: each value on its own, then what cannot go together."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, get_type_hints

import msgspec

from tekton_server.config.settings import ConfigError, Settings
from tekton_server.config.sources import Given
from tekton_server.judging import judge, shown_value
from tekton_server.routing_entries import budgets_wrong, models_wrong
from tekton_server.sections import SECTIONS, WANTED

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


def problems(given: Mapping[str, Given]) -> Iterator[str]:
    """Judge each value on its own, so that all that is wrong is told and not the first of it."""
    for name, one in given.items():
        try:
            converted({name: one})
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


def converted(given: Mapping[str, Given]) -> dict[str, Any]:
    """Give what makes Settings.

    Raises:
        ConfigError: a value is wrong.
    """
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


def _convert(name: str, given: Given, kind: Any) -> Any:
    value, origin = given.value, given.origin
    if name in SECTIONS:
        raise ConfigError(f"{origin} must be an object, not {shown_value(value)}")
    if isinstance(value, str) and name in _ANY_CASE:
        value = value.lower()
    try:
        return msgspec.convert(value, kind, strict=name in _JUDGED)
    except msgspec.ValidationError:
        _refuse(name, given, kind)


def _refuse(name: str, given: Given, kind: Any = None) -> NoReturn:
    if name in _JUDGED and isinstance(given.value, list):
        problem = next(judge(given.value, kind))
        raise ConfigError(f"{given.inside(name, problem.path)} {problem.sentence}") from None
    shown = "" if name in _SECRET else f", not {shown_value(given.value)}"
    raise ConfigError(f"{given.origin} must be {_WANTED[name]}{shown}") from None


def check(settings: Settings, given: Mapping[str, Given]) -> None:
    """Refuse what is right by itself and cannot go together, or cannot be on this machine.

    Raises:
        ConfigError: naming it and the remedy.
    """
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
