"""Ways to call Tekton that tell, of every call that failed, whether it may have happened."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol

import grpc
import httpx
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import aio

from tekton.core.ids import Token
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.faults.history import Outcome
from tests.support.client import Stubs

# How long a caller waits for an answer before it asks again.
PATIENCE = 3.0
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 200),
)
# Without Tekton's own words: the transport's, and the call may have happened.
_TRANSPORT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)
# The only reasons for which a call of ours may be refused, whatever is broken.
_EXPECTED = ("unavailable", "rate_limited", "timeout")


class CallFailedError(Exception):
    """A call failed. `surprise`: it was refused for a reason that no fault excuses."""

    def __init__(self, outcome: Outcome, said: str, *, surprise: bool = False, reason: str = "") -> None:
        super().__init__(said)
        self.reason = reason
        self.outcome = outcome
        self.surprise = surprise


def told(reason: str, details: Any, said: str) -> CallFailedError:
    """Read a refusal in Tekton's own words: only `outcome: unknown` leaves open whether it happened."""
    unknown = isinstance(details, dict) and details.get("outcome") == "unknown"
    outcome = Outcome.UNKNOWN if unknown else Outcome.REFUSED
    return CallFailedError(outcome, f"{reason}: {said}", surprise=reason not in _EXPECTED, reason=reason)


class Answer(NamedTuple):
    """What an acknowledged call tells: the revision of the change, or of the view that was read."""

    revision: int
    instance_uuid: str = ""


class Caller(Protocol):
    """One connection. A `mark` is a request's id, and what the request leaves in the journal to be known by."""

    name: str

    async def register(self, component_id: str, mark: str, *, once: bool = False) -> Answer:
        """Register a new instance at the host `mark`, whose uuid the server chooses: done twice it makes two.

        `once`: without a request id, so that no call that may have happened can be made again.
        """

    async def update(self, component_id: str, mark: str) -> Answer:
        """Write the mark into a component's metadata."""

    async def state(self, component_id: str, instance_uuid: str, state: str, mark: str) -> Answer:
        """Report a state; the mark is the reason."""

    async def read(self, component_id: str) -> Answer:
        """Read a component."""

    async def beat(self, component_id: str, instance_uuid: str) -> None:
        """Send one beat."""

    async def close(self) -> None:
        """Close the connection."""


class GrpcCaller:
    """Native gRPC, to the server or through the gateway."""

    def __init__(self, name: str, target: str) -> None:
        self.name = name
        self._channel = aio.insecure_channel(target, options=OPTIONS)
        self._api = Stubs(self._channel)

    async def register(self, component_id: str, mark: str, *, once: bool = False) -> Answer:
        """See Caller."""
        request = registry_pb.RegisterComponentRequest(
            component_id=component_id,
            component_name="A component",
            component_type="ui",
            version="1.0.0",
            host=mark,
            request_id="" if once else mark,
        )
        answer, _ = await self._ask(self._api.registry.RegisterComponent, request)
        return Answer(answer.revision, answer.instance_uuid)

    async def update(self, component_id: str, mark: str) -> Answer:
        """See Caller."""
        request = registry_pb.UpdateComponentRequest(component_id=component_id, request_id=mark)
        request.patch.update({"metadata": {"mark": mark}})
        answer, _ = await self._ask(self._api.registry.UpdateComponent, request)
        return Answer(answer.revision)

    async def state(self, component_id: str, instance_uuid: str, state: str, mark: str) -> Answer:
        """See Caller."""
        request = lifecycle_pb.UpdateComponentStateRequest(
            component_id=component_id, instance_uuid=instance_uuid, state=state, reason=mark, request_id=mark
        )
        answer, _ = await self._ask(self._api.lifecycle.UpdateComponentState, request)
        return Answer(answer.revision)

    async def read(self, component_id: str) -> Answer:
        """See Caller."""
        request = registry_pb.GetComponentRequest(component_id=component_id)
        _, token = await self._ask(self._api.registry.GetComponent, request)
        return Answer(_revision(token))

    async def beat(self, component_id: str, instance_uuid: str) -> None:
        """See Caller."""
        beat = heartbeat_pb.SendHeartbeatRequest(component_id=component_id, instance_uuid=instance_uuid)
        await self._ask(self._api.heartbeat.SendHeartbeat, beat)

    async def close(self) -> None:
        """See Caller."""
        await self._channel.close()

    async def _ask(self, method: Any, request: Any) -> tuple[Any, str]:
        call = method(request, timeout=PATIENCE)
        try:
            answer = await call
            return answer, str(dict(await call.trailing_metadata() or ()).get("tekton-revision", ""))
        except aio.AioRpcError as error:
            raise _failure(error) from error


def _failure(error: aio.AioRpcError) -> CallFailedError:
    said = f"{error.code().name} {error.details()}"
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    info, status = ErrorInfo(), Status()
    if packed is not None:
        status = Status.FromString(packed)
    if not any(detail.Unpack(info) for detail in status.details if detail.Is(ErrorInfo.DESCRIPTOR)):
        return CallFailedError(Outcome.UNKNOWN, said, surprise=error.code() not in _TRANSPORT)
    return told(info.reason, json.loads(info.metadata["details"] or "{}"), said)


class RestCaller:
    """REST through the gateway."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._http = httpx.AsyncClient(base_url=f"{url}/api/tekton/components", timeout=PATIENCE)

    async def register(self, component_id: str, mark: str, *, once: bool = False) -> Answer:
        """See Caller."""
        body = {"component_id": component_id, "component_name": "A component", "component_type": "ui"}
        body |= {"version": "1.0.0", "host": mark, "request_id": "" if once else mark}
        answer, _ = await self._ask("POST", "", body)
        return Answer(int(answer["revision"]), answer["instance_uuid"])

    async def update(self, component_id: str, mark: str) -> Answer:
        """See Caller."""
        path = f"/{component_id}?request_id={mark}"
        answer, _ = await self._ask("PATCH", path, {"metadata": {"mark": mark}})
        return Answer(int(answer["revision"]))

    async def state(self, component_id: str, instance_uuid: str, state: str, mark: str) -> Answer:
        """See Caller."""
        body = {"instance_uuid": instance_uuid, "state": state, "reason": mark, "request_id": mark}
        answer, _ = await self._ask("PUT", f"/{component_id}/state", body)
        return Answer(int(answer["revision"]))

    async def read(self, component_id: str) -> Answer:
        """See Caller."""
        _, token = await self._ask("GET", f"/{component_id}")
        return Answer(_revision(token))

    async def beat(self, component_id: str, instance_uuid: str) -> None:
        """See Caller."""
        await self._ask("POST", f"/{component_id}/heartbeat", {"instance_uuid": instance_uuid})

    async def close(self) -> None:
        """See Caller."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[Any, str]:
        try:
            reply = await self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise CallFailedError(Outcome.UNKNOWN, repr(error)) from error
        if reply.status_code in (200, 201):
            return reply.json(), reply.headers.get("tekton-revision", "")
        refusal = reply.json()["error"]
        raise told(refusal["reason"], refusal["details"], f"{reply.status_code} {refusal['message']}")


def _revision(token: str) -> int:
    parsed = Token.parse(token)
    if parsed is None:
        raise CallFailedError(Outcome.UNKNOWN, f"no tekton-revision but {token!r}", surprise=True)
    return parsed.revision
