"""Bad input: every field of every call with every value it must not have is a 4xx that says so, and nothing is stored.

Over REST through the real Envoy, and over native gRPC where the value can be sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4, uuid5

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import EncodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from tekton.core.records import CommandKind
from tekton.v1 import (
    component_pb2,
    error_report_service_pb2,
    heartbeat_service_pb2,
    lifecycle_service_pb2,
    registry_service_pb2,
    resource_service_pb2,
)
from tekton_server.domain.commands import PostCommand
from tekton_server.domain.update import FIELDS
from tests.support import bad_values
from tests.support.bad_values import Answer, Operation, Request, Row
from tests.support.client import error_info
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster

SERVICES = (
    registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"],
    lifecycle_service_pb2.DESCRIPTOR.services_by_name["LifecycleService"],
    heartbeat_service_pb2.DESCRIPTOR.services_by_name["HeartbeatService"],
    resource_service_pb2.DESCRIPTOR.services_by_name["ResourceService"],
    error_report_service_pb2.DESCRIPTOR.services_by_name["ErrorReportService"],
)
METHODS: dict[str, MethodDescriptor] = {m.name: m for service in SERVICES for m in service.methods}
OPERATIONS = {name: operation for name, m in METHODS.items() if (operation := Operation.of(m))}
WITH_BODY = [one for one in OPERATIONS.values() if one.body]
WITH_PATH = [one for one in OPERATIONS.values() if "{component_id}" in one.path]
UUID_OF_CALL = uuid4()
UUID = "0e8f3a52-6a51-4f0e-9c55-3d8f6a1b2c3d"
ABSENT = "never-stored"
STANDING = {
    "component_id": "standing", "component_name": "It stands", "component_type": "service", "version": "1.0.0",
    "host": "10.0.0.1", "port": 8500, "instance_uuid": UUID,
}  # fmt: skip
NEW = STANDING | {"component_id": ABSENT, "host": "10.0.0.2", "instance_uuid": ""}
OURS = {"component_id": "standing", "instance_uuid": UUID}
# The id of the command that waits for it: one made from the uuids of the call and of the instance.
COMMAND = {"component_id": "standing", "command_id": str(uuid5(UUID_OF_CALL, UUID))}
# What makes each call a good one, but for the field that is spoilt.
GOOD: dict[str, dict[str, Any]] = {
    "RegisterComponent": NEW,
    "GetComponent": {"component_id": "standing"},
    "UpdateComponent": {"component_id": "standing", "patch": {"component_name": "Changed"}},
    "DeregisterComponent": OURS,
    "UpdateComponentState": OURS | {"state": "ready"},
    "GetComponentStatus": {"component_id": "standing"},
    "GetComponentDependencies": {"component_id": "standing"},
    "ExplainComponent": {"component_id": "standing"},
    "ListTransitions": {"component_id": "standing"},
    "SendHeartbeat": OURS,
    "PostCommand": OURS | {"kind": "reload"},
    "GetCommand": COMMAND,
    "StreamCommands": OURS,
    "AcknowledgeCommand": OURS | COMMAND | {"accepted": True},
    "StartComponent": {"component_id": "standing"},
    "StopComponent": OURS,
    "RestartComponent": OURS,
    "StreamStopComponents": {"component_ids": ["standing"]},
    "GetComponentResources": {"component_id": "standing"},
    "ReportComponentResources": OURS | {"usage": {"cpu_percent": 1}},
    "GetResourceConstraints": {"component_id": "standing"},
    "SetResourceConstraints": {"component_id": "standing", "cpu_limit": 1},
    "ReportError": OURS | {"error_type": "ValueError"},
    "ListErrorReports": {"component_id": "standing"},
}
# What an empty body asks for is done: of what runs already and of a fleet of nobody, that is nothing.
WHOLE = {"StartComponent", "PlanStart", "StreamStartComponents", "SetResourceConstraints"}
DEFINITION = component_pb2.Definition.DESCRIPTOR.fields_by_name


def _by_hand() -> list[Row]:
    """Give what only this contract knows to be bad."""
    found: dict[tuple[str, str], list[Any]] = {
        ("RegisterComponent", "component_id"): ["", "Upper", "9lives", "with space", "a" * 64, "ünicode", "a/b", "-a"],
        ("RegisterComponent", "component_name"): ["", " ", "\u3000", "n" * 257, "\u202eabc\u202c"],
        ("RegisterComponent", "component_type"): ["", " ", "t" * 65],
        ("RegisterComponent", "version"): ["", "1", "1.0", "v1.0.0", "1.0.0 ", "01.0.0", "1.0.\u0661"],
        ("RegisterComponent", "host"): ["with space", "h" * 254, "a\u3000b"],
        ("RegisterComponent", "port"): [0, -1, 65536, 2**31, 2**31 - 1],
        ("RegisterComponent", "health_check"): ["h" * 2049],
        ("RegisterComponent", "capabilities"): [[""], ["c" * 129], ["c"] * 257],
        ("RegisterComponent", "dependencies"): [[""], ["Upper"], [ABSENT], ["never_stored"], ["d"] * 257],
        ("RegisterComponent", "instance_uuid"): ["one", UUID.upper(), "{" + UUID + "}", UUID.replace("-", "")],
        ("RegisterComponent", "request_id"): ["r" * 129],
        ("BatchRegisterComponents", "components"): [[], [{}] * 1001, [5], "word"],
        ("ListComponents", "status"): ["exploded", "READY", "ready,failed"],
        ("ListComponents", "type"): ["t" * 65],
        ("ListComponents", "capability"): ["c" * 129],
        ("ListComponents", "q"): ["q" * 129],
        ("ListComponents", "page_size"): [-1, 1001, 2**31],
        ("ListComponents", "page_token"): ["!", "a", "_w", "w6"],
        ("UpdateComponentState", "state"): ["", "exploded", "READY"],
        ("UpdateComponentState", "status"): ["exploded", "failed"],
        ("UpdateComponentState", "instance_uuid"): ["", "one"],
        ("UpdateComponentState", "fencing_token"): ["soon", "00000000.", "g.1", "00000000.1.1"],
        ("UpdateComponentState", "reason"): ["r" * 129],
        ("DeregisterComponent", "instance_uuid"): ["one"],
        ("DeregisterComponent", "fencing_token"): ["soon"],
        ("SendHeartbeat", "instance_uuid"): ["", "one"],
        ("SendHeartbeat", "fencing_token"): ["soon"],
        ("SendHeartbeat", "state"): ["exploded"],
        ("SendHeartbeat", "loop_lag_seconds"): [-0.5],
        ("PostCommand", "kind"): ["", "explode", "STOP", "KIND_STOP", "1"],
        ("PostCommand", "instance_uuid"): ["one"],
        ("PostCommand", "arguments"): [{"a": "x" * 4096}],
        ("PostCommand", "deadline_seconds"): [-1, 0.5, 3600.5],
        ("PostCommand", "request_id"): ["r" * 129],
        ("GetCommand", "command_id"): ["one", UUID.upper()],
        ("StreamCommands", "instance_uuid"): ["", "one"],
        ("StreamCommands", "fencing_token"): ["soon"],
        ("AcknowledgeCommand", "command_id"): ["one"],
        ("AcknowledgeCommand", "instance_uuid"): ["", "one"],
        ("AcknowledgeCommand", "fencing_token"): ["soon"],
        ("AcknowledgeCommand", "accepted"): [None],
        ("AcknowledgeCommand", "message"): ["m" * 513],
        ("StopComponent", "instance_uuid"): ["one", UUID.upper()],
        ("StopComponent", "timeout"): [-1, -0.5, 3600.5],
        ("RestartComponent", "instance_uuid"): ["one", UUID.upper()],
        ("RestartComponent", "timeout"): [-1, -0.5, 3600.5],
        ("GetSystemResources", "history_seconds"): [-1, 86_401],
        ("GetComponentResources", "history_seconds"): [-0.1, 1e300],
        ("ReportComponentResources", "instance_uuid"): ["", "one"],
        ("ReportComponentResources", "fencing_token"): ["soon"],
        ("ReportComponentResources", "usage"): [
            {},
            None,
            {"cpu_percent": -1},
            {"cpu_percent": "NaN"},
            {"memory_percent": 101},
            {"gpu_util": "Infinity"},
            {"memory_mb": "many"},
        ],
        ("SetResourceConstraints", "cpu_limit"): [0, -1, 4097],
        ("SetResourceConstraints", "memory_limit"): [0, -1, 2**24 + 1],
        ("SetResourceConstraints", "gpu_limit"): [-1, 2**24 + 1],
        ("SetResourceConstraints", "request_id"): ["r" * 129],
        ("ReportError", "instance_uuid"): ["", "one"],
        ("ReportError", "error_type"): ["", " ", "E" * 257],
        ("ReportError", "code"): ["c" * 129],
        ("ReportError", "message"): ["m" * 4097],
        ("ReportError", "stack_trace"): ["s" * 32_769],
        ("ReportError", "timestamp"): ["0000-01-01T00:00:00Z", "2025-13-01T00:00:00Z"],
        ("ReportError", "fencing_token"): ["soon"],
        ("ListErrorReports", "page_size"): [-1, 101],
        ("ListErrorReports", "page_token"): ["!", "-1"],
        ("StreamRegistry", "after_revision"): ["soon", "1", "00000000."],
        ("StreamStates", "after_revision"): ["soon", "-1"],
    }
    rows = [
        Row(OPERATIONS[call], field, repr(value)[:20], value, field)
        for (call, field), values in found.items()
        for value in values
    ]
    patches: list[tuple[str, Any]] = [
        ("component_name", ""), ("component_type", "t" * 65), ("dependencies", ["standing"]), ("port", 1),
        ("component_id", "other"), ("colour", "red"), ("state", "ready"),
    ]  # fmt: skip
    update = OPERATIONS["UpdateComponent"]
    return rows + [Row(update, "patch", repr(value)[:20], {name: value}, name) for name, value in patches]


def means_something(row: Row) -> bool:
    """Tell whether a value that is bad elsewhere is a good one here."""
    if row.field == "patch":
        return isinstance(row.value, dict)  # by its fields: see `patch_rows`
    if row.operation.method.name == "ReportError" and row.field in ("message", "stack_trace"):
        return row.name in ("a control character", "a line separator")  # an error says what it says
    # The transcoder takes one object for a list of one; it fails alone, as an item.
    return row.field == "components" and row.name in ("an object", "holding an object")


TABLE = [
    *(row for operation in OPERATIONS.values() for row in bad_values.rows(operation) if not means_something(row)),
    *bad_values.patch_rows(OPERATIONS["UpdateComponent"], [DEFINITION[name] for name in FIELDS]),
    *_by_hand(),
]


def may_be_unnamed(row: Row) -> bool:
    """Tell whether the layer that refuses it cannot know the field: it reads the JSON, the URL or the bytes only."""
    place = row.operation.place(row.field)
    return (
        row.name in ("a lone surrogate", "60 levels", "1,000 levels", "a list", "holding an object")
        or (place != "body" and row.name in ("huge", "holding huge", "10,000 items"))
        or (place == "path" and row.name == "NUL")
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane on which nothing expires meanwhile, with one component."""
    async with control_plane(cluster.new_database(), tmp_path_factory.mktemp("bad"), timeout=600) as running:
        request = OPERATIONS["RegisterComponent"].request(STANDING)
        reply = await asyncio.to_thread(bad_values.exchange, running.port, request)
        assert reply.status == 201, reply
        order = PostCommand(
            component_id="standing", kind=CommandKind.RELOAD, seed=str(UUID_OF_CALL), deadline_seconds=3600.0
        )
        [posted] = await running.app.live.writer.submit(order)
        assert posted.command_id == COMMAND["command_id"]
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(tekton: ControlPlane) -> AsyncIterator[aio.Channel]:
    """A native gRPC channel on the gateway."""
    async with aio.insecure_channel(tekton.gateway) as opened:
        yield opened


