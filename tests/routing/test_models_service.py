"""Models over gRPC and REST: odd ids in paths, statuses that follow what serves them, and answers to bad input."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import routing_service_pb2 as pb
from tests.routing.fleet import Plane, asked, serve
from tests.support.client import new_id, refused
from tests.support.postgres import Cluster

MODELS = "/api/tekton/models"
ROUTE = "/api/tekton/route"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """A control plane whose catalogue is empty; leases last 2 s."""
    url, folder = cluster.new_database(), tmp_path_factory.mktemp("models")
    async with asked(url, folder, timeout=2.0, cooldown=0.4, min_requests=3, explain_retention=60) as opened:
        yield opened


def body(model_id: str, **more: Any) -> dict[str, Any]:
    return {"id": model_id, "provider": "us", "tier": 2, "context_window": 8000, **more}


async def register(plane: Plane, model_id: str, **more: Any) -> dict[str, Any]:
    answer = await plane.http.post(MODELS, json=body(model_id, **more))
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def model(plane: Plane, model_id: str) -> dict[str, Any]:
    answer = await plane.http.get(f"{MODELS}/{model_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status(plane: Plane, model_id: str) -> str:
    return str((await model(plane, model_id))["status"])


@pytest.mark.parametrize(
    "model_id",
    ["meta-llama/Llama-3-8B", "llama3.1:8b", "hf.co/a/b-GGUF:Q4_K_M", "@cf/meta/llama", "v1:0/x:y", "a~b+c", "models"],
)
async def test_odd_ids_live_a_whole_life_in_paths(plane: Plane, model_id: str) -> None:
    """Registered, read, changed, listed and removed, as they are and with escapes."""
    made = await register(plane, model_id)
    assert made["created"] and made["model"]["id"] == model_id and made["model"]["layers"] == ["registered"]
    assert (await model(plane, model_id))["id"] == model_id
    assert (await model(plane, quote(model_id, safe="")))["id"] == model_id
    assert not (await register(plane, model_id, tier=3))["created"]
    assert model_id in [one["id"] for one in (await plane.http.get(MODELS)).json()["models"]]
    gone = await plane.http.delete(f"{MODELS}/{quote(model_id, safe='')}")
    assert (gone.status_code, gone.json()["success"]) == (200, True)
    again = await plane.http.delete(f"{MODELS}/{model_id}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, 1009)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "a/../b"}, "id"),
        ({"id": 7}, "id"),
        ({"id": {"a": "x"}}, "id"),
        ({"tier": -1}, "tier"),
        ({"tier": "high"}, "tier"),
        ({"tier": 2.5}, "tier"),
        ({"context_window": -5}, "context_window"),
        ({"context_window": 2**40}, "context_window"),
        ({"capabilities": ["", "x"]}, "capabilities[0]"),
        ({"capabilities": {"a": 1}}, "capabilities"),
        ({"capabilities": [["x"], {"y": 1}]}, "capabilities"),
        ({"input_price": "free"}, "input_price"),
        ({"enabled": "perhaps"}, "enabled"),
        ({"provider": {"a": 1}}, "provider"),
        ({"endpoint": "javascript:alert(1)"}, "endpoint"),
        ({"model_id": "another"}, "model_id"),
        ({"provider": None}, "provider"),
    ],
)
async def test_what_is_wrong_is_named_in_the_documented_shape(plane: Plane, wrong: dict[str, Any], field: str) -> None:
    """400 for shape, type and size, 422 for a rule; and the model is not there afterwards."""
    answer = await plane.http.post(MODELS, json=body("wrong") | wrong)
    assert answer.status_code in (400, 422), answer.text
    error = answer.json()["error"]
    assert error["code"] == (1000 if answer.status_code == 400 else 1002)
    assert error["details"]["violations"][0]["field"] == field, error
    assert (await plane.http.get(f"{MODELS}/wrong")).status_code == 404


@pytest.mark.parametrize("text", ["[]", "7", '"x"', "null", "{", ""])
async def test_a_body_that_is_no_object_is_refused_whole(plane: Plane, text: str) -> None:
    """An empty one is as good as {} and lacks the id."""
    answer = await plane.http.post(MODELS, content=text, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422) and answer.json()["success"] is False


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"task_type": ""}, "task_type"),
        ({"task_type": "x" * 129}, "task_type"),
        ({"task_type": "a\u202eb"}, "task_type"),
        ({"complexity": "impossible"}, "complexity"),
        ({"complexity": "HIGH"}, "complexity"),
        ({"complexity": 3}, "complexity"),
        ({"context_length": -1}, "context_length"),
        ({"context_length": 1e12}, "context_length"),
        ({"context_length": "long"}, "context_length"),
        ({"output_tokens": -1}, "output_tokens"),
        ({"requirements": {"min_tier": -2}}, "requirements.min_tier"),
        ({"requirements": {"min_tier": 99}}, "requirements.min_tier"),
        ({"requirements": {"capabilities": [""]}}, "requirements.capabilities[0]"),
        ({"requirements": {"capabilities": [" "]}}, "requirements.capabilities[0]"),
        ({"requirements": {"max_cost": -1}}, "requirements.max_cost"),
        ({"requirements": {"max_cost": "cheap"}}, "requirements.max_cost"),
        ({"requirements": {"providers": ["x"] * 300}}, "requirements.providers"),
        ({"requirements": {"max_latency_ms": -0.5}}, "requirements.max_latency_ms"),
        ({"requirements": "none"}, "requirements"),
        ({"fallback": "maybe"}, "fallback"),
    ],
)
async def test_a_task_that_is_wrong_is_refused_by_its_field(plane: Plane, wrong: dict[str, Any], field: str) -> None:
    """An unknown complexity with the list of those that there are."""
    answer = await plane.http.post(ROUTE, json={"task_type": "code"} | wrong)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["details"]["violations"][0]["field"] == field, error
    if field == "complexity" and isinstance(wrong["complexity"], str):
        assert error["details"]["violations"][0]["allowed"] == ["low", "medium", "high"]


async def test_empty_capability_lists_ask_for_nothing(plane: Plane) -> None:
    """Neither of a task nor of a model."""
    provider = new_id("p")
    await register(plane, f"{provider}/bare", provider=provider, capabilities=[], endpoint="http://x:1/y")
    asked = {"task_type": "code", "requirements": {"capabilities": [], "providers": [provider]}}
    answer = (await plane.http.post(ROUTE, json=asked)).json()
    assert answer["selected_model"] == f"{provider}/bare" and answer["choice"]["unmet"] == ["task_type"]
    assert answer["endpoint"] == "http://x:1/y" and answer["fallback_models"] == []


async def test_nothing_that_fits_is_1009_and_nothing_that_is_there_1010(plane: Plane) -> None:
    """The first is 404 and says by which rules, the second 503 and says why."""
    provider, component = new_id("p"), new_id("c")
    await register(plane, f"{provider}/m", provider=provider, component_id=component)
    asked = {"task_type": "code", "requirements": {"providers": [provider]}}
    gone = await plane.http.post(ROUTE, json=asked)
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, 1010)
    assert gone.json()["error"]["details"]["models"] == {f"{provider}/m": f"{component} is not registered"}
    asked["context_length"] = 9000
    wrong = await plane.http.post(ROUTE, json=asked)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, 1009)
    assert wrong.json()["error"]["details"]["rejected"]["context_window"] == 1


async def test_a_refusal_is_explained_like_any_decision(plane: Plane) -> None:
    """By the decision_id of the error's details: of every model the rule that dropped it."""
    provider = new_id("p")
    await register(plane, f"{provider}/m", provider=provider, component_id=new_id("c"))
    asked = {"task_type": "code", "requirements": {"providers": [provider]}}
    for more, rule in (({}, "not_served"), ({"context_length": 9000}, "context_window")):
        error = (await plane.http.post(ROUTE, json=asked | more)).json()["error"]
        told = await plane.http.get(f"/api/tekton/routes/{error['details']['decision_id']}")
        assert told.status_code == 200 and told.json()["selected_model"] == ""
        rules = {one["model_id"]: one["dropped_by"] for one in told.json()["candidates"]}
        assert rules[f"{provider}/m"] == rule and all(rules.values())


