"""Commands to instances as messages: read from the poster and from the instance, and told to both."""

from __future__ import annotations

from collections.abc import Sequence

from tekton.core.errors import ValidationError
from tekton.core.ids import Token, is_uuid, new_uuid
from tekton.core.records import CommandKind
from tekton.core.view import InstanceCommand
from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton_server.domain.commands import AcknowledgeCommand, PostCommand
from tekton_server.services import convert, read

# How long a command means something whose poster does not say, in seconds.
DEADLINE = 30.0


def post(request: lifecycle_pb.PostCommandRequest) -> PostCommand:
    """Read a command to give.

    Raises:
        ValidationError: its kind is missing or unknown, or the instance is no uuid.
    """
    kinds = [kind.value for kind in CommandKind]
    if request.kind not in kinds:
        rule = "one_of" if request.kind else "required"
        raise ValidationError.of("kind", f"must be one of {', '.join(kinds)}", rule, allowed=kinds)
    return PostCommand(
        component_id=request.component_id,
        kind=CommandKind(request.kind),
        seed=new_uuid(),
        instance_uuid=read.instance_uuid(request.instance_uuid) if request.instance_uuid else "",
        arguments=read.struct("arguments", request.arguments),
        deadline_seconds=request.deadline_seconds or DEADLINE,
    )


def acknowledgement(request: heartbeat_pb.AcknowledgeCommandRequest) -> AcknowledgeCommand:
    """Read an instance's answer to a command.

    Raises:
        ValidationError: whether it is accepted is missing, or an id is no uuid.
    """
    if not request.HasField("accepted"):
        raise ValidationError.of("accepted", "is required: true or false", "required")
    return AcknowledgeCommand(
        component_id=request.component_id,
        command_id=command_id(request.command_id),
        instance_uuid=read.instance_uuid(request.instance_uuid),
        fencing_token=read.fencing_token(request.fencing_token),
        accepted=request.accepted,
        message=request.message,
    )


def command_id(text: str) -> str:
    """Read the id of a command.

    Raises:
        ValidationError: it is no uuid.
    """
    if not is_uuid(text):
        raise ValidationError.of("command_id", "must be a uuid in lower case", "format")
    return text


def order(record: InstanceCommand, history_id: str) -> pb.Command:
    """Convert a command for its instance."""
    return pb.Command(
        command_id=record.command_id,
        kind=pb.Command.Kind.Value(record.kind.value),
        instance_uuid=record.instance_uuid,
        fencing_token=str(Token(history_id, record.granted)),
        deadline=convert.timestamp(record.deadline),
        arguments=convert.struct(record.arguments),
    )


def event(record: InstanceCommand, history_id: str) -> heartbeat_pb.CommandEvent:
    """Convert a command for whoever watches an instance's."""
    return heartbeat_pb.CommandEvent(
        event="command", component_id=record.component_id, command=order(record, history_id)
    )


def status(record: InstanceCommand) -> pb.CommandStatus:
    """Convert a command for its poster."""
    return pb.CommandStatus(
        command_id=record.command_id,
        component_id=record.component_id,
        instance_uuid=record.instance_uuid,
        kind=pb.Command.Kind.Value(record.kind.value),
        state=pb.CommandState.Value.Value(record.state.value),
        message=record.message,
        issued_at=convert.timestamp(record.issued_at),
        deadline=convert.timestamp(record.deadline),
        revision=record.revision,
    )


def posted(records: Sequence[InstanceCommand]) -> lifecycle_pb.PostCommandResponse:
    """Convert the answer to a command that was given."""
    count = len(records)
    return lifecycle_pb.PostCommandResponse(
        success=True,
        message=f"Command posted to {count} {'instance' if count == 1 else 'instances'}",
        commands=map(status, records),
    )


def acknowledged(record: InstanceCommand) -> heartbeat_pb.AcknowledgeCommandResponse:
    """Convert the answer to an acknowledgement."""
    return heartbeat_pb.AcknowledgeCommandResponse(
        success=True, message=f"Command is {record.state}", command=status(record)
    )
