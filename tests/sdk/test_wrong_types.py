"""What the application gives wrongly is told in its own words, before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from tekton._given import figures, names, words
from tekton._registration import request_of
from tekton.client import ComponentRegistration, TektonClient, ValidationError, set_default_client
from tekton.utils.component_client import find_component, find_components_by_capability
from tekton.utils.tekton_client import deregister_component, send_heartbeat, update_component_state
from tekton.utils.tekton_registration import register_with_tekton
from tests.sdk.fleet import component
from tests.support.ports import free_port


@pytest_asyncio.fixture
async def unused() -> AsyncIterator[TektonClient]:
    """The default client, which must not even connect."""
    async with TektonClient("localhost", free_port()) as client:
        set_default_client(client)
        yield client
        set_default_client(None)
        assert not client._calls._open, "something was sent"


def loop() -> dict[str, Any]:
    """Metadata that holds itself."""
    held: dict[str, Any] = {}
    held["self"] = held
    return held


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"port": "8788"}, "port must be a whole number from 1 to 65535, or 0 for none, not '8788' (str)"),
    ({"port": 8788.0}, "port must be a whole number from 1 to 65535, or 0 for none, not 8788.0 (float)"),
    ({"port": True}, "port must be a whole number from 1 to 65535, or 0 for none, not True"),
    ({"port": None}, "port must be a whole number from 1 to 65535, or 0 for none, not None"),
    ({"port": 10**12}, "port must be a whole number from 1 to 65535, or 0 for none, not 1000000000000 (int)"),
    ({"port": 10**5000}, "port must be a whole number from 1 to 65535, or 0 for none, not a very large number (int)"),
    ({"component_id": 5}, 'component_id must be a text such as "athena", not 5 (int)'),
    ({"component_name": None}, 'component_name must be a text such as "Athena", not None'),
    ({"component_type": b"service"}, 'component_type must be a text such as "service", not a bytes'),
    ({"version": 1.0}, 'version must be a text such as "1.0.0", not 1.0 (float)'),
    ({"host": ["localhost"]}, 'host must be a text such as "localhost", not a list'),
    ({"health_check": object()}, 'health_check must be a text such as "/api/health", not an object'),
    ({"component_name": "a\ud800"}, "component_name must not hold half of a surrogate pair: U+D800 at index 1"),
    ({"capabilities": "memory"}, "capabilities must be a list of names, not one text: give ['memory']"),
    ({"capabilities": [1, 2]}, "capabilities[0] must be a text, not 1 (int)"),
    ({"capabilities": {"memory": True}}, "capabilities must be a list of names, not a dict"),
    ({"dependencies": 7}, "dependencies must be a list of names, not 7 (int)"),
    (
        {"dependencies": (name for name in ("engram",))},
        "dependencies must be a list of names, not a generator, which can be read only once: give list(…)",
    ),
    ({"metadata": [1]}, "metadata must be a dict of JSON values, not a list"),
    (
        {"metadata": {"x": object()}},
        "metadata.x is an object, which JSON has no form for: give a text or a number instead",
    ),
    (
        {"metadata": {"at": [datetime.now(UTC)]}},
        "metadata.at[0] is a datetime, which JSON has no form for: give its isoformat()",
    ),
    ({"metadata": {"tags": {"a"}}}, "metadata.tags is a set, which JSON has no form for: give a sorted list of it"),
    (
        {"metadata": {"key": b"x"}},
        "metadata.key is a bytes, which JSON has no form for: give a text, for example its base64 form",
    ),
    ({"metadata": {"a": {5: 1}}}, "metadata.a must have texts for keys, not 5 (int)"),
    ({"metadata": {"load": float("nan")}}, "metadata.load must be a finite number, not nan"),
    (
        {"metadata": {"id": 2**53 + 1}},
        "metadata.id is 9007199254740993 (int), which JSON would round: give it as a text",
    ),
    ({"metadata": loop()}, "metadata must be nested at most 16 levels deep"),
]


@pytest.mark.parametrize(("fields", "sentence"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_type_is_named_with_what_was_given_and_what_to_give(
    unused: TektonClient, fields: dict[str, Any], sentence: str
) -> None:
    """As a refusal like any other: (False, None) with the error, and nothing was sent."""
    result = await unused.register_component(component(**fields))
    assert result == (False, None)
    assert type(result.error) is ValidationError
    assert result.message == sentence
    assert [violation["field"] for violation in result.error.details["violations"]] == [sentence.split(" ")[0]]


async def test_the_documented_function_refuses_in_the_same_words(unused: TektonClient) -> None:
    """All that is wrong is told at once."""
    result = await register_with_tekton(5, None, "service", "1.0.0", capabilities="x", port="1")  # type: ignore[arg-type]
    assert result == (False, None)
    assert result.error is not None
    fields = [violation["field"] for violation in result.error.details["violations"]]
    assert fields == ["component_id", "component_name", "capabilities", "port"]


async def test_what_is_no_registration_is_refused(unused: TektonClient) -> None:
    """A dict is none, whatever it holds."""
    result = await unused.register_component({"component_id": "athena"})  # type: ignore[arg-type]
    assert result == (False, None)
    assert result.message == "registration must be a ComponentRegistration, not a dict"


@pytest.mark.parametrize(
    "given", [["b", "a"], ("b", "a"), {"b": 1, "a": 2}.keys()], ids=lambda value: type(value).__name__
)
def test_any_collection_that_can_be_read_twice_is_a_list_of_names(given: Any) -> None:
    """In its order."""
    assert names("capabilities", given) == ["b", "a"]
    assert list(request_of(component(dependencies=given)).dependencies) == ["b", "a"]


@pytest.mark.parametrize("given", [{"b", "a"}, frozenset({"b", "a"})], ids=lambda value: type(value).__name__)
def test_a_set_is_sorted(given: Any) -> None:
    """It has no order, and the same registration must be the same when it is sent again."""
    assert names("capabilities", given) == ["a", "b"]


def test_values_that_json_has_a_form_for_are_kept() -> None:
    """Tuples are lists there."""
    metadata = {"shards": 3, "big": 2**60, "ratio": 0.5, "on": True, "none": None, "pair": (1, "a"), "deep": {"": []}}
    request = request_of(component(metadata=metadata))
    assert dict(request.metadata)["shards"] == 3
    assert list(request.metadata["pair"]) == [1, "a"]


CALLS: dict[str, tuple[Callable[[TektonClient], Awaitable[Any]], str]] = {
    "find": (lambda _: find_component(None), "component_id"),  # type: ignore[arg-type]
    "lookup": (lambda client: _called(client.registry.lookup, 5), "component_id"),
    "by_capability": (lambda _: find_components_by_capability(None), "capability"),  # type: ignore[arg-type]
    "dependencies": (lambda client: client.get_component_dependencies(5), "component_id"),  # type: ignore[arg-type]
    "status": (lambda client: client.get_component_status(5), "component_id"),  # type: ignore[arg-type]
    "read": (lambda client: client.get_component(None), "component_id"),  # type: ignore[arg-type]
    "list": (lambda client: anext(client.list_components(q=5)), "q"),  # type: ignore[arg-type]
    "page": (lambda client: anext(client.list_components(page_size=1001)), "page_size"),
    "beat": (lambda client: client.send_heartbeat("athena", None), "instance_uuid"),  # type: ignore[arg-type]
    "metrics": (lambda client: client.send_heartbeat("athena", "x", metrics=[1]), "metrics"),  # type: ignore[arg-type]
    "health": (lambda client: client.send_heartbeat("athena", "x", health={"db": "a\nb"}), "health.db"),
    "state": (lambda client: client.update_component_state(5, "x", "ready"), "component_id"),  # type: ignore[arg-type]
    "deregister": (lambda client: client.deregister_component(5, "x"), "component_id"),  # type: ignore[arg-type]
    "remove": (lambda client: client.remove_component(None), "component_id"),  # type: ignore[arg-type]
    "patch": (lambda client: client.update_component("athena", ["x"]), "patch"),  # type: ignore[arg-type]
    "revision": (lambda client: client.update_component("athena", {}, expected_revision=-1), "expected_revision"),
    "keep": (lambda client: _called(client.keep_alive, "athena", "no uuid"), "instance_uuid"),
    "heartbeat": (lambda client: _called(client.start_heartbeat, 5), "component_id"),
    "callback": (lambda client: _called(client.start_heartbeat, "athena", on_lease_lost="x"), "on_lease_lost"),
    "watch": (lambda client: _called(client.watch, component_ids="athena"), "component_ids"),
    "watch_states": (lambda client: _called(client.watch_states, component_types=[1]), "component_types[0]"),
}


async def _called(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return function(*arguments, **options)


@pytest.mark.parametrize(("call", "field"), CALLS.values(), ids=CALLS)
async def test_every_call_names_the_argument_that_is_wrong(
    unused: TektonClient, call: Callable[[TektonClient], Awaitable[Any]], field: str
) -> None:
    """As a ValidationError, before anything is sent."""
    with pytest.raises(ValidationError) as caught:
        await call(unused)
    assert caught.value.details["violations"][0]["field"] == field
    assert caught.value.message.startswith(f"{field} must ")


async def test_the_documented_functions_answer_false(unused: TektonClient, caplog: pytest.LogCaptureFixture) -> None:
    """And log why."""
    assert await send_heartbeat(5, "x") is False  # type: ignore[arg-type]
    assert await update_component_state("athena", None, "ready") is False  # type: ignore[arg-type]
    assert await deregister_component(None, "x") is False  # type: ignore[arg-type]
    assert caplog.text.count("must be a text") == 3


def test_what_the_server_would_refuse_in_a_beat_is_refused_here() -> None:
    """There it would end the stream that all leases of the process share."""
    with pytest.raises(ValidationError, match=r"metrics\.cpu must be a number, not 'high' \(str\)"):
        figures({"cpu": "high"})  # type: ignore[dict-item]
    for metrics in ({"x" * 129: 1.0}, {"a\u202e": 1.0}, {"\ud800": 1.0}):
        with pytest.raises(ValidationError, match="metrics must"):
            figures(metrics)
    for health in ({"db": "x" * 257}, {"db": "\x1b[31m"}):
        with pytest.raises(ValidationError, match=r"health\.db must"):
            words(health)


def test_a_registration_is_sent_the_same_each_time() -> None:
    """A repeated call with another body would be refused."""
    registration = ComponentRegistration("athena", "Athena", "service", "1.0.0", port=1)
    assert request_of(registration) == request_of(registration)