async def test_the_status_of_a_model_follows_the_component_that_serves_it(plane: Plane) -> None:
    """Not registered, registering, ready, degraded, suspect, failed: each is seen at once, with a reason."""
    component = new_id("c")
    await register(plane, f"{component}/m", component_id=component)
    assert await status(plane, f"{component}/m") == "unavailable"
    granted = await plane.api.register(component, host="localhost", port=18003)
    assert (await model(plane, f"{component}/m"))["status_reason"].endswith("is registering")
    for state, expected in (("ready", "available"), ("degraded", "degraded"), ("failed", "unavailable")):
        request = lifecycle_pb.UpdateComponentStateRequest(
            component_id=component, instance_uuid=granted.instance_uuid, state=state
        )
        await plane.api.lifecycle.UpdateComponentState(request, timeout=10)
        found = await model(plane, f"{component}/m")
        assert found["status"] == expected
        assert found["endpoint"] == ("" if expected == "unavailable" else "http://localhost:18003/api/generate")


async def test_a_component_that_dies_takes_its_models_with_it(plane: Plane) -> None:
    """Its lease times out, and the task goes to the model of another."""
    dying, provider = new_id("dying"), new_id("p")
    await serve(plane.api, dying)
    await register(plane, f"{provider}/a", provider=provider, component_id=dying)
    await register(plane, f"{provider}/b", provider=provider, endpoint="http://x:1/", tier=1)
    asked = {"task_type": "code", "requirements": {"providers": [provider]}}
    assert (await plane.http.post(ROUTE, json=asked)).json()["selected_model"] == f"{provider}/a"
    async with asyncio.timeout(20):
        while (answer := (await plane.http.post(ROUTE, json=asked)).json())["selected_model"] != f"{provider}/b":
            await asyncio.sleep(0.1)
    assert answer["tier_fallback_from"] == 2 and answer["choice"]["unmet"] == ["complexity", "task_type"]


