"""`tekton top`: what everything uses, live; piped, one look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Output, Timeout
from tekton_server.cli.output import Format
from tekton_server.cli.top.orders import Order

if TYPE_CHECKING:
    from tekton_server.cli.remote import Remote

EXAMPLES = examples(
    ("tekton top", "live; q ends it, / filters, c m g n s sort"),
    ("tekton top --sort memory -q embed", "who has embed in id, type or state, the largest first"),
    ("tekton top --once", "one look, as it is where the output is piped"),
    ("tekton top -o json | jq .system.cpu", "for scripts"),
)


def top(
    sort: Annotated[Order, typer.Option("--sort", help="What comes first.")] = Order.CPU,
    query: Annotated[
        str, typer.Option("--query", "-q", metavar="TEXT", help="Only with this text in id, type or state.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="One look, also on a terminal.")] = False,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Show what the machine, its GPUs and every component use, with charts of the last hour.

    Piped, or in another form than a table, it is one look.
    """
    from tekton_server.cli.remote import talk
    from tekton_server.cli.top.looking import interactive, look

    async def job(remote: Remote) -> None:
        if once or output is not Format.TABLE or not interactive():
            await look(remote, sort, query, output, timeout)
        else:
            from tekton_server.cli.top.screen import show

            await show(remote, sort, query)

    talk(address, job, timeout)
