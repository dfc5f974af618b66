"""Options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from tekton_server.cli import complete
from tekton_server.cli.output import Format

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        "-a",
        metavar="HOST:PORT",
        help="Where Tekton is. [dim](env TEKTON_HOST and TEKTON_PORT, default localhost:8010)[/]",
    ),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to show it.")]
Watch = Annotated[
    bool,
    typer.Option("--watch", "-w", help="Go on as it changes, until Ctrl-C; piped: a line for each change."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=600, help="The longest to wait for an answer.")
]
ComponentId = Annotated[
    str, typer.Argument(metavar="COMPONENT_ID", help="The component.", autocompletion=complete.component_ids)
]