async def test_components_may_say_themselves_what_they_serve(plane: Plane) -> None:
    """In their metadata; a server of one's own choice is the one that is ready, and taking the word back counts."""
    first, second = new_id("first"), new_id("second")
    await register(plane, f"{first}/m")
    assert (await model(plane, f"{first}/m"))["status_reason"] == "no component serves it"
    for component, state in ((first, "degraded"), (second, "ready")):
        metadata = {"models": [f"{first}/m", 7, None]}
        await serve(plane.api, component, state, host=component, port=8003, metadata=metadata)
    found = await model(plane, f"{first}/m")
    assert (found["status"], found["component_id"]) == ("available", second)
    for component in (second, first):
        update = registry_pb.UpdateComponentRequest(component_id=component)
        update.patch.update({"metadata": {"models": None}})
        await plane.api.registry.UpdateComponent(update, timeout=10)
    assert await status(plane, f"{first}/m") == "unavailable"


async def test_a_model_is_taken_out_of_use(plane: Plane) -> None:
    """It stays listed, is no capability's, and no task gets it."""
    name = new_id("m")
    await register(plane, name, endpoint="http://x:1/y", enabled=False, capabilities=[f"can-{name}"])
    assert await status(plane, name) == "disabled"
    asked = {"task_type": "code", "requirements": {"capabilities": [f"can-{name}"]}}
    answer = await plane.http.post(ROUTE, json=asked)
    assert answer.json()["error"]["details"]["models"] == {name: "it is disabled"}
    listed = (await plane.http.get("/api/tekton/capabilities")).json()["capabilities"]
    assert f"can-{name}" not in [one["id"] for one in listed]


