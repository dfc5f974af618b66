"""A fleet to route over: models as the documents print them, or made up, and the components that serve them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton_server.config import Settings
from tekton_server.routing_entries import ModelEntry
from tekton_server.sections import Components, Routing
from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.ports import free_port

# The union of what the documents say of each model in their lists of models and of capabilities, and in their request.
_EVERYWHERE = ("code_generation", "code_analysis")
DOCUMENTED = (
    ModelEntry(
        id="claude-3-sonnet-20240229",
        provider="anthropic",
        capabilities=("text_generation", "text_embedding", "summarization", *_EVERYWHERE),
        tier=3,
        context_window=200000,
        component_id="rhetor",
    ),
    ModelEntry(
        id="gpt-4-turbo",
        provider="openai",
        capabilities=("text_generation", "text_embedding", *_EVERYWHERE),
        tier=3,
        context_window=128000,
        component_id="rhetor",
    ),
    ModelEntry(
        id="llama3",
        provider="ollama",
        capabilities=("text_generation", *_EVERYWHERE),
        tier=2,
        context_window=8000,
        component_id="rhetor",
    ),
)
REQUEST: Mapping[str, Any] = {
    "task_type": "code_generation",
    "complexity": "high",
    "context_length": 5000,
    "requirements": {"capabilities": ["code_generation", "code_analysis"], "min_tier": 2},
    "fallback": True,
}
ANSWER: Mapping[str, Any] = {
    "selected_model": "claude-3-sonnet-20240229",
    "provider": "anthropic",
    "endpoint": "http://localhost:8003/api/generate",
    "selection_criteria": {
        "complexity_match": True,
        "context_window_sufficient": True,
        "capability_match": True,
        "tier_match": True,
    },
    "fallback_models": ["gpt-4-turbo", "llama3"],
}


@asynccontextmanager
async def plane_with(
    database_url: str, folder: Path, models: Sequence[ModelEntry] = (), *, timeout: float = 60.0, **routing: Any
) -> AsyncIterator[ControlPlane]:
    """Run a control plane whose catalogue holds these models and no shipped ones."""
    settings = Settings(
        port=free_port(),
        grpc_port=free_port(),
        data_dir=str(folder),
        database_url=database_url,
        components=Components(heartbeat_interval=min(0.5, timeout / 4), heartbeat_timeout=timeout),
        routing=Routing(shipped_catalogue=False, **routing),
        models=tuple(models),
    )
    async with control_plane(database_url, folder, settings=settings) as plane:
        yield plane


class Plane(NamedTuple):
    """A control plane, and who asks it: on its direct port, and through the gateway."""

    api: Stubs
    http: httpx.AsyncClient
    running: ControlPlane


@asynccontextmanager
async def asked(database_url: str, folder: Path, models: Sequence[ModelEntry] = (), **how: Any) -> AsyncIterator[Plane]:
    """Run a control plane as `plane_with` does, and have it asked."""
    async with (
        plane_with(database_url, folder, models, **how) as running,
        stubs(running.direct) as api,
        httpx.AsyncClient(base_url=running.http, timeout=10) as http,
    ):
        yield Plane(api, http, running)


async def serve(api: Stubs, component_id: str, state: str = "ready", **fields: Any) -> str:
    """Register a component and report its state; gives the instance."""
    granted = await api.register(component_id, **fields)
    beat = heartbeat_pb.SendHeartbeatRequest(
        component_id=component_id, instance_uuid=granted.instance_uuid, state=state
    )
    await api.heartbeat.SendHeartbeat(beat, timeout=10)
    return granted.instance_uuid
