"""What a handler says besides its message: the HTTP status of a REST reply, or that the message is encoded already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from tekton_server.live.call import CURRENT

MessageT = TypeVar("MessageT", bound=Message)


def http_status(status: int) -> None:
    """Set the HTTP status of this reply where REST is spoken."""
    call = CURRENT.get()
    if call is not None:
        call.http_status = status


def encoded(_: type[MessageT], data: bytes) -> MessageT:
    """Give a message that is encoded already where the generated servicer wants one; `sender` lets it through."""
    return cast("MessageT", data)


def sender(serialize: Callable[[Any], bytes] | None) -> Callable[[Any], bytes]:
    """Make a serializer that sends what is encoded already as it is."""

    def send(message: Any) -> bytes:
        return message if serialize is None or type(message) is bytes else serialize(message)

    return send
