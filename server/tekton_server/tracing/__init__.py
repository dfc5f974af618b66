"""OpenTelemetry traces: each traced part is a subclass of the plain one, so that without tracing nothing is paid.

Nothing imports this package, and with it OpenTelemetry, unless the setting `otlp_endpoint` asks for it.
"""

from __future__ import annotations

from functools import partial

from opentelemetry.trace import Tracer
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.interceptors import Interceptor
from tekton_server.live.parts import Parts
from tekton_server.storage.database import Database
from tekton_server.storage.journal import JournalSession
from tekton_server.storage.state import Store
from tekton_server.tracing.calls import TracedCalls
from tekton_server.tracing.export import Export
from tekton_server.tracing.storage import TracedSession, TracedStore
from tekton_server.tracing.writes import TracedWriter

__all__ = ["Export", "interceptor", "parts"]


def parts(tracer: Tracer) -> Parts:
    """Give what a registry is made of where writes and reads of the database are traced."""

    def store(engine: AsyncEngine) -> Store:
        return TracedStore(engine, tracer)

    def session(database: Database) -> JournalSession:
        return TracedSession(database, tracer)

    return Parts(store, session, partial(TracedWriter, tracer))


def interceptor(tracer: Tracer) -> Interceptor:
    """Give the maker of the interceptor that traces calls."""
    return partial(TracedCalls, tracer)
