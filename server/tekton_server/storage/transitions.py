"""The history of a component: the changes of state that the journal has of its instances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from tekton.core.view import Cause, InstanceChange
from tekton_server.storage import rows

# journal_component_idx, read backwards. The first condition is that of the index, word for word.
_NEWEST_FIRST = """
SELECT revision, idx, recorded_at, kind, old::text, new::text, cause::text FROM journal
WHERE kind = 'instance' AND new IS NOT NULL AND replace(new ->> 'component_id', '-', '_') = $1
AND (revision, idx) < ($2, $3) AND ($4 = '' OR key = $4)
AND (old IS NULL OR (old ->> 'state') <> (new ->> 'state'))
ORDER BY revision DESC, idx DESC LIMIT $5
"""
_KEPT_SINCE = "SELECT recorded_at FROM journal ORDER BY revision, idx LIMIT 1"
_LAST_CHANGES = """
SELECT DISTINCT ON (key) key, cause::text, coalesce(old ->> 'state', '') <> (new ->> 'state') AS moved FROM journal
WHERE revision = ANY($1) AND kind = 'instance' AND key = ANY($2) ORDER BY key, revision DESC, idx DESC
"""
# What a state report brought along may be large, so that a page is read in parts.
_PREFETCH = 50


class Place(NamedTuple):
    """A place in the journal."""

    revision: int
    idx: int


END = Place(2**63 - 1, 0)


class Transition(NamedTuple):
    """One change of state, and where and when it was recorded."""

    place: Place
    recorded_at: datetime
    change: InstanceChange


class Transitions(NamedTuple):
    """Some transitions, the newest first; whether older ones follow, and how far back the journal goes."""

    found: list[Transition]
    more: bool
    kept_since: datetime | None


async def read_transitions(
    connection: asyncpg.Connection[Any], key: str, before: Place, instance_uuid: str, most: int, most_bytes: int
) -> Transitions:
    """Read the transitions of a component, by its look-up key, before a place; of all instances with an empty uuid.

    At least one comes where there is one; then as many as `most` and `most_bytes` of what came with them allow.
    """
    found: list[Transition] = []
    size = 0
    async with connection.transaction(readonly=True):
        asked = (key, *before, instance_uuid, most + 1)
        async for row in connection.cursor(_NEWEST_FIRST, *asked, prefetch=_PREFETCH):
            size += len(row["cause"])
            if found and (len(found) == most or size > most_bytes):
                return Transitions(found, True, await connection.fetchval(_KEPT_SINCE))
            found.append(Transition(Place(row["revision"], row["idx"]), row["recorded_at"], rows.instance_change(row)))
        return Transitions(found, False, await connection.fetchval(_KEPT_SINCE))


class LastChange(NamedTuple):
    """Why an instance changed last, and whether its state did: the expiry of a lease leaves who had failed failed."""

    cause: Cause
    moved: bool


async def read_last_changes(connection: asyncpg.Connection[Any], changed: Mapping[str, int]) -> dict[str, LastChange]:
    """Read last changes, given as {instance_uuid: revision}, as far as the journal still has them."""
    found = await connection.fetch(_LAST_CHANGES, list(set(changed.values())), list(changed))
    return {row["key"]: LastChange(rows.cause_of(row["cause"]), row["moved"]) for row in found}
