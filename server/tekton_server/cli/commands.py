"""The commands and their options."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from tekton_server.config import CONFIG_NAMES, CONFIG_VARIABLE, ENVIRONMENT, ConfigError, Settings, load

DEFAULTS = Settings()
EXAMPLES = """
[bold]Examples[/]

tekton up  [dim]everything, on 127.0.0.1:8010[/]

tekton up --port 8020 --data-dir ./data  [dim]a second one beside it[/]

TEKTON_DATABASE_URL=postgresql://me@db/tekton tekton up  [dim]a database of yours[/]

[bold]Settings[/]

An option beats the environment, which beats the file, which beats the default.

The file names them with _ for -: {"tekton": {"port": 8020, "data_dir": "/srv/tekton"}}
"""

app = typer.Typer(
    name="tekton",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(name: str, metavar: str, text: str) -> Any:
    """Make an option whose value `load` judges, so that a wrong one is told alike wherever it came from."""
    default = getattr(DEFAULTS, name)
    shown = "none" if default is None else str(default)
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(flag, metavar=metavar, help=f"{text} [dim](env {ENVIRONMENT[name][0]}, default {shown})[/]")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show which Tekton this is.")] = False,
) -> None:
    """Tekton: the control plane for fleets of AI components. Start with [bold]tekton up[/]."""
    if show_version:
        version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(epilog=EXAMPLES)
def up(
    host: Annotated[str | None, _option("host", "HOST", "Address to listen on.")] = None,
    port: Annotated[str | None, _option("port", "PORT", "The one port: REST, gRPC and events alike.")] = None,
    grpc_port: Annotated[str | None, _option("grpc_port", "PORT", "A direct gRPC port beside it.")] = None,
    data_dir: Annotated[str | None, _option("data_dir", "DIR", "Where everything is kept, logs too.")] = None,
    database_url: Annotated[
        str | None,
        _option(
            "database_url",
            "URL",
            "A PostgreSQL of yours instead of the embedded one; in the environment no one else can read its password.",
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"A tekton.json. [dim](env {CONFIG_VARIABLE}, default the first of {', '.join(CONFIG_NAMES)})[/]",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            metavar=" ",
            help="Listen where other machines can reach it, without authentication. "
            f"[dim](env {ENVIRONMENT['insecure'][0]})[/]",
        ),
    ] = False,
    log_level: Annotated[str | None, _option("log_level", "LEVEL", "debug, info, warning or error.")] = None,
    log_format: Annotated[
        str | None,
        _option("log_format", "FORMAT", "console for people, or json: one object a line, the start-up included."),
    ] = None,
) -> None:
    """Run the whole control plane: database, server and gateway. Ctrl-C stops it."""
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
    warnings: list[str] = []
    try:
        settings = load(flags, config=config, warn=warnings.append)
    except ConfigError as error:
        typer.echo(f"tekton: {error}", err=True)
        raise typer.Exit(2) from None

    from tekton_server.cli.display import display_for
    from tekton_server.cli.logs import configure_logging

    log_file = configure_logging(settings.log_level, settings.log_format)
    display = display_for(settings)
    for sentence in warnings:
        display.warn(sentence)

    # gRPC's core writes to stderr by itself, past every log.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Half a second of imports: somebody is told by now that something happens.
    from tekton_server.cli.up import run_up

    raise typer.Exit(run_up(settings, display, log_file))


@app.command()
def version() -> None:
    """Show which Tekton this is."""
    from tekton_server.build import BUILD

    typer.echo(f"tekton {BUILD.version} ({BUILD.date}, {BUILD.commit[:12]})")
