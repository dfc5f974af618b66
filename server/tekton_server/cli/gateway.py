"""`tekton gateway`: the gateway without a server beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from socket import gethostname
from urllib.parse import urlsplit

import typer

from tekton_gateway import Collector, GatewayError, GatewaySettings, alone, bootstrap
from tekton_gateway.settings import SocketAddress
from tekton_server.cli.display import Display, url_of
from tekton_server.cli.exits import ExitCode
from tekton_server.config import Settings, resolve
from tekton_server.host.process import raise_file_limit


def servers_of(given: Sequence[str]) -> tuple[SocketAddress, ...]:
    """Read --upstream.

    Raises:
        typer.BadParameter: one is no host with a port.
    """
    return tuple(dict.fromkeys(map(_server, given)))


def _server(text: str) -> SocketAddress:
    try:
        parts = urlsplit(f"//{text}")
        if parts.netloc != text or parts.username is not None or not parts.hostname or not parts.port:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"--upstream must be HOST:PORT, such as server:8011, not {text!r}") from None
    return parts.hostname, parts.port


def gateway_settings(settings: Settings, servers: tuple[SocketAddress, ...]) -> GatewaySettings:
    """Give the gateway's own settings.

    Raises:
        GatewayError: one cannot work.
    """
    host = resolve(settings.host)
    # Whoever listens on all addresses of this machine is called by its name too.
    name = gethostname() if host in ("0.0.0.0", "::") else settings.host
    return GatewaySettings(
        upstream=servers,
        host=host,
        port=settings.port,
        allowed_hosts=(name, *settings.allowed_hosts),
        collector=Collector(*settings.collector) if settings.collector else None,
        log_level="info" if settings.log_level == "debug" else "warning",
    )


def render_gateway(settings: Settings, servers: tuple[SocketAddress, ...]) -> ExitCode:
    """Print the bootstrap for an Envoy of somebody's own."""
    try:
        rendered = bootstrap.render(gateway_settings(settings, servers))
    except GatewayError as error:
        typer.echo(f"tekton: {error}", err=True)
        return ExitCode.USAGE
    json.dump(rendered, sys.stdout, indent=2)
    print()
    return ExitCode.OK


def run_gateway(settings: Settings, servers: tuple[SocketAddress, ...], display: Display) -> ExitCode:
    """Become Envoy; returns only where that cannot be."""
    try:
        chosen = gateway_settings(settings, servers)
    except GatewayError as error:
        display.failed(str(error))
        display.close()
        return ExitCode.USAGE
    try:
        alone.check(chosen)
        rows = {
            "before": ", ".join(f"{host}:{port}" for host, port in servers),
            "ready": f"curl {url_of(settings)}/api/ready",
            "stop": "Ctrl-C",
        }
        where = f"{url_of(settings)}  (REST, gRPC and events on one port)"
        display.serving("the gateway (Envoy)", where, rows, settings)
        raise_file_limit()
        alone.become(chosen, json_log=settings.log_format == "json")
    except GatewayError as error:
        display.failed(str(error))
    finally:
        display.close()
    return ExitCode.FAILED
