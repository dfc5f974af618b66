"""Models, routes and budgets from Python: calls as documented, and outcomes that are told by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from tekton._routes import failure_of
from tekton.client import (
    ModelUnavailableError,
    NoRouteError,
    ResourceConstraintError,
    Route,
    TektonClient,
    ValidationError,
)
from tekton.core.errors import ConflictError, RegistrationError, StaleSessionError, TektonTimeoutError
from tekton.utils.tekton_errors import ComponentError
from tests.sdk.fleet import component, eventually
from tests.sdk.server import ServerProcess
from tests.support.client import new_id


async def models_of(client: TektonClient, *names: str, **more: Any) -> str:
    """Register models of a provider of their own; the first one has the tier that medium tasks call for."""
    provider = new_id("p")
    for at, name in enumerate(names):
        facts = {"tier": 2 + at, "context_window": 8000, "endpoint": f"http://{name}:1/", "capabilities": ["code"]}
        await client.register_model(f"{provider}/{name}", provider=provider, **(facts | more))
    return provider


async def route(client: TektonClient, provider: str, **more: Any) -> Route:
    return await client.route_task("code", requirements={"providers": [provider]}, **more)


async def observed(client: TektonClient, model_id: str) -> dict[str, Any]:
    return (await client.get_model(model_id))["observed"] or {"requests": 0.0}


async def told(client: TektonClient, model_id: str, count: float) -> dict[str, Any]:
    """Wait until outcomes of a model have arrived."""

    async def arrived() -> bool:
        return bool((await observed(client, model_id))["requests"] > count - 0.1)

    await eventually(arrived)
    return await observed(client, model_id)


async def test_a_task_is_routed_as_documented(client: TektonClient) -> None:
    """The call of the API reference; the answer is the documented object, as a dictionary."""
    provider = await models_of(client, "one", "two", capabilities=["text_generation"])
    route_info = await client.route_task(task_type="text_generation", complexity="medium", context_length=2000)
    assert route_info["selected_model"] and route_info["decision_id"]
    found = await client.route_task(
        "text_generation", "medium", 2000, output_tokens=500,
        requirements={"capabilities": ["text_generation"], "providers": [provider], "max_cost": None},
    )  # fmt: skip
    assert isinstance(found, dict)
    assert (found["selected_model"], found["endpoint"]) == (f"{provider}/one", "http://one:1/")
    assert found["fallback_models"] == [f"{provider}/two"]
    assert found["selection_criteria"] == dict.fromkeys(
        ("complexity_match", "context_window_sufficient", "capability_match", "tier_match"), True
    )
    # What nobody knows is not nothing.
    assert found["choice"]["estimated_cost"] is None


async def test_errors_are_the_classes_of_the_server(client: TektonClient) -> None:
    """1009, 1010, and what to do about each."""
    provider = await models_of(client, "one", endpoint=None)
    with pytest.raises(ModelUnavailableError, match="no component serves it"):
        await route(client, provider)
    with pytest.raises(NoRouteError) as caught:
        await route(client, provider, context_length=9000)
    assert caught.value.code == 1009
    with pytest.raises(NoRouteError):
        await client.get_model(new_id("nobody"))
    with pytest.raises(RegistrationError):
        await client.register_model("a b", provider="us", tier=1, context_window=1)
    with pytest.raises(ConflictError):
        await client.register_model(f"{provider}/one", tier=1, provider="u", context_window=1, expected_revision=0)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"task_type": 7}, "task_type"),
        ({"complexity": "impossible"}, "complexity"),
        ({"complexity": None}, "complexity"),
        ({"context_length": -1}, "context_length"),
        ({"context_length": "long"}, "context_length"),
        ({"context_length": 2**31}, "context_length"),
        ({"output_tokens": 1.5}, "output_tokens"),
        ({"requirements": ["code"]}, "requirements"),
        ({"requirements": {"capabilites": []}}, "requirements.capabilites"),
        ({"requirements": {"capabilities": "code"}}, "requirements.capabilities"),
        ({"requirements": {"min_tier": -1}}, "requirements.min_tier"),
        ({"requirements": {"max_cost": float("nan")}}, "requirements.max_cost"),
    ],
)
async def test_a_wrong_argument_is_named(client: TektonClient, call: dict[str, Any], field: str) -> None:
    """Before anything is sent, or by the server."""
    with pytest.raises(ValidationError) as caught:
        await client.route_task(**({"task_type": "code"} | call))
    assert caught.value.details["violations"][0]["field"] == field


async def test_an_attempt_tells_what_came_of_it(client: TektonClient) -> None:
    """Success with its time and tokens; a failure by its exception, which goes on to the caller."""
    provider = await models_of(client, "one", input_price=1.0, output_price=10.0)
    found = await route(client, provider)
    async with found.attempt() as attempt:
        assert (attempt.model_id, attempt.endpoint) == (f"{provider}/one", "http://one:1/")
        attempt.input_tokens, attempt.output_tokens = 1000, 100
        await asyncio.sleep(0.02)
    seen = await told(client, f"{provider}/one", 1)
    assert seen["error_rate"] == 0 and 15 < seen["latency_ms"] < 5000
    assert seen["input_tokens"] == 1000 and seen["cost"] == pytest.approx(0.002)
    with pytest.raises(ZeroDivisionError):
        async with (await route(client, provider)).attempt():
            raise ZeroDivisionError
    seen = await told(client, f"{provider}/one", 2)
    assert seen["error_rate"] == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="not in this route"):
        found.attempt("gpt-9")


@pytest.mark.parametrize("tokens", [None, "many", 1.5, -3, 2**40, True])
async def test_figures_that_are_none_cost_no_answer(
    client: TektonClient, tokens: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Many providers do not tell how many tokens it were: the block ends as it would, and its outcome is told."""
    provider = await models_of(client, "one")
    async with (await route(client, provider)).attempt() as attempt:
        attempt.input_tokens, attempt.output_tokens = tokens, 7
        attempt.cost = "dear"  # type: ignore[assignment]
    attempt = (await route(client, provider)).attempt()
    attempt.input_tokens = tokens
    with pytest.raises(KeyError, match="mine"):
        async with attempt:
            raise KeyError("mine")
    seen = await told(client, f"{provider}/one", 2)
    assert seen["error_rate"] == pytest.approx(0.5, abs=0.01) and seen["output_tokens"] > 0
    assert ("input_tokens must be a whole number" in caplog.text) is (tokens is not None)
    for wrong in ({"error_class": None}, {"retry_after": "7"}, {"retry_after": -1}):
        with pytest.raises(ValidationError):
            attempt.failed(**wrong)


