"""HeartbeatService: the stream, its unary twin, and the watches of beats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.api.httpbody_pb2 import HttpBody

from tekton.core.errors import TektonError, ValidationError
from tekton.core.view import Instance
from tekton.v1 import component_pb2 as component_pb
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1 import heartbeat_service_pb2_grpc as heartbeat_grpc
from tekton_server.domain import limits
from tekton_server.domain.validation import check_text
from tekton_server.live.lease import Lease
from tekton_server.live.outbox import Lost
from tekton_server.live.pulses import Claim, Pulse, Pulses
from tekton_server.live.sessions import Session
from tekton_server.services import convert, instance_commands, read, reply, sse
from tekton_server.services.base import Context, Servicer, patience
from tekton_server.services.frames import frame

KEEP_ALIVE = 15.0
# How long a stream may be open and say nothing.
HELLO_WITHIN = 10.0
# How much of what cannot be an instance_uuid is said back.
_SHOWN = 64


class HeartbeatServicer(Servicer, heartbeat_grpc.HeartbeatServiceServicer):
    """See proto/tekton/v1/heartbeat_service.proto."""

    async def Connect(
        self, request_iterator: AsyncIterator[pb.ConnectRequest], context: Context
    ) -> AsyncIterator[pb.ConnectResponse]:
        """Serve one heartbeat stream: a task reads, this generator writes, the session's outbox stands between."""
        first = await _first(request_iterator)
        later = await self.live.admission.enter()
        if later is not None:
            self.live.pulses.heard(_claims(first)[0])
            yield frame(later, self.live)
            return
        session = Session(self.live.pulses, self.live.commands)
        self.live.sessions.add(session)
        reader = asyncio.create_task(self._read(session, first, request_iterator), name="heartbeat reader")
        reader.add_done_callback(lambda _: session.outbox.end())
        try:
            while (message := await session.outbox.next()) is not None:
                yield frame(message, self.live)
            if reader.done():
                reader.result()
        finally:
            session.close()
            self.live.sessions.discard(session)
            reader.cancel()
            await asyncio.wait([reader])

    async def _read(self, session: Session, hello: pb.Hello, requests: AsyncIterator[pb.ConnectRequest]) -> None:
        await session.hello(*_claims(hello))
        async for request in requests:
            session.heard()
            match request.WhichOneof("message"):
                case "beat":
                    session.beat(request.beat.handle, read.pulse(request.beat))
                case "beat_batch":
                    _check_count("handles", len(request.beat_batch.handles))
                    session.beat_batch(list(request.beat_batch.handles), request.beat_batch.sequence)
                case "hello":
                    await session.hello(*_claims(request.hello))
                case "goodbye":
                    _check_count("handles", len(request.goodbye.handles))
                    check_text("reason", request.goodbye.reason, limits.REASON_CHARS)
                    await session.goodbye(list(request.goodbye.handles), request.goodbye.reason)
                case "command_ack":
                    ack = request.command_ack
                    check_text("message", ack.message, limits.COMMAND_MESSAGE_CHARS)
                    session.commands.acknowledge(ack.command_id, ack.accepted, ack.message)
                case None:
                    raise ValidationError.of("message", "must be one of the messages of the contract", "grammar")

    async def SendHeartbeat(self, request: pb.SendHeartbeatRequest, context: Context) -> pb.SendHeartbeatResponse:
        """Count one beat."""
        pulse, pulses = read.pulse(request), self.live.pulses
        lease = await pulses.lease(read.claim(request), pulse.state)
        state_error = await _recorded(pulses, lease, pulse, patience(context))
        return pb.SendHeartbeatResponse(
            success=True,
            message="Heartbeat received",
            status=convert.STATES[pulses.recorded(lease)],
            state_error=state_error,
            next_heartbeat_in=lease.terms.interval,
            lease=convert.lease_terms(lease.terms),
            commands=self._waiting(lease),
        )

    def _waiting(self, lease: Lease) -> list[component_pb.Command]:
        waiting = self.live.commands.waiting(lease.instance_uuid, lease.granted)
        return [instance_commands.order(command, self.live.view.history_id) for command in waiting]

    async def WatchHeartbeats(
        self, request: pb.WatchHeartbeatsRequest, context: Context
    ) -> AsyncIterator[pb.HeartbeatEvent]:
        """Watch beats."""
        async for event in self._beats(_wanted(request)):
            if event is not None:
                yield event

    async def StreamHeartbeats(self, request: pb.WatchHeartbeatsRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Watch beats as server-sent events."""
        async for body in sse.passing("heartbeat", self._beats(_wanted(request))):
            yield reply.encoded(HttpBody, body)

    async def _beats(self, component_id: str) -> AsyncIterator[pb.HeartbeatEvent | None]:
        with self.live.feed.watch(component_id) as watcher:
            while not watcher.ended:
                events = await watcher.next(KEEP_ALIVE)
                for event in events:
                    yield convert.beat_event(event)
                if not events:
                    yield None

    async def WatchCommands(self, request: pb.WatchCommandsRequest, context: Context) -> AsyncIterator[pb.CommandEvent]:
        """Watch the commands to an instance."""
        async for event in self._commands(await self.live.commands.holder(read.claim(request))):
            if event is not None:
                yield event

    async def StreamCommands(self, request: pb.WatchCommandsRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Watch the commands to an instance as server-sent events."""
        holder = await self.live.commands.holder(read.claim(request))
        async for body in sse.passing("command", self._commands(holder)):
            yield reply.encoded(HttpBody, body)

    async def _commands(self, instance: Instance) -> AsyncIterator[pb.CommandEvent | None]:
        with self.live.commands.watch(instance) as watcher:
            while not watcher.ended:
                commands = await watcher.next(KEEP_ALIVE)
                for command in commands:
                    yield instance_commands.event(command, self.live.view.history_id)
                if not commands:
                    yield None

    async def AcknowledgeCommand(
        self, request: pb.AcknowledgeCommandRequest, context: Context
    ) -> pb.AcknowledgeCommandResponse:
        """Take an instance's answer to a command."""
        return instance_commands.acknowledged(
            await self.submit(instance_commands.acknowledgement(request), context, request)
        )


def _wanted(request: pb.WatchHeartbeatsRequest) -> str:
    """Read whose beats are wanted; everybody's when empty."""
    check_text("component_id", request.component_id, limits.ITEM_CHARS)
    return "" if request.component_id == "all" else request.component_id


async def _first(requests: AsyncIterator[pb.ConnectRequest]) -> pb.Hello:
    try:
        # Not `wait_for`: on Python 3.11 that swallows a cancellation that comes together with the message.
        async with asyncio.timeout(HELLO_WITHIN):
            first = await anext(aiter(requests), None)
    except TimeoutError:
        first = None
    if first is None or first.WhichOneof("message") != "hello":
        raise ValidationError.of("message", f"must be hello first, within {HELLO_WITHIN:g} s", "grammar")
    return first.hello


async def _recorded(pulses: Pulses, lease: Lease, pulse: Pulse, within: float) -> str:
    """Count a beat and say why its claim is not recorded: that does not spoil the beat. Empty when it is."""
    try:
        recording = pulses.renew(lease, pulse)
        if recording is None:
            return pulses.refusal(lease, pulse)
        async with asyncio.timeout(within):
            if await asyncio.shield(recording) is None:
                return pulses.refusal(lease, pulse)
    except TektonError as error:
        return error.message
    except TimeoutError:
        return "the state is not recorded yet; the database takes its time"
    return ""


def _claims(hello: pb.Hello) -> tuple[list[Claim], list[Lost]]:
    """Read what is claimed; a claim that makes no sense is lost, and the others are none the worse for it."""
    _check_count("leases", len(hello.leases))
    claims, malformed = [], []
    for lease in hello.leases:
        try:
            claims.append(read.claim(lease))
        except ValidationError as error:
            malformed.append(Lost(lease.instance_uuid[:_SHOWN], "UNKNOWN_INSTANCE", error.message))
    return claims, malformed


def _check_count(field: str, count: int) -> None:
    most = limits.LEASES_PER_MESSAGE
    if count > most:
        raise ValidationError.of(field, f"must have at most {most} items", "max_items", limit=most)
