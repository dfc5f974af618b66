"""What `tekton graph` does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tekton.core.errors import ComponentNotFoundError
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.graph import GraphFormat
from tekton_server.cli.graph.forms import dot, mermaid
from tekton_server.cli.graph.lanes import lines
from tekton_server.cli.graph.picture import Picture, of_component, of_fleet
from tekton_server.cli.graph.svg import svg
from tekton_server.cli.output import Format, note, plain_ascii, width, write, write_text
from tekton_server.cli.remote import Remote

_TEXTS: dict[GraphFormat, Callable[[Picture], str]] = {
    GraphFormat.MERMAID: mermaid,
    GraphFormat.DOT: dot,
    GraphFormat.SVG: svg,
}


def graph_job(component_id: str, form: GraphFormat) -> Callable[[Remote], Awaitable[ExitCode | None]]:
    """Make the job of `graph`: of one component, or of the fleet where none is named."""

    async def job(remote: Remote) -> None:
        if component_id:
            try:
                reply = await remote.get_component_dependencies(component_id)
            except ComponentNotFoundError as error:
                raise await remote.missed(error) from None
            _show(reply, of_component(reply), form)
        else:
            reply = await remote.get_dependency_graph()
            _show(reply, of_fleet(reply), form)

    return job


def _show(reply: dict[str, Any], picture: Picture, form: GraphFormat) -> None:
    if form in _TEXTS:
        write_text(_TEXTS[form](picture))
        return
    write(reply, Format(form.value), lambda: lines(picture, width(), plain_ascii()), lambda: picture.names)
    if form is GraphFormat.TABLE and not picture.nodes:
        note("no component is registered")
