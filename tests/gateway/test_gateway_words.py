"""What the gateway cannot read is refused in our own words: a field, what is wrong with it, and the rule."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.canned_server import CannedServer
from tests.gateway.test_gateway_rest import COMPONENTS, EVENTS, JSON, error_of

pytestmark = pytest.mark.timeout(30)

BATCH = f"{COMPONENTS}:batch"
BEAT = f"{COMPONENTS}/vector/heartbeat"
# Words of the transcoder and of the libraries below it, none of which is for users.
JARGON = (
    "token",
    "proto",
    "scalar",
    "field path",
    "key:value",
    "surrogate.",
    "type.googleapis",
    "TYPE_",
    "INVALID_ARG",
)


def violation_of(reply: httpx.Response) -> tuple[str, str, str]:
    """Check that a reply is a 400 with one violation, which the message says too; give field, message and rule."""
    error = error_of(reply, 400, 1000, "validation_error")
    (violation,) = error["details"]["violations"]
    assert set(violation) == {"field", "message", "rule"}
    assert error["message"] == f"{violation['field']} {violation['message']}"
    assert [word for word in JARGON if word.lower() in reply.text.lower()] == []
    return violation["field"], violation["message"], violation["rule"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b" ", "it ends where a value is due"),
        (b'{"component_id":', "it ends where a value is due"),
        (b'{"component_id": "p', "it ends inside a string: a closing quote is missing"),
        (b'{"component_id": "p", ', "it ends inside an object: a closing brace is missing"),
        (b'{"component_id": 1', "it ends inside an object: a closing brace is missing, near 1"),
        (b'{"capabilities": ["a"', 'it ends inside a list: a closing bracket is missing'),
        (b"{bad", "it ends too early, near bad"),
        (b"garbage", "a bare word is no value: put strings in double quotes; true, false and null are lower"),
        (b'{"port": NaN}', "a bare word is no value"),
        (b"component_id=p&port=1", "a bare word is no value"),
        (b"\x00\x00", "a value is due: a string in double quotes, a number, true, false, null, a list or an object"),
        (b"\xef\xbb\xbf{}", "a value is due"),
        (b'{"port": +5}', "a value is due"),
        (b"{/* c */}", "the name of a field, in double quotes, or a closing brace is due, near /* c */}"),
        (b'{"a"}', 'a colon is due between the name of a field and its value, near {"a"}'),
        (b'{"a": 1 "b": 2}', "a comma or a closing brace is due after the value of a field"),
        (b'{"a": [1 2]}', "a comma or a closing bracket is due after an item of a list"),
        (b"{}{}", "something follows the object: send one object and nothing else, near {}{}"),
        (b'{"component_name": "\xff\xfe"}', "it is not UTF-8"),
        (b'{"\xff": 1}', "it is not UTF-8"),
        (b'{"a": "\\ud800"}', 'half of a surrogate pair stands alone, near \\ud800"}'),
        (b'{"a": "\\ud800\\u0041"}', "half of a surrogate pair stands alone"),
        (b'{"a": "\\udc00"}', "half of a surrogate pair stands alone"),
        (b'{"a": "\\u12"}', "a \\u needs four hexadecimal digits"),
        (b'{"a": 01}', "a number must not begin with 0"),
        (b'{"a": 1e}', "a number is not complete"),
        (b'{"port": 1e400}', "a number is too large for a double"),
        (b'{"x": "\xff\xfe\\"\n', "it is not UTF-8"),
    ],
)  # fmt: skip
async def test_what_is_no_json_is_told_with_what_is_wrong_and_where(
    rest: httpx.AsyncClient, server: CannedServer, body: bytes, wrong: str
) -> None:
    """Whatever bytes the client sent, the reply is JSON, and of our own words."""
    reply = await rest.post(COMPONENTS, content=body, headers=JSON)
    field, message, rule = violation_of(reply)
    assert (field, rule) == ("body", "json")
    assert message.startswith(f"is not valid JSON: {wrong}")
    assert server.calls == []


@pytest.mark.parametrize("body", ["[]", "[1]", '[{"port": 1}]', "null", "true", '"text"', "5"])
async def test_json_that_is_no_object_is_told_so(rest: httpx.AsyncClient, body: str) -> None:
    """A registration is one object; many go to the batch."""
    reply = await rest.post(COMPONENTS, content=body, headers=JSON)
    assert violation_of(reply) == ("body", "must be a JSON object, such as {}", "type")


async def test_a_body_that_is_nested_too_deep_is_told_so(rest: httpx.AsyncClient) -> None:
    """Closed or not, known or not."""
    for body in ('{"a":' * 200, '{"a":' * 200 + "1" + "}" * 200, '{"metadata":' + '{"a":' * 1000 + "1" + "}" * 1001):
        reply = await rest.post(COMPONENTS, content=body, headers=JSON)
        assert violation_of(reply) == ("body", "is nested too deep: take some levels out", "depth")


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        (COMPONENTS, '{"port": "abc"}', "port", 'must be an integer, not "abc"'),
        (COMPONENTS, '{"port": "a\\"b\\n"}', "port", 'must be an integer, not "a"b\n"'),
        (COMPONENTS, '{"port": 1.5}', "port", "must be an integer, not 1.5"),
        (COMPONENTS, '{"port": 99999999999}', "port", "must be an integer, not 99999999999"),
        (COMPONENTS, '{"port": "' + "a" * 200 + '"}', "port", "must be an integer"),
        (COMPONENTS, '{"port": {"a": 1}}', "port", "must not be an object"),
        (COMPONENTS, '{"metadata": 3}', "metadata", "must be an object, not 3"),
        (COMPONENTS, '{"component_id": 3}', "component_id", "must be a string, not 3"),
        (COMPONENTS, '{"replace": "maybe"}', "replace", 'must be true or false, not "maybe"'),
        (COMPONENTS, '{"expected_revision": 1.5}', "expected_revision", "must be an integer, not 1.5"),
        (COMPONENTS, '{"capabilities": {"a": 1}}', "capabilities", "must be a list, not an object"),
        (COMPONENTS, '{"capabilities": ["a", {"b": 1}]}', "capabilities", "must be a list without objects in it"),
        (COMPONENTS, '{"capabilities": ["a", 5]}', "capabilities", "must be a list of strings, not 5"),
        (BATCH, '{"components": "x"}', "components", 'must be a list of objects, not "x"'),
        (BATCH, '{"components": [5]}', "components[0]", "must be an object, not 5"),
        (BATCH, '{"components": [{}, 5]}', "components[1]", "must be an object, not 5"),
        (BATCH, '{"components": [{}, {"port": "x"}]}', "components[1].port", 'must be an integer, not "x"'),
        (BATCH, '{"components": [{"port": {}}]}', "components[0].port", "must not be an object"),
        (BATCH, '{"components": [{"metadata": 3}]}', "components[0].metadata", "must be an object, not 3"),
        (BEAT, '{"metrics": [1]}', "metrics", "must be an object, not a list"),
        (BEAT, '{"metrics": "w"}', "metrics", 'must be an object, not "w"'),
        (BEAT, '{"metrics": {"a": "many"}}', "metrics", 'must hold only numbers, not "many"'),
        (BEAT, '{"metrics": {"a": [1]}}', "metrics", "must hold plain values, no lists"),
        (BEAT, '{"health": {"a": 5}}', "health", "must hold only strings, not 5"),
    ],
)
async def test_a_field_of_the_wrong_type_is_named_wherever_it_is(
    rest: httpx.AsyncClient, path: str, body: str, field: str, message: str
) -> None:
    """With its path through the body; entries of a map by the map's name."""
    assert violation_of(await rest.post(path, content=body, headers=JSON)) == (field, message, "type")


