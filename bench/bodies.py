"""What the load says: request bodies that cost next to nothing to make, and travel to another process."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from tekton.v1 import registry_service_pb2 as registry_pb


def varint(value: int) -> bytes:
    """Encode a number as protobuf does."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def field(number: int, data: bytes) -> bytes:
    """Encode a text, bytes or sub-message field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    """Encode a whole-number field."""
    return varint(number << 3) + varint(value)


@dataclass(frozen=True)
class Constant:
    """The same body every time."""

    data: bytes

    def source(self) -> Callable[[], bytes]:
        """Give what makes bodies."""
        return lambda: self.data


@dataclass(frozen=True)
class Turns:
    """Some bodies in turn."""

    data: tuple[bytes, ...]

    def source(self) -> Callable[[], bytes]:
        """Give what makes bodies."""
        return itertools.cycle(self.data).__next__


@dataclass(frozen=True)
class Puts:
    """A new key of etcd every time, `size` in each transaction where that is more than one."""

    prefix: str
    value: bytes
    size: int = 1

    def source(self) -> Callable[[], bytes]:
        """Give what makes bodies."""
        numbers = itertools.count(1)
        if self.size == 1:
            return lambda: self._put(next(numbers))
        return lambda: b"".join(field(2, field(2, self._put(next(numbers)))) for _ in range(self.size))

    def _put(self, number: int) -> bytes:
        return field(1, f"{self.prefix}-{number}".encode()) + field(2, self.value)


@dataclass(frozen=True)
class Registrations:
    """A new component every time, with an address of its own; `size` in each call where that is more than one."""

    prefix: str
    size: int = 1
    component_type: str = "service"

    def source(self) -> Callable[[], bytes]:
        """Give what makes bodies."""
        numbers = itertools.count(1)
        if self.size == 1:
            return lambda: self.one(next(numbers))
        return lambda: b"".join(field(1, self.one(next(numbers))) for _ in range(self.size))

    def one(self, number: int) -> bytes:
        """Make one registration."""
        name = f"{self.prefix}-{number}".encode()
        return self._base() + field(1, name) + field(7, name)

    def _base(self) -> bytes:
        found = _BASES.get(self.component_type)
        if found is None:
            found = _BASES[self.component_type] = registry_pb.RegisterComponentRequest(
                component_name="A component of the benchmark",
                component_type=self.component_type,
                version="1.0.0",
                capabilities=["search", "summarise"],
                port=8500,
                health_check="/health",
            ).SerializeToString()
        return found


_BASES: dict[str, bytes] = {}
Body = Constant | Turns | Puts | Registrations
