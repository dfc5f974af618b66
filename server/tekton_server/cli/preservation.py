"""`tekton preservation`: whether evictions are stopped, and an operator's word about it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Output, Timeout
from tekton_server.cli.output import Format

if TYPE_CHECKING:
    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.remote import Remote

EXAMPLES = examples(
    ("tekton preservation", "are evictions stopped, since when and why?"),
    ("tekton preservation on", "before works on the network: nobody is failed by a timeout until you say auto"),
    ("tekton preservation off", "those who are missing are dead indeed: fail them"),
    ("tekton preservation auto", "as it was"),
)


class Mode(StrEnum):
    """An operator's word."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def preservation(
    mode: Annotated[
        Mode | None, typer.Argument(metavar="MODE", help="Your word, which stands until you change it.")
    ] = None,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Show whether leases that time out are kept because too many sessions are missing at once, or decide it.

    With [bold]auto[/] Tekton decides; [bold]on[/] stops evictions and [bold]off[/] never does, until it is set anew.
    """
    from datetime import UTC, datetime

    from tekton_server.cli.output import write
    from tekton_server.cli.remote import talk
    from tekton_server.cli.status_view import preservation_lines

    async def job(remote: Remote) -> ExitCode | None:
        found = await remote.self_preservation(mode.value if mode else None)
        write(found, output, lambda: preservation_lines(found, datetime.now(UTC)), lambda: [found["mode"]])
        return None

    talk(address, job, timeout)
