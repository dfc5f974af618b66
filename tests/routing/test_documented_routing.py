"""The documented models, the documented request, the documented answer: through the real gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.routing.fleet import ANSWER, DOCUMENTED, REQUEST, Plane, asked, serve
from tests.support.postgres import Cluster
from tests.support.shapes import assert_superset


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """A control plane with the documented models, and the component that serves them."""
    async with asked(cluster.new_database(), tmp_path_factory.mktemp("documented"), DOCUMENTED) as opened:
        await serve(opened.api, "rhetor", host="localhost", port=8003)
        yield opened


async def test_the_documented_request_gives_the_documented_answer(plane: Plane) -> None:
    """With the union of what the documents say of each model."""
    http = plane.http
    answer = await http.post("/api/tekton/route", json=REQUEST)
    assert answer.status_code == 200, answer.text
    assert_superset(answer.json(), ANSWER)
    assert answer.json()["choice"]["unmet"] == []
    assert [one["unmet"] for one in answer.json()["fallbacks"]] == [[], ["complexity"]]


async def test_models_and_capabilities_are_as_documented(plane: Plane) -> None:
    """Field by field; there are more capabilities, since the fixture is the union."""
    http = plane.http
    models = (await http.get("/api/tekton/models")).json()["models"]
    printed = [("claude-3-sonnet-20240229", "anthropic", 3, 200000), ("gpt-4-turbo", "openai", 3, 128000)]
    printed += [("llama3", "ollama", 2, 8000)]
    assert [(m["id"], m["provider"], m["tier"], m["context_window"]) for m in models] == printed
    assert {m["status"] for m in models} == {"available"}
    assert models[0]["capabilities"][:3] == ["text_generation", "text_embedding", "summarization"]
    capabilities = (await http.get("/api/tekton/capabilities")).json()["capabilities"]
    everyone = [name for name, *_ in printed]
    assert capabilities[:3] == [
        {"id": "text_generation", "description": "Generate text based on a prompt", "supported_models": everyone},
        {
            "id": "code_generation",
            "description": "Generate code based on a specification",
            "supported_models": everyone,
        },
        {
            "id": "text_embedding",
            "description": "Generate vector embeddings for text",
            "supported_models": everyone[:2],
        },
    ]
