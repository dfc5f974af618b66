"""The commands and their options."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tekton_server.config import ConfigError, load

app = typer.Typer(
    name="tekton",
    help="Tekton: the control plane for fleets of AI components.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Tekton: the control plane for fleets of AI components."""


@app.command(
    epilog="Every option can also be set in the environment or under the key 'tekton' of tekton.json; "
    "an option beats the environment, which beats the file."
)
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on. (env TEKTON_HOST, default 127.0.0.1)")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port for REST, gRPC and events alike. (env TEKTON_PORT, default 8010)")
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(help="A second, direct gRPC port. (env TEKTON_GRPC_PORT, default none)")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Where everything is kept. (env TEKTON_DATA_DIR, default ~/.tekton/data)")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="A PostgreSQL of yours instead of the embedded one. (env TEKTON_DATABASE_URL)"),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(help="A tekton.json. (env TEKTON_CONFIG_FILE, default ./config/, then ~/.tekton/)"),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a host that others can reach, without authentication.")
    ] = False,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error. (env TEKTON_LOG_LEVEL, default info)")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="console or json. (env TEKTON_LOG_FORMAT, default console)")
    ] = None,
) -> None:
    """Run the whole control plane: database, server and gateway. Ctrl-C stops it."""
    from tekton_server.cli.up import run_up

    flags: dict[str, Any] = {
        "host": host,
        "port": port,
        "grpc_port": grpc_port,
        "data_dir": data_dir,
        "database_url": database_url,
        "insecure": insecure or None,
        "log_level": log_level,
        "log_format": log_format,
    }
    try:
        settings = load(flags, config=config)
    except ConfigError as error:
        typer.secho(f"tekton: {error}", err=True, fg=typer.colors.RED)
        raise typer.Exit(2) from None
    raise typer.Exit(run_up(settings))


@app.command()
def version() -> None:
    """Show which Tekton this is."""
    from tekton_server.build import BUILD

    typer.echo(f"tekton {BUILD.version} ({BUILD.date}, {BUILD.commit[:12]})")
