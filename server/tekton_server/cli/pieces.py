"""The pieces of a deployment, each a process of its own: `tekton serve`, `tekton migrate` and `tekton gateway`."""

from __future__ import annotations

from typing import Annotated

import typer

from tekton_server.cli import setting_options as given
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.groups import examples
from tekton_server.cli.starting import begin, settings_of

SERVE = examples(
    ("tekton serve --grpc-port 8011 --database-url postgresql://me@db/tekton", "then put a gateway before it:"),
    ("tekton gateway --upstream localhost:8011", "REST, gRPC and events on port 8010"),
)
MIGRATE = examples(
    ("tekton migrate --database-url postgresql://me@db/tekton", "once is enough, twice does no harm"),
    ("tekton migrate --check", "change nothing; exit code 1 where something is to do"),
)
GATEWAY = examples(
    ("tekton gateway --upstream localhost:8011", "on 127.0.0.1:8010"),
    ("tekton gateway --upstream a:8011 --upstream b:8011", "calls go to those that serve"),
    ("tekton gateway --upstream server:8011 --render > envoy.json", "for an Envoy of yours: envoy -c envoy.json"),
)
Upstream = Annotated[
    list[str],
    typer.Option("--upstream", metavar="HOST:PORT", help="Where a `tekton serve` listens. May be repeated."),
]


def serve(
    context: typer.Context,
    host: given.Host = None,
    port: given.Port = None,
    grpc_port: given.GrpcPort = None,
    database_url: given.DatabaseUrl = None,
    database_password_file: given.DatabasePasswordFile = None,
    trusted_proxy: given.TrustedProxies = None,
    config: given.Config = None,
    insecure: given.Insecure = False,
    log_level: given.LogLevel = None,
    log_format: given.LogFormat = None,
    otlp_endpoint: given.OtlpEndpoint = None,
) -> None:
    """Run the server alone, with a PostgreSQL elsewhere: native gRPC only, on --grpc-port or else --port.

    REST, events and gRPC-Web come from a gateway before it. It keeps nothing on disk, and logs to stderr alone.
    """
    flags = given.flags(context.params)
    settings, display, log_file = begin(flags, config)
    if settings.database_url is None:
        display.failed("a server alone needs a database: set --database-url or TEKTON_DATABASE_URL")
        display.close()
        raise typer.Exit(ExitCode.USAGE)

    from tekton_server.cli.up import run_up

    raise typer.Exit(run_up(settings, display, log_file, bare=True))


def migrate(
    context: typer.Context,
    database_url: given.DatabaseUrl = None,
    database_password_file: given.DatabasePasswordFile = None,
    check: Annotated[
        bool,
        typer.Option("--check", metavar=" ", help="Only tell whether something is to do; exit code 1 where it is."),
    ] = False,
    config: given.Config = None,
) -> None:
    """Bring the database's schema to this version. Several at once do no harm: one does it, the others wait."""
    flags = given.flags(context.params)
    settings = settings_of(flags, config, [])

    from tekton_server.cli.migrating import run_migrate

    raise typer.Exit(run_migrate(settings, check=check))


def gateway(
    context: typer.Context,
    upstream: Upstream,
    host: given.Host = None,
    port: given.Port = None,
    allowed_host: given.AllowedHosts = None,
    render: Annotated[
        bool,
        typer.Option("--render", metavar=" ", help="Print what Envoy reads, complete in itself, and run nothing."),
    ] = False,
    config: given.Config = None,
    insecure: given.Insecure = False,
    log_level: given.LogLevel = None,
    log_format: given.LogFormat = None,
    otlp_endpoint: given.OtlpEndpoint = None,
) -> None:
    """Run the gateway (Envoy) alone, before one or more servers: REST, gRPC, gRPC-Web and events on one port.

    A server gets calls as long as it says by grpc.health.v1 that it serves. The command becomes Envoy: signals are
    Envoy's, its log is on stderr, and when it ends, the command has.
    """
    flags = given.flags(context.params)
    from tekton_server.cli.gateway import render_gateway, run_gateway, servers_of

    servers = servers_of(upstream)
    if render:
        raise typer.Exit(render_gateway(settings_of(flags, config, []), servers))
    settings, display, _ = begin(flags, config)
    raise typer.Exit(run_gateway(settings, servers, display))
