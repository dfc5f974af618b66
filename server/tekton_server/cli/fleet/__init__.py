"""`tekton start`, `stop`, `restart` and `plan`: the fleet in the order of its dependencies, and how that goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tekton_server.cli import complete
from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Output, Timeout
from tekton_server.cli.output import Format

if TYPE_CHECKING:
    from tekton.client import OperationResult
    from tekton_server.cli.remote import Remote

START = examples(
    ("tekton start notes", "it, and first what it needs; each when what it needs is ready"),
    ("tekton start --all", "everything that components.json says how to launch"),
    ("tekton start notes --no-dependencies", "it alone; what it needs has to be ready"),
    ("tekton start --all -o json", "a line for each step"),
)
STOP = examples(
    ("tekton stop notes", "it alone, whoever needs it"),
    ("tekton stop memory --dependents", "what needs it too, and first"),
    ("tekton stop --all --force", "everything in the reverse order; what does not end is killed"),
    ("tekton stop notes --instance UUID --timeout 60", "one copy of it; it has a minute for what it has in hand"),
)
RESTART = examples(
    ("tekton restart notes", "stop it, start it again, and what it needs if that is not ready"),
    ("tekton restart --all", "stop everything in the reverse order, and start it again"),
)
PLAN = examples(
    ("tekton plan", "what tekton start --all would do; exit code 1 where something could not start"),
    ("tekton plan notes", "what tekton start notes would do"),
    ("tekton plan -o name", "the ids in the order in which they start"),
)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="The components.", autocompletion=complete.component_ids, show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All that Tekton launches.")]
Parallel = Annotated[
    int, typer.Option("--parallel", metavar="N", min=0, max=1000, help="The most at the same time; 0 for 32.")
]
Alone = Annotated[bool, typer.Option("--no-dependencies", help="Start nothing else: what they need has to be ready.")]
Force = Annotated[bool, typer.Option("--force", help="Kill what has not ended in time.")]
Grace = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        "--grace",
        metavar="SECONDS",
        min=0,
        max=3600,
        help="For what each has in hand. [dim](default: its own stop_timeout, or 30)[/]",
        show_default=False,
    ),
]

Instance = Annotated[
    str, typer.Option("--instance", metavar="UUID", help="Only this instance of the one component that is named.")
]


def start(
    component_ids: Ids = None,
    everything: All = False,
    no_dependencies: Alone = False,
    parallel: Parallel = 0,
    output: Output = Format.TABLE,
    address: Address = None,
) -> None:
    """Start components and what they need, and show how it goes until all are ready.

    Ctrl-C ends the display; the start goes on. The exit code is that of the first that did not become ready.
    """
    ids = _chosen(component_ids, everything)
    from tekton_server.cli.fleet.running import shown
    from tekton_server.cli.remote import talk

    talk(
        address,
        lambda remote: shown(
            remote.start_components(ids, resolve_dependencies=not no_dependencies, max_parallel=parallel), output
        ),
    )


def stop(
    component_ids: Ids = None,
    everything: All = False,
    dependents: Annotated[bool, typer.Option("--dependents", help="Stop what needs them too, and first.")] = False,
    force: Force = False,
    grace: Grace = None,
    instance: Instance = "",
    parallel: Parallel = 0,
    output: Output = Format.TABLE,
    address: Address = None,
) -> None:
    """Stop components in the reverse order of a start: each once nothing runs that needs it and is to stop too.

    Ctrl-C ends the display; the stop goes on. The exit code is that of the first that did not stop.
    """
    ids = _chosen(component_ids, everything)
    if instance:
        _one(address, ids, dependents, lambda remote, one: remote.stop_component(
            one, instance_uuid=instance, force=force, timeout=grace
        ), output)  # fmt: skip
    from tekton_server.cli.fleet.running import shown
    from tekton_server.cli.remote import talk

    talk(
        address,
        lambda remote: shown(
            remote.stop_components(
                ids, all=everything, resolve_dependencies=dependents, force=force, timeout=grace, max_parallel=parallel
            ),
            output,
        ),
    )


def restart(
    component_ids: Ids = None,
    everything: All = False,
    force: Force = False,
    grace: Grace = None,
    instance: Instance = "",
    parallel: Parallel = 0,
    output: Output = Format.TABLE,
    address: Address = None,
) -> None:
    """Stop components in the reverse order and start them again. Where one does not stop, none is started."""
    ids = _chosen(component_ids, everything)
    if instance:
        _one(address, ids, False, lambda remote, one: remote.restart_component(
            one, instance_uuid=instance, force=force, timeout=grace
        ), output)  # fmt: skip
    from tekton_server.cli.fleet.running import shown
    from tekton_server.cli.remote import talk

    talk(
        address,
        lambda remote: shown(
            remote.stop_components(ids, all=everything, force=force, timeout=grace, max_parallel=parallel),
            output,
            lambda: remote.start_components(ids, max_parallel=parallel),
        ),
    )


def plan(
    component_ids: Ids = None,
    no_dependencies: Alone = False,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Show what a start of components, or of everything, would do now, wave by wave, and do nothing.

    The exit code is 1 where something could not start.
    """
    from tekton_server.cli.fleet.running import plan_job
    from tekton_server.cli.remote import talk

    talk(address, plan_job(component_ids or None, output, resolve=not no_dependencies), timeout)


def _one(
    address: str | None,
    ids: list[str] | None,
    more: bool,
    operate: Callable[[Remote, str], Awaitable[OperationResult]],
    output: Format,
) -> NoReturn:
    """Operate one instance, and end."""
    if ids is None or len(ids) != 1 or more:
        raise typer.BadParameter("--instance is of one component: name that one, and nothing else")
    from tekton_server.cli.fleet.one import operated
    from tekton_server.cli.remote import talk

    talk(address, operated(ids[0], operate, output))


def _chosen(component_ids: list[str] | None, everything: bool) -> list[str] | None:
    """Give the named ones, or None for all; nobody means all by naming none."""
    if bool(component_ids) == everything:
        raise typer.BadParameter(
            "name components or say --all" if not everything else "name components or say --all, not both"
        )
    return component_ids or None
