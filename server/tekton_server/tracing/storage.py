"""Spans of what the database is asked, as the semantic conventions of databases have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from uuid import UUID

from opentelemetry.trace import SpanKind, Tracer, format_span_id, format_trace_id, get_current_span
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.view import Commit
from tekton_server.storage.database import Database
from tekton_server.storage.journal import Head, JournalSession
from tekton_server.storage.requests import Answered, RequestKey
from tekton_server.storage.state import Store

_NONE: Mapping[RequestKey, Answered] = MappingProxyType({})


@contextmanager
def _asked(tracer: Tracer, database: str, operation: str, what: str) -> Iterator[None]:
    """Trace a question to the database, where it is asked for the sake of something traced."""
    if not get_current_span().is_recording():
        yield
        return
    attributes = {"db.system": "postgresql", "db.namespace": database, "db.operation.name": operation}
    with tracer.start_as_current_span(f"{operation} {what}", kind=SpanKind.CLIENT, attributes=attributes):
        yield


class TracedSession(JournalSession):
    """Traces the transaction of a batch, and tells the database of which trace it is part."""

    def __init__(self, database: Database, tracer: Tracer) -> None:
        super().__init__(database)
        self._tracer = tracer

    async def begin(self) -> Head:
        """Trace the wait for the lock and the read of the head."""
        # As sqlcommenter writes it, and only in front of what is sent as text: prepared statements stay the same.
        found = get_current_span().get_span_context()
        ids = f"00-{format_trace_id(found.trace_id)}-{format_span_id(found.span_id)}-{found.trace_flags:02x}"
        self.note = f"/*traceparent='{ids}'*/ " if found.is_valid else ""
        with _asked(self._tracer, self._database.name, "BEGIN", "journal"):
            return await super().begin()

    async def after(self, revision: int) -> list[Commit]:
        """Trace the read of what other servers wrote."""
        with _asked(self._tracer, self._database.name, "SELECT", "journal"):
            return await super().after(revision)

    async def remembered(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Answered]:
        """Trace the read of what was answered before."""
        with _asked(self._tracer, self._database.name, "SELECT", "requests"):
            return await super().remembered(keys)

    async def append(
        self, commits: Sequence[Commit], batch_id: UUID, answered: Mapping[RequestKey, Answered] = _NONE
    ) -> None:
        """Trace the write; the span of the batch gets the id that the journal has of it."""
        span = get_current_span()
        span.set_attribute("tekton.batch.id", str(batch_id))
        span.set_attribute("tekton.batch.commits", len(commits))
        with _asked(self._tracer, self._database.name, "INSERT", "journal"):
            await super().append(commits, batch_id, answered)

    async def commit(self) -> None:
        """Trace the commit."""
        with _asked(self._tracer, self._database.name, "COMMIT", "journal"):
            await super().commit()


class TracedStore(Store):
    """Traces the reads that a call waits for."""

    def __init__(self, engine: AsyncEngine, tracer: Tracer) -> None:
        super().__init__(engine)
        self._tracer = tracer
        self._database = engine.url.database or ""

    async def head(self) -> Head:
        """Trace the look at the end of the journal."""
        with _asked(self._tracer, self._database, "SELECT", "journal head"):
            return await super().head()

    async def after(self, revision: int) -> list[Commit]:
        """Trace the read of the journal."""
        with _asked(self._tracer, self._database, "SELECT", "journal"):
            return await super().after(revision)
