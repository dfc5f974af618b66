"""The history of a component: its transitions, page by page, out of the journal."""

from __future__ import annotations

import re

from tekton.core.ids import COMPONENT_ID, lookup_key
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.domain import limits
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, paging, read
from tekton_server.storage.transitions import END, Place, Transition, Transitions

_TOKEN = re.compile(r"(\d{1,18})\.(\d{1,9})", re.ASCII)
_USUAL = 100


async def page(live: LiveRegistry, request: pb.ListTransitionsRequest) -> pb.ListTransitionsResponse:
    """Read a page of the transitions of a component, whether it is there still or not.

    Raises:
        ValidationError: the size, the token or the instance is none.
        StorageUnavailableError: the journal cannot be read now.
    """
    instance_uuid = read.instance_uuid(request.instance_uuid) if request.instance_uuid else ""
    most = paging.size(request.page_size) or _USUAL
    key, before = lookup_key(request.component_id), _before(request.page_token)
    if not COMPONENT_ID.fullmatch(request.component_id):
        # Nothing was ever registered so; some of what it may be is no text to PostgreSQL.
        return pb.ListTransitionsResponse()
    return _message(await live.store.transitions(key, before, instance_uuid, most, limits.PAGE_BYTES))


def _message(page: Transitions) -> pb.ListTransitionsResponse:
    last = page.found[-1].place if page.more else None
    return pb.ListTransitionsResponse(
        transitions=filter(None, map(_transition, page.found)),
        next_page_token=f"{last.revision}.{last.idx}" if last else "",
        kept_since=convert.timestamp(page.kept_since),
    )


def _transition(found: Transition) -> pb.StateChange | None:
    return convert.state_change(found.change, found.place.revision, found.recorded_at)


def _before(token: str) -> Place:
    if not token:
        return END
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise paging.no_token()
    return Place(int(found[1]), int(found[2]))