async def test_a_limited_rate_is_honoured_at_every_hop_of_a_fallback_chain(client: TektonClient) -> None:
    """Each attempt of one route is told of its own model (litellm 32574), and the next task goes to the third."""
    provider = await models_of(client, "one", "two", "three")
    found = await route(client, provider)
    used = []
    for model_id in (found["selected_model"], *found["fallback_models"]):
        used.append(model_id)
        async with found.attempt(model_id) as attempt:
            if len(used) < 3:
                attempt.failed("rate_limited", retry_after=60)
                continue
    await told(client, used[2], 1)

    async def out() -> bool:
        models = await client.list_models(provider=provider)
        return [one["status"] for one in models] == ["cooling_down", "cooling_down", "available"]

    await eventually(out)
    assert (await route(client, provider))["selected_model"] == used[2]


async def test_an_attempt_that_was_cancelled_is_not_the_models_fault(client: TektonClient) -> None:
    """Nothing is counted."""
    provider = await models_of(client, "one")

    async def call() -> None:
        async with (await route(client, provider)).attempt():
            await asyncio.Event().wait()

    for _ in range(6):
        task = asyncio.create_task(call())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
    async with (await route(client, provider)).attempt():
        pass
    assert (await told(client, f"{provider}/one", 1))["requests"] == pytest.approx(1, abs=0.1)


class ClientResponseError(Exception):
    """As aiohttp has it: the status and the headers are its own."""

    def __init__(self, status: int, headers: dict[str, str] | None) -> None:
        self.status = status
        self.headers = None if headers is None else httpx.Headers(headers)


