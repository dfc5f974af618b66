"""The options that are settings: those of `tekton up`, which `tekton config` takes too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tekton_server.config import CONFIG_NAMES, CONFIG_VARIABLE, ENVIRONMENT, Settings

DEFAULTS = Settings()


def _option(name: str, metavar: str, text: str) -> Any:
    """Make an option whose value `load` judges, so that a wrong one is told alike wherever it came from."""
    default = getattr(DEFAULTS, name)
    shown = "none" if default is None else str(default)
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(flag, metavar=metavar, help=f"{text} [dim](env {ENVIRONMENT[name][0]}, default {shown})[/]")


Host = Annotated[str | None, _option("host", "HOST", "Address to listen on.")]
Port = Annotated[str | None, _option("port", "PORT", "The one port: REST, gRPC and events alike.")]
GrpcPort = Annotated[str | None, _option("grpc_port", "PORT", "A direct gRPC port beside it.")]
DataDir = Annotated[str | None, _option("data_dir", "DIR", "Where everything is kept, logs too.")]
DatabaseUrl = Annotated[
    str | None,
    _option(
        "database_url",
        "URL",
        "A PostgreSQL of yours instead of the embedded one; in the environment no one else can read its password.",
    ),
]
DatabasePasswordFile = Annotated[
    str | None, _option("database_password_file", "FILE", "A file with the password of that address.")
]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help=f"A tekton.json. [dim](env {CONFIG_VARIABLE}, default the first of {', '.join(CONFIG_NAMES)})[/]",
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        metavar=" ",
        help="Listen where other machines can reach it, without authentication. "
        f"[dim](env {ENVIRONMENT['insecure'][0]})[/]",
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="A further name by which HTTP clients may call. May be repeated. "
        f"[dim](env {ENVIRONMENT['allowed_hosts'][0]}, with commas, default none)[/]",
    ),
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        metavar="NETWORK",
        help="Where gateways call from, such as 10.0.0.0/8: they alone are believed who their clients are. May be "
        f"repeated. [dim](env {ENVIRONMENT['trusted_proxies'][0]}, with commas, default none)[/]",
    ),
]
LogLevel = Annotated[str | None, _option("log_level", "LEVEL", "debug, info, warning or error.")]
LogFormat = Annotated[
    str | None,
    _option("log_format", "FORMAT", "console for people, or json: one object a line, the start-up included."),
]
OtlpEndpoint = Annotated[
    str | None,
    _option("otlp_endpoint", "URL", "An OpenTelemetry collector that gets traces, such as http://localhost:4317."),
]

# An option that may be repeated is named for one value, its setting for all of them.
_SETTINGS = {"allowed_host": "allowed_hosts", "trusted_proxy": "trusted_proxies"}


def flags(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings among the options of a command, as `load` takes them: None where nothing was given."""
    named = {_SETTINGS.get(name, name): value for name, value in options.items()}
    # An option that may be repeated is empty where it was not given.
    return {name: None if value in (False, [], ()) else value for name, value in named.items() if name in ENVIRONMENT}
