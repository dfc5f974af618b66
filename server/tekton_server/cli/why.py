"""`tekton why`: why a component is not ready, down to the root causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, ComponentId, Output, Timeout
from tekton_server.cli.output import Format

if TYPE_CHECKING:
    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.remote import Remote

EXAMPLES = examples(
    ("tekton why notes", "what is in its way, since when, and with which evidence"),
    ("tekton why notes --history 20", "and how it came there"),
    ("tekton why notes -o name", "only the ids of the causes"),
    ("tekton why notes -o json | jq -r .message", "one sentence; exit code 1 where something is not well"),
)


def why(
    component_id: ComponentId,
    history: Annotated[
        int, typer.Option("--history", metavar="N", min=0, max=1000, help="Also its last N changes of state.")
    ] = 0,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Tell why a component is not ready: what is unmet with it, and with what it needs, down to the causes.

    The exit code is 1 where it is not ready, needs directly what is not, or rests on what Tekton gave up on.
    """
    from tekton.core.errors import ComponentNotFoundError
    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.output import plain_ascii, width, write
    from tekton_server.cli.remote import talk
    from tekton_server.cli.why_view import why_lines

    async def job(remote: Remote) -> ExitCode | None:
        try:
            found = await remote.explain_component(component_id)
        except ComponentNotFoundError as error:
            raise await remote.missed(error) from None
        if history:
            found["history"] = await _last(remote, component_id, history)
        write(found, output, lambda: why_lines(found, width(), plain=plain_ascii()), lambda: found["root_causes"])
        return ExitCode.OK if found["well"] else ExitCode.FAILED

    talk(address, job, timeout)


async def _last(remote: Remote, component_id: str, most: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    async for change in remote.list_transitions(component_id, page_size=most):
        found.append(change)
        if len(found) == most:
            break
    return found
