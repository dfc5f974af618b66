"""What a heartbeat session says, as messages of the stream."""

from __future__ import annotations

from functools import lru_cache

from tekton.core.lifecycle import ComponentState
from tekton.core.view import InstanceCommand
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton_server.live.lease import Timing
from tekton_server.live.outbox import Ack, GoAway, Lost, Outgoing, Ping, Welcome
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, instance_commands


def frame(message: Outgoing, live: LiveRegistry) -> pb.ConnectResponse:
    """Convert one message of the server."""
    match message:
        case Ack():
            response = pb.ConnectResponse.FromString(_ack(message.state, message.terms))
            ack = response.ack
            ack.sequence, ack.handle = message.sequence, message.handle
            if message.state_error:
                ack.state_error = message.state_error
            return response
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


@lru_cache(64)
def _ack(state: ComponentState, terms: Timing) -> bytes:
    """Encode what acknowledgements have in common: to parse it takes half as long as to put it together again."""
    return pb.ConnectResponse(
        ack=pb.Ack(state=convert.STATES[state], lease=convert.lease_terms(terms))
    ).SerializeToString()
