"""What a heartbeat session says, as messages of the stream."""

from __future__ import annotations

from tekton.core.view import InstanceCommand
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton_server.live.outbox import Ack, GoAway, Lost, Outgoing, Ping, Welcome
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, instance_commands


def frame(message: Outgoing, live: LiveRegistry) -> pb.ConnectResponse:
    """Convert one message of the server."""
    match message:
        case Ack():
            ack = pb.Ack(
                sequence=message.sequence,
                handle=message.handle,
                state=convert.STATES[message.state],
                state_error=message.state_error,
                lease=convert.lease_terms(message.terms),
            )
            return pb.ConnectResponse(ack=ack)
        case Welcome():
            grants = [
                pb.Grant(instance_uuid=g.instance_uuid, handle=g.handle, state=convert.STATES[g.state])
                for g in message.grants
            ]
            welcome = pb.Welcome(
                lease=convert.lease_terms(message.terms),
                session_epoch=message.epoch,
                grants=grants,
                history_id=live.view.history_id,
            )
            return pb.ConnectResponse(welcome=welcome)
        case Lost():
            reason = pb.LeaseLost.Reason.Value(f"REASON_{message.reason}")
            lost = pb.LeaseLost(instance_uuid=message.instance_uuid, reason=reason, message=message.message)
            return pb.ConnectResponse(lease_lost=lost)
        case InstanceCommand():
            return pb.ConnectResponse(command=instance_commands.order(message, live.view.history_id))
        case Ping():
            return pb.ConnectResponse(ping=pb.Ping(nonce=message.nonce))
        case GoAway():
            away = pb.GoAway(reconnect_after_seconds=message.after, reason=message.reason)
            return pb.ConnectResponse(go_away=away)