async def test_lists_are_filtered_and_paged(plane: Plane) -> None:
    """In the order of the catalogue, each once; an unknown status is answered with those that there are."""
    provider = new_id("p")
    names = [f"{provider}/{at}" for at in range(7)]
    for at, name in enumerate(names):
        await register(plane, name, provider=provider, tier=1 + at % 2, capabilities=["even" if at % 2 else "odd"])
    found, token = [], ""
    while True:
        asked = {"provider": provider, "page_size": 3, "page_token": token}
        page = (await plane.http.get(MODELS, params=asked)).json()
        found += [one["id"] for one in page["models"]]
        token = page["next_page_token"]
        if not token:
            break
    assert found == names
    for query in ({"capability": "odd"}, {"tier": 1}):
        page = (await plane.http.get(MODELS, params={"provider": provider, **query})).json()
        assert [one["id"] for one in page["models"]] == names[::2]
    none = await plane.http.get(MODELS, params={"provider": provider, "status": "available"})
    assert none.json()["models"] == []
    for query, field in (({"status": "fine"}, "status"), ({"tier": -1}, "tier"), ({"page_token": "?"}, "page_token")):
        wrong = await plane.http.get(MODELS, params=query)
        assert wrong.status_code == 400
        assert wrong.json()["error"]["details"]["violations"][0]["field"] == field


async def test_the_same_request_id_does_it_once(plane: Plane) -> None:
    """And with another body it is refused."""
    name = new_id("m")
    request = pb.RegisterModelRequest(id=name, provider="us", tier=1, context_window=5, request_id=new_id("r"))
    first = await plane.api.routing.RegisterModel(request, timeout=10)
    await plane.api.routing.DeregisterModel(pb.DeregisterModelRequest(model_id=name), timeout=10)
    again = await plane.api.routing.RegisterModel(request, timeout=10)
    assert first.created and not again.created and again.model.id == name
    with refused("no_route"):
        await plane.api.routing.GetModel(pb.GetModelRequest(model_id=name), timeout=10)
    request.tier = 2
    with refused("request_mismatch"):
        await plane.api.routing.RegisterModel(request, timeout=10)


async def test_a_decision_is_explained_candidate_by_candidate(plane: Plane) -> None:
    """Those that would do with the parts of their scores, the others with the rule; and not for ever."""
    provider = new_id("p")
    await register(plane, f"{provider}/good", provider=provider, endpoint="http://x:1/", capabilities=["code"])
    await register(plane, f"{provider}/small", provider=provider, endpoint="http://x:1/", context_window=10)
    asked = {
        "task_type": "code",
        "context_length": 100,
        "requirements": {"providers": [provider], "max_latency_ms": 9.5},
    }
    decision_id = (await plane.http.post(ROUTE, json=asked)).json()["decision_id"]
    told = (await plane.http.get(f"/api/tekton/routes/{decision_id}")).json()
    assert told["task"]["requirements"]["max_latency_ms"] == 9.5 and told["task"]["complexity"] == "medium"
    by_id = {one["model_id"]: one for one in told["candidates"]}
    good, small = by_id[f"{provider}/good"], by_id[f"{provider}/small"]
    assert (good["rank"], good["dropped_by"], good["reason"]) == (1, "", "it fits")
    weighted = sum(told["weights"][name] * part for name, part in good["parts"].items())
    assert good["score"] == pytest.approx(weighted, abs=1e-5) and sum(told["weights"].values()) == pytest.approx(1)
    assert (small["rank"], small["dropped_by"], small["parts"]) == (0, "context_window", {})
    assert "10 tokens is less than the 100 needed" in small["reason"]
    assert told["total"] == len(told["candidates"]) == len(by_id)
    for unknown, code in (("7e0b2a4e-0000-4000-8000-000000000000", 404), ("nonsense", 400)):
        assert (await plane.http.get(f"/api/tekton/routes/{unknown}")).status_code == code


async def report(plane: Plane, decision_id: str, **fields: Any) -> httpx.Response:
    return await plane.http.post(f"/api/tekton/routes/{decision_id}/outcome", json=fields)


