"""`tekton graph`: who needs whom, drawn in the terminal or written for other tools."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tekton_server.cli import complete
from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Timeout

EXAMPLES = examples(
    ("tekton graph", "everything, in the order in which it starts"),
    ("tekton graph notes", "what one needs, and who needs it"),
    ("tekton graph -o svg > fleet.svg", "a picture for a browser"),
    ("tekton graph -o mermaid", "for a page of documentation; -o dot for Graphviz"),
    ("tekton graph -o name", "only ids, in the order in which they start"),
)


class GraphFormat(StrEnum):
    """The forms of a graph."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


def graph(
    component_id: Annotated[
        str,
        typer.Argument(
            metavar="COMPONENT_ID",
            help="Only what it needs and who needs it.",
            autocompletion=complete.component_ids,
            show_default=False,
        ),
    ] = "",
    output: Annotated[GraphFormat, typer.Option("--output", "-o", help="How to show it.")] = GraphFormat.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Draw who needs whom, wave by wave as it starts, with states, cycles, and what is missing.

    A line runs down from each component to those that need it. In the other forms an arrow means "needs".
    """
    from tekton_server.cli.graph.showing import graph_job
    from tekton_server.cli.remote import talk

    talk(address, graph_job(component_id, output), timeout)
