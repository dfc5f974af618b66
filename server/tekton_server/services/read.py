"""Messages to commands and filters: the other direction of `convert`. Wrong shapes end here."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from tekton.core.errors import ValidationError
from tekton.core.ids import Token, is_uuid, new_uuid
from tekton.core.lifecycle import ComponentState, parse_state
from tekton.core.view import search_text
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain import limits
from tekton_server.domain.commands import (
    EndInstance,
    RegisterComponent,
    RemoveComponent,
    ReportState,
    UpdateComponent,
)
from tekton_server.domain.preservation import Word
from tekton_server.domain.validation import check_text
from tekton_server.live.pulses import Claim, Pulse
from tekton_server.storage.requests import Request, RequestKey


def register(
    request: registry_pb.RegisterComponentRequest, machine: str, configured: tuple[str, ...] = ()
) -> RegisterComponent:
    """Read a registration from a machine, giving the instance a uuid where the caller gave none."""
    return RegisterComponent(
        component_id=request.component_id,
        component_name=request.component_name,
        component_type=request.component_type,
        version=request.version,
        capabilities=tuple(request.capabilities),
        dependencies=tuple(request.dependencies),
        host=request.host,
        port=request.port,
        health_check=request.health_check,
        metadata=struct("metadata", request.metadata),
        machine=machine,
        instance_uuid=request.instance_uuid or new_uuid(),
        replace=request.replace,
        expected_revision=request.expected_revision if request.HasField("expected_revision") else None,
        configured=configured,
    )


def update(request: registry_pb.UpdateComponentRequest, configured: tuple[str, ...] = ()) -> UpdateComponent:
    """Read an update.

    Raises:
        ValidationError: there is no patch: a body that is empty or null is no object, other than `{}`.
    """
    if not request.HasField("patch"):
        raise ValidationError.of("patch", "is required, and must be an object", "required")
    return UpdateComponent(
        component_id=request.component_id,
        patch={key: _value(key, value) for key, value in request.patch.fields.items()},
        expected_revision=request.expected_revision if request.HasField("expected_revision") else None,
        configured=configured,
    )


def query(text: str) -> str:
    """Read what is searched for, as `Component.text` has it.

    Raises:
        ValidationError: it is too long or holds control characters.
    """
    check_text("q", text, limits.QUERY_CHARS)
    return search_text(text.strip())


def deregister(request: registry_pb.DeregisterComponentRequest) -> EndInstance | RemoveComponent:
    """Read a deregistration: of an instance, or of the whole component."""
    expected = request.expected_revision if request.HasField("expected_revision") else None
    if not request.instance_uuid:
        return RemoveComponent(component_id=request.component_id, expected_revision=expected)
    return EndInstance(
        component_id=request.component_id,
        instance_uuid=instance_uuid(request.instance_uuid),
        fencing_token=fencing_token(request.fencing_token),
        expected_revision=expected,
    )


def report(request: lifecycle_pb.UpdateComponentStateRequest) -> ReportState:
    """Read a state report."""
    return ReportState(
        component_id=request.component_id,
        instance_uuid=instance_uuid(request.instance_uuid),
        state=required_state(request.state, request.status),
        fencing_token=fencing_token(request.fencing_token),
        reason=request.reason or "reported",
        metadata=struct("metadata", request.metadata),
        extend_startup=request.extend_startup_seconds,
    )


def claim(
    request: heartbeat_pb.SendHeartbeatRequest | heartbeat_pb.LeaseClaim | heartbeat_pb.WatchCommandsRequest,
) -> Claim:
    """Read whose lease it is."""
    epoch = request.session_epoch if isinstance(request, heartbeat_pb.SendHeartbeatRequest) else 0
    return Claim(
        request.component_id, instance_uuid(request.instance_uuid), fencing_token(request.fencing_token), epoch
    )


def pulse(request: heartbeat_pb.SendHeartbeatRequest | heartbeat_pb.Beat) -> Pulse:
    """Read what a beat says."""
    # Most beats say neither, and to look into an empty map of protobuf takes as long as all the rest.
    metrics = _metrics(request.metrics) if request.metrics else {}
    health = _health(request.health) if request.health else {}
    if not 0 <= request.loop_lag_seconds < math.inf:
        raise ValidationError.of("loop_lag_seconds", "must be a finite number and not negative", "range", limit=0)
    status = request.status if isinstance(request, heartbeat_pb.SendHeartbeatRequest) else ""
    state = optional_state(request.state, status)
    return Pulse(request.sequence, state, metrics, health, request.loop_lag_seconds, request.in_flight)


def request_of(message: Message) -> Request | None:
    """Read the identity of a request that may be sent again; None when it carries no request_id.

    Raises:
        ValidationError: the id is too long or holds control characters.
    """
    request_id = str(getattr(message, "request_id", ""))
    if not request_id:
        return None
    check_text("request_id", request_id, limits.ITEM_CHARS)
    body = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).hexdigest()
    # Nobody has a name yet: every caller is the same principal.
    return Request(RequestKey("", type(message).__name__, request_id), body)


def struct(field: str, message: Struct) -> dict[str, Any]:
    """Read free-form data; whole numbers become int.

    Raises:
        ValidationError: it is far over the limit, or a number in it is not finite.
    """
    # Only to bound the work here: the limit itself is one of JSON, which takes at least an eighth of these bytes.
    if message.ByteSize() > 8 * limits.METADATA_BYTES:
        most = limits.METADATA_BYTES
        raise ValidationError.of(field, f"must be at most {most} bytes of JSON", "max_bytes", limit=most)
    return _object(field, message)


def _object(field: str, message: Struct) -> dict[str, Any]:
    return {key: _value(field, value) for key, value in message.fields.items()}


def _value(field: str, value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _object(field, value.struct_value)
    if kind == "list_value":
        return [_value(field, item) for item in value.list_value.values]
    if kind == "number_value":
        return _number(field, value.number_value)
    return getattr(value, kind) if kind not in (None, "null_value") else None


def _number(field: str, number: float) -> int | float:
    if not math.isfinite(number):
        raise ValidationError.of(field, "must hold finite numbers only", "finite")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def instance_uuid(text: str) -> str:
    """Read an instance uuid.

    Raises:
        ValidationError: it is missing or no uuid.
    """
    if not text:
        raise ValidationError.of("instance_uuid", "is required", "required")
    if not is_uuid(text):
        raise ValidationError.of("instance_uuid", "must be a uuid in lower case", "format")
    return text


def fencing_token(text: str) -> Token | None:
    """Read a fencing token; None when there is none.

    Raises:
        ValidationError: it is none that this server gave.
    """
    token = Token.parse(text) if text else None
    if text and token is None:
        raise ValidationError.of("fencing_token", "must be the token from the registration", "format")
    return token


def optional_state(state: str, status: str) -> ComponentState | None:
    """Read a state given under either of its names.

    Raises:
        ValidationError: it is unknown, or the two names disagree.
    """
    if state and status and state != status:
        raise ValidationError.of("status", "must equal state when both are given", "equal")
    name = "state" if state or not status else "status"
    return parse_state(state or status, name) if state or status else None


def required_state(state: str, status: str) -> ComponentState:
    """Read a state that must be given.

    Raises:
        ValidationError: as `optional_state`, or it is missing.
    """
    found = optional_state(state, status)
    if found is None:
        allowed = [one.value for one in ComponentState]
        raise ValidationError.of("state", f"is required: one of {', '.join(allowed)}", "required", allowed=allowed)
    return found


def word(text: str) -> Word:
    """Read an operator's word about self-preservation.

    Raises:
        ValidationError: it is missing or unknown.
    """
    allowed = [one.value for one in Word]
    if text not in allowed:
        raise ValidationError.of("mode", f"must be one of {', '.join(allowed)}", "allowed", allowed=allowed)
    return Word(text)


def selection(field: str, values: Sequence[str]) -> frozenset[str]:
    """Read a selector: empty or "all" keeps everything, given as the empty set.

    Raises:
        ValidationError: it, or an item of it, is too long, or an item holds control characters.
    """
    _check_count(field, len(values), limits.PAGE_SIZE)
    for index, value in enumerate(values):
        check_text(f"{field}[{index}]", value, limits.ITEM_CHARS)
    return frozenset() if "all" in values else frozenset(values)


def _metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Read figures: not too many, with short names, and finite.

    Raises:
        ValidationError: naming the field.
    """
    _check_count("metrics", len(metrics), limits.METRIC_ITEMS)
    for name, value in metrics.items():
        check_text("metrics", name, limits.ITEM_CHARS)
        _number(f"metrics.{name}", value)
    return dict(metrics)


def _health(health: Mapping[str, str]) -> dict[str, str]:
    """Read how parts are: not too many, with short texts.

    Raises:
        ValidationError: naming the field.
    """
    _check_count("health", len(health), limits.HEALTH_ITEMS)
    for name, value in health.items():
        check_text("health", name, limits.ITEM_CHARS)
        check_text(f"health.{name}", value, limits.HEALTH_CHARS)
    return dict(health)


def _check_count(field: str, count: int, most: int) -> None:
    if count > most:
        raise ValidationError.of(field, f"must have at most {most} items", "max_items", limit=most)
