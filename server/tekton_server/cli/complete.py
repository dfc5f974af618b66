"""Completion of component ids from the server. It has a moment, and is silent when that is not enough."""

from __future__ import annotations

import typer

_DEADLINE = 0.7
_MOST = 200


def component_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Give the ids that begin so."""
    try:
        return _asked(ctx.params.get("address"), incomplete)
    except Exception:  # whatever goes wrong, a line of it in the middle of somebody's typing would be worse
        return []


def _asked(address: str | None, incomplete: str) -> list[str]:
    import os

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from tekton._channel import Target, thread_channel
    from tekton.core.ids import lookup_key
    from tekton.v1.registry_service_pb2 import ListComponentsRequest
    from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub
    from tekton_server.cli.address import parse_address

    # Blocking stubs: an event loop would take as long to load as the answer takes to come.
    with thread_channel(Target.of(*parse_address(address)).addresses[0]) as channel:
        request = ListComponentsRequest(q=incomplete, page_size=_MOST)
        page = RegistryServiceStub(channel).ListComponents(request, timeout=_DEADLINE)
    wanted = lookup_key(incomplete)
    return [row.component_id for row in page.components if lookup_key(row.component_id).startswith(wanted)]
