"""`tekton events`, and `tekton components watch`: what happens, a line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from tekton_server.cli import complete
from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Output
from tekton_server.cli.output import Format, note, write_one

if TYPE_CHECKING:
    from tekton.v1.registry_service_pb2 import WatchRegistryRequest
    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.happenings import Happening, Teller
    from tekton_server.cli.remote import Remote

KINDS = ("component", "instance", "state")
EXAMPLES = examples(
    ("tekton events", "everything from now on"),
    ("tekton events --kind state --component notes", "the states of one component"),
    ("tekton events -o json >> events.jsonl", "one object a line"),
    ("tekton events --since 1a2b3c4d.42", "what came after a token of an earlier run, then on"),
)

Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="component, instance or state; may be repeated."),
]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Of this type; may be repeated.")]
Capabilities = Annotated[
    list[str] | None, typer.Option("--capability", metavar="NAME", help="With this capability; may be repeated.")
]
Since = Annotated[str, typer.Option("--since", metavar="TOKEN", help="A resume token: go on after it.")]


def events(
    kind: Kinds = None,
    component: Annotated[
        list[str] | None,
        typer.Option(
            "--component", metavar="ID", help="Of this one; may be repeated.", autocompletion=complete.component_ids
        ),
    ] = None,
    type: Types = None,
    capability: Capabilities = None,
    since: Since = "",
    output: Output = Format.TABLE,
    address: Address = None,
) -> None:
    """Show what happens: components, their instances and their states, a line each. Ctrl-C ends it.

    At the end it says on stderr from where another run can go on.
    """
    follow(address, output, kind, component, type, capability, since, present=False)


def follow(
    address: str | None,
    form: Format,
    kinds: list[str] | None,
    components: list[str] | None,
    types: list[str] | None,
    capabilities: list[str] | None,
    since: str,
    *,
    present: bool,
) -> None:
    """Stream what happens until Ctrl-C; `present` begins with what is there."""
    wrong = sorted(set(kinds or ()) - set(KINDS))
    if wrong:
        raise typer.BadParameter(f"--kind must be one of {', '.join(KINDS)}, not {wrong[0]!r}")

    from tekton.v1.registry_service_pb2 import WatchRegistryRequest
    from tekton_server.cli.happenings import Teller
    from tekton_server.cli.remote import talk, until_interrupted

    request = WatchRegistryRequest(
        after_revision=since, component_ids=components, component_types=types, capabilities=capabilities
    )
    teller = Teller()
    if since:
        teller.resume_after(since)

    def show(happening: Happening) -> None:
        if not kinds or happening.kind in kinds:
            write_one(happening.data(), form, happening.line, happening.component_id)

    async def job(remote: Remote) -> ExitCode | None:
        try:
            await until_interrupted(_stream(remote, request, teller, show, present))
        finally:
            if teller.token not in ("", since):
                note(f"to go on from here: tekton events --since {teller.token}")
        return None

    talk(address, job)


async def _stream(
    remote: Remote, request: WatchRegistryRequest, teller: Teller, show: Callable[[Happening], None], present: bool
) -> None:
    async for batch in remote.follow(request):
        if any(event.type == "reset" for event in batch):
            note("what happened after that token can no longer be told: something is missing before the next line")
        for happening in teller.tell(batch, present=present):
            show(happening)