async def stored(tekton: ControlPlane) -> tuple[int, set[str]]:
    """Give the journal's revision, and the components there are."""
    head = await tekton.app.live.store.head()
    return head.revision, set(tekton.app.live.view.components)


async def refusal(tekton: ControlPlane, request: Request) -> dict[str, Any]:
    """Send a request and give its error; it is a 4xx in the documented body, and nothing was stored."""
    before = await stored(tekton)
    reply = await asyncio.to_thread(bad_values.exchange, tekton.port, request)
    error = documented(reply)
    assert await stored(tekton) == before
    return error


def documented(reply: Answer) -> dict[str, Any]:
    """Check that a reply is a refusal as documented, and give its error."""
    assert 400 <= reply.status < 500 and reply.content_type == "application/json", reply
    body = json.loads(reply.text)
    assert body.keys() == {"success", "error"} and body["success"] is False
    error: dict[str, Any] = body["error"]
    kinds = {"message": str, "code": int, "reason": str, "component": str, "details": dict}
    assert {name: type(value) for name, value in error.items()} == kinds
    assert error["message"] and error["reason"] != "internal_error" and 1000 <= error["code"] <= 1012
    return error


@pytest.mark.parametrize("row", TABLE, ids=str)
async def test_a_bad_value_is_refused_over_rest(tekton: ControlPlane, row: Row) -> None:
    """A 4xx in the documented body, which names the field; nothing is stored."""
    good = GOOD.get(row.operation.method.name, {})
    error = await refusal(tekton, row.operation.request(good | {row.field: row.value}))
    assert may_be_unnamed(row) or row.named in json.dumps(error), error
    assert len(json.dumps(error)) < 8192, "a huge value is not sent back"


