"""`tekton components`: who is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tekton.core.records import CommandKind
from tekton_server.cli import complete
from tekton_server.cli.events import Capabilities, Kinds, Since, Types, follow
from tekton_server.cli.groups import examples, group
from tekton_server.cli.options import Address, ComponentId, Output, Timeout, Watch
from tekton_server.cli.output import Format

STATES = "unknown, registering, initializing, starting, ready, degraded, failed, stopping, stopped"
app = group(
    "See, watch, register, command and remove components.",
    examples(
        ("tekton components list --status failed", "the failed ones"),
        ("tekton comp li -q notes -o name", "only ids; commands may be shortened"),
        ("tekton components get notes -w", "one, as it changes"),
        ("tekton components register notes --type memory --port 8500", "one, from options"),
        ("tekton components register -f fleet.yaml", "many, from a file; - is stdin"),
        ("tekton components command notes reload --wait", "tell every instance, and see what each says"),
    ),
)


@app.command("list")
def list_components(
    status: Annotated[str, typer.Option("--status", metavar="STATE", help=f"In this state: {STATES}.")] = "",
    type: Annotated[str, typer.Option("--type", metavar="TYPE", help="Of this type.")] = "",
    capability: Annotated[str, typer.Option("--capability", metavar="NAME", help="With this capability.")] = "",
    query: Annotated[
        str, typer.Option("--query", "-q", metavar="TEXT", help="With this text in id, name, type or a capability.")
    ] = "",
    watch: Watch = False,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """List components, all of them, by id. All filters must hold."""
    from tekton_server.cli.listing import list_job
    from tekton_server.cli.remote import talk

    talk(address, list_job(status, type, capability, query, output, watch=watch), timeout)


@app.command()
def get(
    component_id: ComponentId,
    watch: Watch = False,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Show everything about one component. The beginning of its id will do where only one begins so."""
    from tekton_server.cli.listing import get_job
    from tekton_server.cli.remote import talk

    talk(address, get_job(component_id, output, watch=watch), timeout)


@app.command()
def watch(
    component_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMPONENT_ID", help="Only these.", autocompletion=complete.component_ids, show_default=False
        ),
    ] = None,
    kind: Kinds = None,
    type: Types = None,
    capability: Capabilities = None,
    since: Since = "",
    output: Output = Format.TABLE,
    address: Address = None,
) -> None:
    """Show what is there, and then what happens, a line each. Ctrl-C ends it."""
    follow(address, output, kind, component_ids, type, capability, since, present=True)


@app.command()
def register(
    component_id: Annotated[str | None, typer.Argument(metavar="COMPONENT_ID", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="JSON or YAML: one registration, a list, or documents; - is stdin."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="For people; the id by default.")] = None,
    type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="The kind; service by default.")] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="SEMVER", help="1.0.0 by default.")] = None,
    capability: Annotated[list[str] | None, typer.Option("--capability", metavar="NAME", help="Repeatable.")] = None,
    dependency: Annotated[
        list[str] | None, typer.Option("--dependency", metavar="ID", help="A component it needs; repeatable.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="HOST", help="Where it listens.")] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="PORT", help="Where it listens.")] = None,
    health_check: Annotated[str | None, typer.Option("--health-check", metavar="PATH")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="VALUE as JSON, or text; repeatable.")
    ] = None,
    instance: Annotated[str | None, typer.Option("--instance", metavar="UUID", help="Makes it repeatable.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the address over from another component.")] = False,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Register instances, from options, a file, or both: options go before what the file says.

    An instance that is not heard of again is failed when its lease times out.
    """
    from tekton_server.cli.registering import register_job, requests
    from tekton_server.cli.remote import talk

    given = {
        "component_id": component_id,
        "component_name": name,
        "component_type": type,
        "version": version,
        "capabilities": capability,
        "dependencies": dependency,
        "host": host,
        "port": port,
        "health_check": health_check,
        "instance_uuid": instance,
        "replace": replace or None,
    }
    wanted = requests({key: value for key, value in given.items() if value is not None}, metadata or [], file)
    talk(address, register_job(wanted, output), timeout)


@app.command()
def command(
    component_id: ComponentId,
    kind: Annotated[CommandKind, typer.Argument(metavar="KIND", help="stop, restart, reload or probe.")],
    instance: Annotated[
        str, typer.Option("--instance", metavar="UUID", help="Only this instance; every leased one by default.")
    ] = "",
    argument: Annotated[
        list[str] | None, typer.Option("--argument", metavar="KEY=VALUE", help="VALUE as JSON, or text; repeatable.")
    ] = None,
    deadline: Annotated[
        float, typer.Option("--deadline", metavar="SECONDS", min=1, max=3600, help="When it loses its meaning.")
    ] = 30.0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for each instance's answer, or the deadline.")] = False,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Tell the instances of a component what to do. It changes no state: what they do is their own report."""
    from tekton_server.cli.commanding import command_job
    from tekton_server.cli.registering import pairs
    from tekton_server.cli.remote import talk

    given = pairs("--argument", argument or [])
    talk(address, command_job(component_id, kind, instance, given, deadline, output, wait=wait), timeout)


@app.command()
def deregister(
    component_id: ComponentId,
    instance: Annotated[str, typer.Option("--instance", metavar="UUID", help="Only this instance of it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Remove a component with all its instances, or end one instance. Only the whole id will do."""
    from tekton_server.cli.registering import deregister_job
    from tekton_server.cli.remote import talk

    talk(address, deregister_job(component_id, instance, sure=yes or bool(instance)), timeout)
