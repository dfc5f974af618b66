"""What all servicers share: the live registry, submitting with the caller's patience, and finding a component."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message
from grpc import aio

from tekton.core.errors import ValidationError
from tekton.core.view import Component
from tekton_server.domain.commands import Command
from tekton_server.domain.instances import not_found
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.writer import PATIENCE
from tekton_server.services import read

# What is kept back of a caller's deadline for the answer's way.
ANSWER_TIME = 0.05

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]
else:
    Context = aio.ServicerContext  # generic in its types only, not when it runs


class Servicer:
    """The base of the registry's servicers."""

    def __init__(self, live: LiveRegistry) -> None:
        self.live = live

    async def submit(self, command: Command, context: Context, message: Message) -> Any:
        """Have a command decided and committed; once only, where the message carries a request_id."""
        return await self.live.writer.submit(command, within=patience(context), request=read.request_of(message))

    async def component(self, component_id: str) -> Component:
        """Find a component; that there is none is only said after asking the database.

        Raises:
            ComponentNotFoundError: there is none.
            StorageUnavailableError: that cannot be known now.
            ValidationError: it is not named.
        """
        found = self.live.view.get(component_id)
        if not component_id:
            raise ValidationError.of("component_id", "is required", "required")
        if found is None:
            await self.live.confirm()
            found = self.live.view.get(component_id)
        if found is None:
            raise not_found(component_id)
        return found


def patience(context: Context) -> float:
    """Give how long a call may take, in seconds."""
    remaining = context.time_remaining()
    return PATIENCE if remaining is None else max(0.0, min(PATIENCE, remaining - min(ANSWER_TIME, remaining / 10)))


def now() -> datetime:
    """Give the present for what is shown; what is stored takes the database's time."""
    return datetime.now(UTC)
