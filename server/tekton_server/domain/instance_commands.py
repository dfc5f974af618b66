"""Commands to instances: who may be given one, whose answer counts, and when one is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from tekton.core.errors import ComponentNotFoundError, RateLimitedError, StaleSessionError, ValidationError
from tekton.core.ids import Token, lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandState
from tekton.core.view import Cause, CommandChange, Instance, InstanceCommand
from tekton_server.domain import instances, limits
from tekton_server.domain.commands import AcknowledgeCommand, Decision, ExpireCommands, ForgetCommands, PostCommand
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.validation import check_metadata, check_text

_POSTED, _EXPIRED, _RETENTION = Cause("posted"), Cause("expired"), Cause("retention")


def post(view: Overlay, command: PostCommand, now: datetime) -> Decision:
    """Give it to every instance it is for, or to none."""
    check_metadata("arguments", command.arguments, limits.COMMAND_ARGUMENT_BYTES)
    most = limits.COMMAND_SECONDS
    if not 1 <= command.deadline_seconds <= most:
        raise ValidationError.of("deadline_seconds", f"must be between 1 and {most:g}", "range", limit=most)
    changes: list[CommandChange] = []
    posted = []
    for instance in _addressed(view, command):
        record = InstanceCommand(
            command_id=str(uuid5(UUID(command.seed), instance.instance_uuid)),
            component_id=instance.component_id,
            instance_uuid=instance.instance_uuid,
            granted=instance.granted,
            kind=command.kind,
            arguments=command.arguments,
            issued_at=now,
            deadline=now + timedelta(seconds=command.deadline_seconds),
            revision=view.revision,
        )
        changes += [*_made_room(view, instance, now), CommandChange(None, record, _POSTED)]
        posted.append(record)
    return Decision(tuple(changes), tuple(posted))


def _addressed(view: Overlay, command: PostCommand) -> list[Instance]:
    if command.instance_uuid:
        instance = instances.owned(view, command.component_id, command.instance_uuid, None)
        if not instance.leased:
            raise instances.stale(instance, "it holds no lease, so that no command reaches it")
        return [instance]
    if view.definition(command.component_id) is None:
        raise instances.absent(command.component_id)
    leased = [instance for instance in view.instances_of(command.component_id) if instance.leased]
    if not leased:
        raise StaleSessionError(
            f"component {command.component_id} has no instance that holds a lease, so that no command reaches it",
            details={"component_id": command.component_id},
        )
    most = limits.COMMAND_TARGETS
    if len(leased) > most:
        what = f"must be given: the component has {len(leased)} leased instances, and one call reaches {most}"
        raise ValidationError.of("instance_uuid", what, "max_items", limit=most)
    return leased


def _made_room(view: Overlay, instance: Instance, now: datetime) -> list[CommandChange]:
    """Forget the oldest ended commands of an instance where too many are remembered.

    Raises:
        RateLimitedError: too many wait for its answer.
    """
    known = view.commands_of(instance.instance_uuid)
    most = limits.COMMANDS_WAITING
    over = [command for command in known if not command.pending or command.deadline <= now]
    if len(known) - len(over) >= most:
        raise RateLimitedError(
            f"{most} commands wait for instance {instance.instance_uuid} of {instance.component_id}; try again later",
            details={"instance_uuid": instance.instance_uuid, "limit": most},
        )
    surplus = max(0, len(known) + 1 - limits.COMMANDS_KEPT)
    return [CommandChange(command, None, _RETENTION) for command in over[:surplus]]


def acknowledge(view: Overlay, command: AcknowledgeCommand, now: datetime) -> Decision:
    """Record an answer: the first one counts, and only under the grant that the command is for.

    An acceptance counts after a refusal too, until the deadline: who takes commands may begin to listen after one came.

    Raises:
        ValidationError: the message is too long.
        ComponentNotFoundError: there is no such command of the instance.
        StaleSessionError: the fencing token is of another grant.
    """
    check_text("message", command.message, limits.COMMAND_MESSAGE_CHARS)
    record = view.command(command.command_id)
    instance = view.instance(command.instance_uuid)
    known = record is not None and lookup_key(record.component_id) == lookup_key(command.component_id)
    if record is None or instance is None or not known or record.instance_uuid != command.instance_uuid:
        raise no_command(command.component_id, command.command_id)
    if command.fencing_token not in (None, Token(view.history_id, record.granted)):
        raise instances.stale(instance, "the fencing token belongs to another grant; register again")
    reconsidered = record.state is CommandState.REFUSED and command.accepted and now < record.deadline
    if not record.pending and not reconsidered:
        return Decision((), record)
    state = CommandState.ACCEPTED if command.accepted else CommandState.REFUSED
    change = _ended(view, record, state, command.message, Cause("acknowledged"))
    return Decision((change,), change.new)


def no_command(component_id: str, command_id: str) -> ComponentNotFoundError:
    """Say that there is no such command, or none any more."""
    component_id, command_id = component_id[:64], command_id[:64]
    return ComponentNotFoundError(
        f"component {component_id} has no command {command_id}",
        details={"component_id": component_id, "command_id": command_id},
    )


def expire(view: Overlay, command: ExpireCommands, now: datetime) -> Decision:
    """Those that are not over, or were answered, are left alone."""
    changes = []
    for command_id in command.command_ids:
        record = view.command(command_id)
        if record is None or not record.pending:
            continue
        if has_ended(view.instance(record.instance_uuid)):
            changes.append(_ended(view, record, CommandState.EXPIRED, "the instance has ended", _EXPIRED))
        elif record.deadline <= now:
            changes.append(_ended(view, record, CommandState.EXPIRED, "the deadline has passed", _EXPIRED))
    return Decision(tuple(changes), None)


def has_ended(instance: Instance | None) -> bool:
    """Tell whether an instance will answer nothing any more: one that was failed by its timeout may come back."""
    return instance is None or instance.state is ComponentState.STOPPED


def _ended(view: Overlay, record: InstanceCommand, state: CommandState, message: str, cause: Cause) -> CommandChange:
    ended = msgspec.structs.replace(record, state=state, message=message, revision=view.revision)
    return CommandChange(record, ended, cause)


def forget(view: Overlay, command: ForgetCommands, now: datetime) -> Decision:
    found = (view.command(command_id) for command_id in command.command_ids)
    over = (one for one in found if one is not None and not one.pending and one.deadline < command.before)
    return Decision(tuple(CommandChange(one, None, _RETENTION) for one in over), None)


def forgotten(view: Overlay, instance_uuid: str, cause: Cause) -> list[CommandChange]:
    """Give the changes by which the commands of an instance that is forgotten are forgotten with it."""
    return [CommandChange(command, None, cause) for command in view.commands_of(instance_uuid)]