async def test_a_key_of_a_map_must_not_stand_there_twice(rest: httpx.AsyncClient) -> None:
    """Which of the two was meant nobody knows. The key is told unless it is long."""
    for key, told in (("a", "must not have a key twice: a"), ("a\\n" * 80, "must not have a key twice")):
        reply = await rest.post(BEAT, content=f'{{"metrics": {{"{key}": 1, "{key}": 2}}}}', headers=JSON)
        assert violation_of(reply) == ("metrics", told, "unique")


@pytest.mark.parametrize(
    ("query", "field", "message", "rule"),
    [
        ("nope=1", "nope", "is not a parameter of this call", "unknown"),
        ("page_size=abc", "page_size", 'must be an integer, not "abc"', "type"),
        ("page_size=", "page_size", 'must be an integer, not ""', "type"),
        ("page_size=%C3%A9", "page_size", 'must be an integer, not "\u00e9"', "type"),
        ("page_size=%22", "page_size", 'must be an integer, not """', "type"),
        (f"page_size={'a' * 200}", "page_size", "must be an integer", "type"),
        ("page_size.x=1", "page_size", "has no fields of its own: leave out the dot and what follows it", "unknown"),
        (".=1", "query", "is not a parameter of this call", "unknown"),
        ("page_size", "page_size", "must be written as a name, = and a value", "format"),
        ("=5", "=5", "must be written as a name, = and a value", "format"),
        ('"\\', "%22/", "must be written as a name, = and a value", "format"),
    ],
)
async def test_a_wrong_query_parameter_is_400_and_named(
    rest: httpx.AsyncClient, server: CannedServer, query: str, field: str, message: str, rule: str
) -> None:
    """A parameter that nobody knows, or without a value, is refused: to skip it would answer another question."""
    reply = await rest.get(f"{COMPONENTS}?{query}")
    if query == '"\\':
        field = violation_of(reply)[0]  # it is escaped on the way here, by whichever layer
    assert violation_of(reply) == (field, message, rule)
    assert server.calls == []


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", f"{COMPONENTS}/vector?component_id=other", "component_id"),
        ("HEAD", f"{COMPONENTS}/vector?component_id=other", "component_id"),
        ("DELETE", f"{COMPONENTS}/vector?instance_uuid=&component_id=other", "component_id"),
        ("DELETE", f"{COMPONENTS}/vector/?componentId=other", "componentId"),
        ("DELETE", f"{COMPONENTS}/vector?%63omponent%5fid=other", "component_id"),
        ("PATCH", f"{COMPONENTS}/vector?patch=1", "patch"),
        ("PATCH", f"{COMPONENTS}/vector?patch.a=1", "patch"),
        ("POST", f"{COMPONENTS}?port=5", "port"),
        ("POST", f"{BEAT}?state=ready", "state"),
    ],
)
async def test_what_stands_in_the_path_or_the_body_must_not_stand_in_the_query(
    rest: httpx.AsyncClient, server: CannedServer, method: str, path: str, field: str
) -> None:
    """The transcoder would let the query win: DELETE of one component would end another."""
    headers = {} if method in ("GET", "HEAD", "DELETE") else JSON
    reply = await rest.request(method, path, headers=headers)
    assert server.calls == [] and reply.status_code == 400
    if method != "HEAD":
        message = "stands in the path or in the body of this call: leave it out of the query"
        assert violation_of(reply) == (field, message, "place")