def message_of(row: Row) -> Message | None:
    """Make the message that says a row natively; None where protobuf cannot say it."""
    method = row.operation.method
    message = GetMessageClass(method.input_type)()
    try:
        ParseDict(GOOD.get(method.name, {}) | {row.field: row.value}, message)
        return message if len(message.SerializeToString()) else None
    except (ParseError, EncodeError, ValueError, RecursionError):
        return None


NATIVE = [(row, message) for row in TABLE if (message := message_of(row)) is not None]
TWINS = {
    "StreamRegistry": "WatchRegistry",
    "StreamStates": "WatchStates",
    "StreamHeartbeats": "WatchHeartbeats",
    "StreamCommands": "WatchCommands",
    "StreamResources": "WatchResources",
}


async def sent(channel: Any, method: MethodDescriptor, raw: bytes) -> Any:
    """Send bytes to a method, and give its first answer."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.server_streaming:
        return await channel.unary_stream(path)(raw, timeout=5).read()
    return await channel.unary_unary(path)(raw, timeout=5)


async def native_refusal(tekton: ControlPlane, channel: aio.Channel, method: MethodDescriptor, raw: bytes) -> str:
    """Call a method with these bytes, and give what its refusal says; nothing was stored."""
    before = await stored(tekton)
    with pytest.raises(aio.AioRpcError) as caught:
        await sent(channel, method, raw)
    assert await stored(tekton) == before
    refused = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)
    assert caught.value.code() in refused, caught.value
    info = error_info(caught.value)
    assert info.reason not in ("", "internal_error")
    return f"{caught.value.details()} {info.metadata['details']}"


@pytest.mark.parametrize(("row", "message"), NATIVE, ids=lambda one: str(one) if isinstance(one, Row) else "")
async def test_a_bad_value_is_refused_over_grpc(
    tekton: ControlPlane, channel: aio.Channel, row: Row, message: Message
) -> None:
    """INVALID_ARGUMENT with the documented reason, which names the field; nothing is stored."""
    name = row.operation.method.name
    said = await native_refusal(tekton, channel, METHODS[TWINS.get(name, name)], message.SerializeToString())
    assert row.named in said or row.name == "60 levels" or row.field == "components", said


# A request without fields has no text that could be wrong.
READ = [name for name, method in METHODS.items() if method.input_type.fields]
NO_TEXT = ("Connect", "BatchRegisterComponents", "GetSystemResources")


@pytest.mark.parametrize("name", [name for name in READ if name not in NO_TEXT])
async def test_bytes_that_are_no_message_are_refused_over_grpc(
    tekton: ControlPlane, channel: aio.Channel, name: str
) -> None:
    """A text that is not UTF-8, and a message that was cut: refused like all else, and not with INTERNAL."""
    for raw in (b"\x0a\x02\xff\xfe", b"\x0a\x7fshort"):
        assert "cannot be read" in await native_refusal(tekton, channel, METHODS[name], raw)


BODIES = {
    "truncated": b'{"component_id": "never-stored", "component_na',
    "an array": b"[]",
    "an array of objects": b'[{"component_id": "never-stored"}]',
    "null": b"null",
    "a text": b'"never-stored"',
    "a number": b"5",
    "invalid UTF-8": b'{"component_name": "\xff\xfe"}',
    "NUL bytes": b"\0" * 64,
    "two objects": b"{}{}",
    "8 MB": b'{"component_name": "' + b"x" * 8_000_000 + b'"}',
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda one: str(one.method.name))
async def test_a_body_that_is_no_object_of_the_call_is_refused(
    tekton: ControlPlane, operation: Operation, body: str
) -> None:
    """Whichever layer meets it first, it is a 4xx, and nothing is stored."""
    target = operation.path.replace("{component_id}", "standing")
    error = await refusal(tekton, Request(operation.verb, target, BODIES[body]))
    assert error["reason"] == ("too_large" if body == "8 MB" else error["reason"])


# Those of which an empty body asks for something to be done: tests/services/starting has these.
SAYING = [one for one in WITH_BODY if one.method.name not in ("StopComponent", "RestartComponent")]


@pytest.mark.parametrize("operation", SAYING, ids=lambda one: str(one.method.name))
async def test_an_empty_body_says_nothing(tekton: ControlPlane, operation: Operation) -> None:
    """It is taken for an empty object: what is required is missing; an empty patch, and no limits, change nothing."""
    before = await stored(tekton)
    request = Request(operation.verb, operation.path.replace("{component_id}", "standing"), b"")
    reply = await asyncio.to_thread(bad_values.exchange, tekton.port, request)
    if operation.body == "patch" or operation.method.name in WHOLE:
        assert reply.status == 200, reply
    else:
        documented(reply)
    assert await stored(tekton) == before


async def test_an_empty_patch_changes_nothing(tekton: ControlPlane) -> None:
    """It is an object, though an empty one."""
    before = await stored(tekton)
    request = OPERATIONS["UpdateComponent"].request({"component_id": "standing", "patch": {}})
    reply = await asyncio.to_thread(bad_values.exchange, tekton.port, request)
    assert reply.status == 200 and await stored(tekton) == before


@pytest.mark.parametrize("operation", WITH_PATH, ids=lambda one: str(one.method.name))
@pytest.mark.parametrize(
    "component_id",
    ["x" * 1_000_000, "", "%00", "%ff", "%zz", "no-such", "a%2Fb", "\u2028", "..", "%F0%9F%A6%84"],
    ids=["1 MB", "empty", "NUL", "not UTF-8", "no escape", "unknown", "slash", "separator", "dots", "emoji"],
)
async def test_an_id_in_the_path_that_is_none_is_refused(
    tekton: ControlPlane, operation: Operation, component_id: str
) -> None:
    """Unknown, unreadable or a megabyte long."""
    if component_id == "" and operation.method.name == "GetComponent":
        pytest.skip("with a slash at its end it is the path of the list")
    if component_id == ".." and operation.method.name in (
        "GetComponentDependencies",
        "GetComponentResources",
        "StartComponent",
    ):
        pytest.skip("a step up it is the path of the whole graph, of the fleet, or of the machine")
    good = {name: value for name, value in GOOD[operation.method.name].items() if name != "component_id"}
    request = operation.request(good)
    raw = component_id if component_id.isascii() else "%E2%80%A8"
    await refusal(tekton, request._replace(target=request.target.replace("{component_id}", raw)))


async def test_bad_items_of_a_batch_fail_alone(tekton: ControlPlane, channel: aio.Channel) -> None:
    """Each result names what is wrong with its item, and none is stored."""
    spoilt = [
        (row, message) for row, message in NATIVE
        if row.operation.method.name == "RegisterComponent" and row.name != "60 levels"
    ]  # fmt: skip
    before = await stored(tekton)
    for part in batched(spoilt, 900_000):
        request = registry_service_pb2.BatchRegisterComponentsRequest(components=[message for _, message in part])  # type: ignore[misc]
        raw = await sent(channel, METHODS["BatchRegisterComponents"], request.SerializeToString())
        reply = registry_service_pb2.BatchRegisterComponentsResponse.FromString(raw)
        assert (reply.registered, reply.failed) == (0, len(part))
        for (row, _), result in zip(part, reply.results, strict=True):
            assert not result.success and row.named in result.error.message, (str(row), result)
    assert await stored(tekton) == before


def batched(spoilt: list[tuple[Any, Message]], most: int) -> Iterator[list[tuple[Any, Message]]]:
    """Put items together to batches of at most so many bytes; an item that alone is more is refused elsewhere."""
    part: list[tuple[Any, Message]] = []
    size = 0
    for one in spoilt:
        weight = one[1].ByteSize()
        if weight > most:
            continue
        if size + weight > most:
            yield part
            part, size = [], 0
        part.append(one)
        size += weight
    yield part


ODD_TEXTS = {
    "other scripts": "Ω日本語العربية",
    "emoji with joiners": "👩‍👩‍👧‍👦🏳️‍🌈",
    "a wide space": "a\u3000b",
    "combining characters": "e\u0301\u0323\u20dd",
    "from right to left": "\u05e9\u05dc\u05d5\u05dd abc \u0634",
    "quotes and braces": "\"'\\{}[]</script>${x}%00&;--",
    "the last character": "\U0010fffd",
}


def odd_registrations() -> dict[str, dict[str, Any]]:
    """Give registrations that are unusual and right."""
    longest = {
        "component_id": "a" * 63, "component_name": "🦄" * 256, "component_type": "型" * 64,
        "version": "1.0.0-" + "a" * 122, "host": "h" * 253, "port": 65535, "health_check": "/" * 2048,
        "capabilities": [f"{number:03}" + "é" * 125 for number in range(256)],
        "dependencies": [f"d{number:03}" + "a" * 59 for number in range(256)],
        "metadata": {"a": "x" * (64 * 1024 - 8)},
        "request_id": "r" * 128,
    }  # fmt: skip
    texts = {
        name: {
            "component_name": text, "component_type": text, "capabilities": [text], "health_check": text,
            "metadata": {text: text, "list": [text, {text: [text]}]},
        }
        for name, text in ODD_TEXTS.items()
    }  # fmt: skip
    numbers = {
        "large": 2**53 - 1,
        "small": 5e-324,
        "huge": 1.7976931348623157e308,
        "part": -0.1,
        "yes": True,
        "no": None,
    }
    deep = {"16 levels": {"metadata": bad_values.nested(16)}, "numbers": {"metadata": numbers}}
    return texts | deep | {"every length at its limit": longest}


@pytest.mark.parametrize("name", odd_registrations())
async def test_odd_but_right_input_comes_back_unchanged(tekton: ControlPlane, channel: aio.Channel, name: str) -> None:
    """Registered over REST and over gRPC, then read over REST."""
    number = list(odd_registrations()).index(name)
    own = {"component_id": f"odd-{number}", "host": f"10.0.1.{number}", "instance_uuid": ""}
    fields = STANDING | own | odd_registrations()[name]
    reply = await asyncio.to_thread(bad_values.exchange, tekton.port, OPERATIONS["RegisterComponent"].request(fields))
    assert reply.status == 201, reply
    await unchanged(tekton, fields)
    message = ParseDict(fields | {"request_id": ""}, registry_service_pb2.RegisterComponentRequest())
    raw = message.SerializeToString()
    await sent(channel, METHODS["RegisterComponent"], raw)
    await unchanged(tekton, fields)


async def unchanged(tekton: ControlPlane, fields: dict[str, Any]) -> None:
    """Read a component and compare it with its registration."""
    reply = await asyncio.to_thread(
        bad_values.exchange, tekton.port, OPERATIONS["GetComponent"].request({"component_id": fields["component_id"]})
    )
    assert reply.status == 200, reply
    found = json.loads(reply.text)
    sent = {name: value for name, value in fields.items() if name not in ("instance_uuid", "request_id")}
    assert {name: found[name] for name in sent} == sent
