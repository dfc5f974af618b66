"""The commands and how they are grouped."""

from __future__ import annotations

from typing import Annotated

import typer

from tekton_server.cli import (
    component_logs,
    components,
    config_commands,
    doctor,
    events,
    fleet,
    graph,
    models,
    pieces,
    preservation,
    probe,
    route,
    status,
    top,
    why,
)
from tekton_server.cli import setting_options as given
from tekton_server.cli.exits import MEANING
from tekton_server.cli.groups import HELP_NAMES, PrefixGroup, examples, plain_usage
from tekton_server.cli.starting import begin

EXAMPLES = """
[bold]Examples[/]

tekton up  [dim]everything, on 127.0.0.1:8010[/]

tekton up --port 8020 --data-dir ./data  [dim]a second one beside it[/]

TEKTON_DATABASE_URL=postgresql://me@db/tekton tekton up  [dim]a database of yours[/]

[bold]Settings[/]

An option beats the environment, which beats the file, which beats the default.

The file names them with _ for -: {"tekton": {"port": 8020, "data_dir": "/srv/tekton"}}
"""

RUN, LOOK, CHECK = "Run Tekton", "See and change the fleet", "Find out what is wrong"
FIRST = examples(
    ("tekton up", "run everything, on 127.0.0.1:8010"),
    ("tekton status", "how it is, and who is not ready"),
    ("tekton components list --status failed", "or shorter: tekton comp li --status failed"),
    ("tekton start --all", "start the fleet, each when what it needs is ready"),
    ("tekton top", "what everything uses, live"),
    ("tekton why notes", "why it is not ready, down to the cause"),
    ("tekton graph", "who needs whom, in the order in which it starts"),
    ("tekton events --kind state", "what happens, a line each"),
    ("tekton -h; tekton components register -h", "every command has a help with examples"),
    ("tekton --install-completion", "the Tab key knows commands and component ids"),
)
CODES = "[bold]Exit codes[/]\n\n" + "\n\n".join(f"{code.value:>3}  {text}" for code, text in MEANING.items())

app = typer.Typer(
    name="tekton",
    cls=PrefixGroup,
    epilog=f"{FIRST}\n\n{CODES}",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
)


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


@app.command(epilog=EXAMPLES, rich_help_panel=RUN)
def up(
    context: typer.Context,
    host: given.Host = None,
    port: given.Port = None,
    allowed_host: given.AllowedHosts = None,
    grpc_port: given.GrpcPort = None,
    trusted_proxy: given.TrustedProxies = None,
    data_dir: given.DataDir = None,
    database_url: given.DatabaseUrl = None,
    database_password_file: given.DatabasePasswordFile = None,
    config: given.Config = None,
    insecure: given.Insecure = False,
    log_level: given.LogLevel = None,
    log_format: given.LogFormat = None,
    otlp_endpoint: given.OtlpEndpoint = None,
) -> None:
    """Run the whole control plane: database, server and gateway. Ctrl-C stops it."""
    flags = given.flags(context.params)
    settings, display, log_file = begin(flags, config)
    # Half a second of imports: somebody is told by now that something happens.
    from tekton_server.cli.up import run_up

    raise typer.Exit(run_up(settings, display, log_file, config=config))


app.command(epilog=pieces.SERVE, rich_help_panel=RUN)(pieces.serve)
app.command(epilog=pieces.MIGRATE, rich_help_panel=RUN)(pieces.migrate)
app.command(epilog=pieces.GATEWAY, rich_help_panel=RUN)(pieces.gateway)


@app.command(rich_help_panel=RUN)
def version() -> None:
    """Show which Tekton this is."""
    from tekton_server.build import BUILD

    typer.echo(f"tekton {BUILD.version} ({BUILD.date}, {BUILD.commit[:12]})")


app.command(epilog=status.EXAMPLES, rich_help_panel=LOOK)(status.status)
app.command(epilog=top.EXAMPLES, rich_help_panel=LOOK)(top.top)
app.add_typer(components.app, name="components", rich_help_panel=LOOK)
app.command(epilog=fleet.START, rich_help_panel=LOOK)(fleet.start)
app.command(epilog=fleet.STOP, rich_help_panel=LOOK)(fleet.stop)
app.command(epilog=fleet.RESTART, rich_help_panel=LOOK)(fleet.restart)
app.command(epilog=fleet.PLAN, rich_help_panel=LOOK)(fleet.plan)
app.command(epilog=why.EXAMPLES, rich_help_panel=LOOK)(why.why)
app.command(epilog=graph.EXAMPLES, rich_help_panel=LOOK)(graph.graph)
app.command(epilog=events.EXAMPLES, rich_help_panel=LOOK)(events.events)
app.add_typer(models.app, name="models", rich_help_panel=LOOK)
app.command(epilog=route.EXAMPLES, rich_help_panel=LOOK)(route.route)
app.add_typer(models.budgets, name="budgets", rich_help_panel=LOOK)
app.command(epilog=preservation.EXAMPLES, rich_help_panel=LOOK)(preservation.preservation)
app.command(epilog=component_logs.EXAMPLES, rich_help_panel=LOOK)(component_logs.logs)
app.command(epilog=doctor.EXAMPLES, rich_help_panel=CHECK)(doctor.doctor)
app.command(epilog=probe.EXAMPLES, rich_help_panel=CHECK)(probe.probe)
app.add_typer(config_commands.app, name="config", rich_help_panel=CHECK)
plain_usage(app)