async def test_outcomes_put_a_model_out_and_bring_it_back(plane: Plane) -> None:
    """By its failures it cools down, tasks go to the next, and after its time some are tried on it again."""
    provider = new_id("p")
    for name, tier in (("first", 2), ("second", 3)):
        await register(plane, f"{provider}/{name}", provider=provider, endpoint="http://x:1/", tier=tier)
    asked = {"task_type": "code", "requirements": {"providers": [provider]}}

    async def route() -> dict[str, Any]:
        found: dict[str, Any] = (await plane.http.post(ROUTE, json=asked)).json()
        return found

    for _ in range(3):
        decision = await route()
        assert decision["selected_model"] == f"{provider}/first"
        told = await report(plane, decision["decision_id"], ok=False, error_class="server_error")
        assert told.json() == {"success": True, "counted": True}
    twice = await report(plane, decision["decision_id"], ok=False, error_class="server_error")
    assert twice.json()["counted"] is False
    assert await status(plane, f"{provider}/first") == "cooling_down"
    decision = await route()
    assert decision["selected_model"] == f"{provider}/second" and decision["fallback_models"] == []
    async with asyncio.timeout(10):
        while await status(plane, f"{provider}/first") != "degraded":
            await asyncio.sleep(0.05)
    trials = [await route() for _ in range(6)]
    tried = [one for one in trials if one["selected_model"] == f"{provider}/first"]
    assert len(tried) == 2
    for one in tried:
        await report(
            plane, one["decision_id"], ok=True, latency_ms=120.5, input_tokens=100, output_tokens=20, cost=0.25
        )
    assert await status(plane, f"{provider}/first") == "available"
    observed = (await model(plane, f"{provider}/first"))["observed"]
    assert (observed["requests"], observed["error_rate"]) == pytest.approx((5, 0.6), abs=0.1)
    assert observed["latency_ms"] == 120.5 and observed["cost"] == pytest.approx(0.1, abs=0.01)
    # Whatever is left of both is flagged.
    for _ in range(12):
        await report(plane, (await route())["decision_id"], ok=False)
    flagged = await route()
    assert flagged["flagged"] and "cooling_down" in flagged["choice"]["unmet"]
    strict = await plane.http.post(ROUTE, json=asked | {"fallback": False})
    assert strict.status_code == 503 and float(strict.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "ok"),
        ({"ok": False, "error_class": "bad luck"}, "error_class"),
        ({"ok": True, "latency_ms": -1}, "latency_ms"),
        ({"ok": True, "latency_ms": "quick"}, "latency_ms"),
        ({"ok": True, "input_tokens": -1}, "input_tokens"),
        ({"ok": True, "cost": -0.1}, "cost"),
        ({"ok": False, "retry_after": 1e9}, "retry_after"),
        ({"ok": True, "task_type": "x" * 200}, "task_type"),
    ],
)
async def test_an_outcome_that_is_wrong_is_refused_by_its_field(
    plane: Plane, wrong: dict[str, Any], field: str
) -> None:
    """And does not count."""
    answer = await report(plane, "7e0b2a4e-0000-4000-8000-000000000000", **wrong)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"]["violations"][0]["field"] == field


async def test_an_outcome_counts_though_its_decision_is_forgotten_if_the_model_is_named(plane: Plane) -> None:
    """Of neither it is 1009."""
    name, nowhere = new_id("m"), "7e0b2a4e-0000-4000-8000-000000000000"
    await register(plane, name)
    told = await report(plane, nowhere, ok=False, model_id=name, task_type="code", error_class="auth")
    assert told.json()["counted"] is True
    observed = (await model(plane, name))["observed"]
    assert observed["error_rate"] == 1
    for fields in ({}, {"model_id": new_id("nobody")}):
        answer = await report(plane, nowhere, ok=True, **fields)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, 1009)


async def test_a_negative_answer_is_not_given_while_the_database_cannot_be_asked(plane: Plane) -> None:
    """What is known is answered all the same."""
    name = new_id("m")
    await register(plane, name, endpoint="http://x:1/")
    live = plane.running.app.live

    async def down() -> None:
        from tekton_server.storage.errors import StorageUnavailableError

        raise StorageUnavailableError("the database cannot be reached now; try again")

    kept, live._freshness.confirm = live._freshness.confirm, down  # type: ignore[method-assign]
    kept_refresh, live._refresh = live._refresh, down  # type: ignore[method-assign]
    try:
        assert await status(plane, name) == "available"
        assert (await plane.http.get(f"{MODELS}/{new_id('nobody')}")).status_code == 503
        asked = {"task_type": "code", "requirements": {"providers": [new_id("nobody")]}}
        assert (await plane.http.post(ROUTE, json=asked)).status_code == 503
    finally:
        live._freshness.confirm, live._refresh = kept, kept_refresh  # type: ignore[method-assign]