def answered(status: int, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://x/")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, headers=headers))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(429, **{"retry-after": "7"}), ("rate_limited", 7.0)),
        (answered(429, **{"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), ("rate_limited", None)),
        (answered(401), ("auth", None)),
        (answered(529), ("overloaded", None)),
        (answered(500), ("server_error", None)),
        (answered(422), ("invalid_request", None)),
        (TimeoutError(), ("timeout", None)),
        (TektonTimeoutError("late"), ("timeout", None)),
        (ComponentError("no", "rhetor", "http_503", {"status": 503}), ("overloaded", None)),
        (ComponentError("no", "rhetor", "timeout"), ("timeout", None)),
        (asyncio.CancelledError(), ("cancelled", None)),
        (httpx.ReadTimeout("late"), ("timeout", None)),
        (ClientResponseError(429, {"Retry-After": "7"}), ("rate_limited", 7.0)),
        (ClientResponseError(401, None), ("auth", None)),
        (RuntimeError("x"), ("error", None)),
    ],
)
def test_what_an_exception_says_of_a_model(error: BaseException, expected: tuple[str, float | None]) -> None:
    """By its HTTP status where it has one, as those of httpx, of components and of providers' libraries have."""
    assert failure_of(error) == expected


async def test_models_are_listed_over_all_pages(client: TektonClient) -> None:
    """And are explained, described and removed."""
    provider = await models_of(client, *(f"m{at}" for at in range(5)))
    assert [one["id"] for one in await client.list_models(provider=provider)] == [f"{provider}/m{a}" for a in range(5)]
    assert "code" in [one["id"] for one in await client.list_capabilities()]
    told_of = await client.explain_route((await route(client, provider))["decision_id"])
    assert told_of["candidates"][0]["model_id"] == f"{provider}/m0"
    await client.deregister_model(f"{provider}/m0")
    with pytest.raises(NoRouteError):
        await client.deregister_model(f"{provider}/m0")


async def test_a_budget_is_taken_for_a_block_and_what_is_not_used_comes_back(client: TektonClient) -> None:
    """Over it is 1007; who waits gets what another returns."""
    model_id = new_id("m")
    await client.set_budget(model_id=model_id, max_in_flight=1, tokens_per_minute=1000)
    async with client.budget(model_id, input_tokens=600) as lease:
        with pytest.raises(ResourceConstraintError) as caught:
            async with client.budget(model_id):
                pass
        assert caught.value.code == 1007 and caught.value.retry_after

        async def waiting() -> str:
            async with client.budget(model_id, input_tokens=900, within=10) as other:
                return other.lease_id

        waiter = asyncio.create_task(waiting())
        await asyncio.sleep(0.1)
        assert not waiter.done()
        lease.used(input_tokens=50)
        lease.used(output_tokens=50)
    assert await waiter not in ("", lease.lease_id)
    (shown,) = [one for one in await client.list_budgets() if one["model_id"] == model_id]
    assert shown["taken"] == {"in_flight": 0, "tokens": 100, "cost": 0}
    await client.remove_budget(model_id=model_id)
    async with client.budget(model_id, input_tokens=5000):
        pass


async def test_a_component_holds_its_budget_with_its_lease(client: TektonClient, server: ServerProcess) -> None:
    """The instance of one that this client registered is known by itself."""
    registration, model_id = component(), new_id("m")
    await client.set_budget(component_id=registration.component_id, max_in_flight=1)
    await client.register_component(registration)
    async with client.budget(model_id, component_id=registration.component_id):
        with pytest.raises(ResourceConstraintError):
            async with client.budget(model_id, component_id=registration.component_id):
                pass
        async with TektonClient(server.host, server.port) as other:
            await other.deregister_component(registration.component_id, registration.instance_uuid)
        with pytest.raises(StaleSessionError):
            async with client.budget(model_id, component_id=registration.component_id):
                pass


async def test_who_is_cancelled_while_taking_a_budget_holds_nothing(client: TektonClient) -> None:
    """Whenever it comes: nobody would return it, and it would be held for its whole time."""
    model_id = new_id("m")
    await client.set_budget(model_id=model_id, max_in_flight=100)

    async def taking() -> None:
        async with client.budget(model_id):
            pass

    for step in range(30):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(step / 4000):
                await taking()

    async def nothing_held() -> bool:
        (shown,) = [one for one in await client.list_budgets() if one["model_id"] == model_id]
        return bool(shown["taken"]["in_flight"] == 0)

    await eventually(nothing_held, within=20)


async def test_a_budget_lease_may_be_taken_again(client: TektonClient) -> None:
    """What was used of the one before is not told once more."""
    model_id = new_id("m")
    await client.set_budget(model_id=model_id, tokens_per_minute=1000)
    lease = client.budget(model_id)
    for _ in range(2):
        async with lease:
            lease.used(input_tokens=10)
            for wrong in ({"input_tokens": 1, "cost": -1}, {"input_tokens": 2**31 - 1}):
                with pytest.raises(ValidationError):
                    lease.used(**wrong)
    (shown,) = [one for one in await client.list_budgets() if one["model_id"] == model_id]
    assert shown["taken"]["tokens"] == 20


async def test_who_is_cancelled_while_returning_a_budget_has_returned_it(
    client: TektonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was used; before, it was held for its whole time."""
    model_id = new_id("m")
    await client.set_budget(model_id=model_id, max_in_flight=1, tokens_per_minute=1000)
    lease = client.budget(model_id)
    ask = client._calls.ask

    async def cancelled(*_: object) -> None:
        monkeypatch.setattr(client._calls, "ask", ask)
        raise asyncio.CancelledError

    with contextlib.suppress(asyncio.CancelledError):
        async with lease:
            lease.used(input_tokens=7)
            monkeypatch.setattr(client._calls, "ask", cancelled)

    async def returned() -> bool:
        (shown,) = [one for one in await client.list_budgets() if one["model_id"] == model_id]
        return bool(shown["taken"]["in_flight"] == 0 and shown["taken"]["tokens"] == 7)

    await eventually(returned)