async def test_a_misspelt_end_of_an_instance_does_not_end_the_component(
    rest: httpx.AsyncClient, server: CannedServer
) -> None:
    """DELETE without an instance_uuid is for the whole component, so a parameter without a value must not be one."""
    field, *_ = violation_of(await rest.delete(f"{COMPONENTS}/vector?instance_uuid"))
    assert field == "instance_uuid" and server.calls == []


async def test_a_stream_refuses_a_wrong_parameter_like_any_call(rest: httpx.AsyncClient) -> None:
    """Before it opens."""
    for query in ("nope=1", "after_revision"):
        field, *_ = violation_of(await rest.get(f"{EVENTS}?{query}"))
        assert field == query.partition("=")[0]


async def test_a_body_that_contradicts_the_path_is_400(rest: httpx.AsyncClient) -> None:
    """The field is named; neither of the two is preferred in silence."""
    reply = await rest.post(BEAT, json={"component_id": "other"})
    assert violation_of(reply) == ("component_id", "is not the same in the path and in the body", "conflict")


async def test_a_list_where_one_value_is_due_is_refused(rest: httpx.AsyncClient, server: CannedServer) -> None:
    """The transcoder does not say of which field; in a batch it names the item."""
    bodies: list[tuple[str, Any, str]] = [
        (COMPONENTS, {"port": [1]}, "body"),
        (COMPONENTS, {"metadata": [1]}, "body"),
        (BATCH, {"components": [{}, {"port": [1]}]}, "components[1]"),
    ]
    for path, body, told in bodies:
        field, message, _ = violation_of(await rest.post(path, json=body))
        assert field == told and message.startswith("has a list where one value or an object is due")
    assert server.calls == []
