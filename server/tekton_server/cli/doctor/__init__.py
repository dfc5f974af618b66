"""`tekton doctor`: one line for each thing that may be wrong, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from tekton_server.cli import setting_options as given
from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address
from tekton_server.cli.output import Format

EXAMPLES = examples(
    ("tekton doctor", "why does it not work?"),
    ("tekton doctor --address other:8010", "from here to another machine"),
    ("tekton doctor -o json", "for a bug report; exit code 1 where something fails"),
)
Output = Annotated[Format, typer.Option("--output", "-o", help="How to show it; name gives the checks that failed.")]


def doctor(
    config: given.Config = None,
    data_dir: given.DataDir = None,
    database_url: given.DatabaseUrl = None,
    output: Output = Format.TABLE,
    address: Address = None,
) -> None:
    """Look at everything that Tekton needs, here and where it listens: what is wrong, and what to do about it.

    It changes nothing. A warning is no failure: the exit code is 1 only where something fails.
    """
    from tekton_server.cli.doctor.examination import examine
    from tekton_server.cli.doctor.report import report

    flags = {"data_dir": data_dir, "database_url": database_url}
    raise typer.Exit(report(examine(address, flags, config), output))
