"""What the application gave, checked before it is sent: an error names the field, what it was and what to give."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, SupportsIndex, TypeGuard, TypeVar

from tekton.core.errors import ValidationError
from tekton.core.lifecycle import ComponentState, parse_state
from tekton.core.text import refused_character

T = TypeVar("T")

_LARGEST_PORT = 65535
_PAGE_SIZE = 1000
_SHOWN_CHARS = 40
_EXAMPLES = {
    "component_id": "athena",
    "component_name": "Athena",
    "component_type": "service",
    "version": "1.0.0",
    "host": "localhost",
    "health_check": "/api/health",
}
# The server's own limits: a beat that it refuses would end the stream that all leases of the process share.
_REPORTED = 64
_NAME_CHARS = 128
_HEALTH_CHARS = 256


def shown(value: object) -> str:
    """Say what was given: the value where it is short and harmless, and what it is."""
    kind = type(value).__name__
    if value is None or isinstance(value, bool):
        return repr(value)
    if not isinstance(value, str | int | float):
        return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
    return f"{_short(value)} ({kind})"


def _short(value: object) -> str:
    # Python refuses to write out numbers of thousands of digits.
    told = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a very large number"
    return told if len(told) <= _SHOWN_CHARS else told[:_SHOWN_CHARS] + "…"


class Findings:
    """Collects what is wrong with several fields, so that nobody has to ask once per mistake."""

    def __init__(self) -> None:
        self._violations: list[dict[str, Any]] = []

    def take(self, read: Callable[[str, Any], T], field: str, value: object, instead: T) -> T:
        """Read a field; where it is wrong, keep why and give something else to go on with."""
        try:
            return read(field, value)
        except ValidationError as error:
            self._violations += error.details["violations"]
            return instead

    def refuse(self) -> None:
        """End here if anything was wrong.

        Raises:
            ValidationError: naming every field.
        """
        if self._violations:
            sentence = "; ".join(f"{one['field']} {one['message']}" for one in self._violations)
            raise ValidationError(sentence, details={"violations": self._violations})


def text(field: str, value: object) -> str:
    """Read a text.

    Raises:
        ValidationError: it is none, or holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        such = f' such as "{_EXAMPLES[field]}"' if field in _EXAMPLES else ""
        raise ValidationError.of(field, f"must be a text{such}, not {shown(value)}", "type")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(value[error.start]):04X} at index {error.start}"
        raise ValidationError.of(field, f"must not hold half of a surrogate pair: {found}", "characters") from None
    return value


def port(field: str, value: object) -> int:
    """Read a port; 0 for none.

    Raises:
        ValidationError: it is no whole number from 0 to 65535.
    """
    want = f"must be a whole number from 1 to {_LARGEST_PORT}, or 0 for none"
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ValidationError.of(field, f"{want}, not {shown(value)}", "type")
    number = value.__index__()
    if not 0 <= number <= _LARGEST_PORT:
        raise ValidationError.of(field, f"{want}, not {shown(number)}", "range", limit=_LARGEST_PORT)
    return number


def revision(value: int | None) -> int | None:
    """Read the revision of a compare-and-set; None for no condition.

    Raises:
        ValidationError: it is no whole number from 0.
    """
    if value is None:
        return None
    if (number := _whole(value, 2**63 - 1)) is None:
        message = f"must be the revision that was read, a whole number from 0, not {shown(value)}"
        raise ValidationError.of("expected_revision", message, "range", limit=0)
    return number


def page_size(value: int) -> int:
    """Read the most items of a page; 0 for the server's choice.

    Raises:
        ValidationError: it is no whole number from 0 to 1,000.
    """
    if (number := _whole(value, _PAGE_SIZE)) is None:
        message = f"must be a whole number from 1 to {_PAGE_SIZE}, or 0 for that, not {shown(value)}"
        raise ValidationError.of("page_size", message, "range", limit=_PAGE_SIZE)
    return number


def count(field: str, value: object, most: int = 2**32 - 1) -> int:
    """Read a number of things.

    Raises:
        ValidationError: it is no whole number from 0 to `most`.
    """
    if (number := _whole(value, most)) is None:
        message = f"must be a whole number from 0 to {most}, not {shown(value)}"
        raise ValidationError.of(field, message, "range", limit=most)
    return number


def _whole(value: object, most: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    number = value.__index__()
    return number if 0 <= number <= most else None


def in_flight(value: int | Callable[[], int] | None) -> int | Callable[[], int] | None:
    """Read the work in hand: a number, or a function that gives it.

    Raises:
        ValidationError: it is neither.
    """
    return value if value is None or callable(value) else count("in_flight", value)


def callback(field: str, value: object) -> None:
    """Check that something can be called, and does its work when it is.

    Raises:
        ValidationError: it is no function of one argument, or a coroutine function, which would have to be awaited.
    """
    if value is not None and not callable(value):
        raise ValidationError.of(field, f"must be a function of one argument, not {shown(value)}", "type")
    if inspect.iscoroutinefunction(value):
        message = "must be a function that is not async: start what takes time with asyncio.create_task"
        raise ValidationError.of(field, message, "type")


def names(field: str, value: object) -> list[str]:
    """Read a list of names from any collection; a set has no order, so it is sorted. None is an empty list.

    Raises:
        ValidationError: it is one text, which would come apart into letters; a mapping, whose values would be lost; an
            iterator, which can be read only once, so that registering again would send nothing; or no collection. Or
            an item is no text.
    """
    if value is None:
        return []
    if isinstance(value, str):
        message = f"must be a list of names, not one text: give [{_short(value)}]"
        raise ValidationError.of(field, message, "type")
    if isinstance(value, Iterator):
        message = f"must be a list of names, not {shown(value)}, which can be read only once: give list(…)"
        raise ValidationError.of(field, message, "type")
    if not isinstance(value, Iterable) or isinstance(value, bytes | bytearray | Mapping):
        raise ValidationError.of(field, f"must be a list of names, not {shown(value)}", "type")
    items = [text(f"{field}[{index}]", item) for index, item in enumerate(value)]
    return sorted(items) if isinstance(value, set | frozenset) else items


def selection(field: str, value: object) -> list[str]:
    """Read a list of names that is used once, so that it may be an iterator.

    Raises:
        ValidationError: as `names`.
    """
    return names(field, list(value) if isinstance(value, Iterator) else value)


def some(field: str, value: object) -> list[str]:
    """Read a list of names that is used once, where none of it, None, has a meaning of its own.

    Raises:
        ValidationError: as `names`, or it is empty: who counts on nothing must not get everything.
    """
    found = selection(field, value)
    if value is not None and not found:
        raise ValidationError.of(field, "must have at least one name; leave it out to mean all", "required")
    return found


def state_text(state: str | ComponentState | None) -> str:
    """Give a state's name; empty for none.

    Raises:
        ValidationError: there is no such state.
    """
    return parse_state(str(state.value if isinstance(state, Enum) else state)).value if state else ""


def interval(value: float) -> float:
    """Read an interval in seconds.

    Raises:
        ValidationError: it is no finite number over 0.
    """
    return seconds("interval", value)


def seconds(field: str, value: float) -> float:
    """Read a time span in seconds.

    Raises:
        ValidationError: it is no finite number over 0.
    """
    if not finite(value) or value <= 0:
        raise ValidationError.of(field, f"must be a number of seconds over 0, not {_short(value)}", "range")
    return float(value)


def span(field: str, value: float) -> float:
    """Read a time span in seconds that may be none.

    Raises:
        ValidationError: it is no finite number, or less than 0.
    """
    if not finite(value) or value < 0:
        raise ValidationError.of(field, f"must be a number of seconds, 0 or more, not {_short(value)}", "range")
    return float(value)


def within(field: str, value: float, least: float, most: float) -> float:
    """Read a time span in seconds that has bounds.

    Raises:
        ValidationError: it is no number from `least` to `most`.
    """
    if not finite(value) or not least <= value <= most:
        message = f"must be a number of seconds from {least:g} to {most:g}, not {_short(value)}"
        raise ValidationError.of(field, message, "range", least=least, limit=most)
    return float(value)


def finite(value: object) -> TypeGuard[float]:
    """Tell whether something is a finite number: a boolean is none, nor is what is too large for any float."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def figures(metrics: Mapping[str, float] | None) -> dict[str, float]:
    """Give metrics as the numbers they must be.

    Raises:
        ValidationError: too many, a name that is refused, or one that is no finite number.
    """
    return {name: figure(f"metrics.{name}", value) for name, value in _reported("metrics", metrics)}


def figure(field: str, value: Any) -> float:
    """Read a number, of whatever kind: those of numpy are none of Python's.

    Raises:
        ValidationError: it is none, or is not finite.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValidationError.of(field, f"must be a number, not {shown(value)}", "type") from None
    if not math.isfinite(number):
        raise ValidationError.of(field, f"must be a finite number, not {number}", "finite")
    return number


def words(health: Mapping[str, str] | None) -> dict[str, str]:
    """Give the health of parts as the short texts it must be.

    Raises:
        ValidationError: too many, a name that is refused, or a text that is too long or holds control characters.
    """
    return {name: _word(f"health.{name}", str(value), _HEALTH_CHARS) for name, value in _reported("health", health)}


def _reported(field: str, given: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise ValidationError.of(field, f"must be a dict by name, not {shown(given)}", "type")
    if len(given) > _REPORTED:
        raise ValidationError.of(field, f"must have at most {_REPORTED} items", "max_items", limit=_REPORTED)
    return [(_word(field, str(name), _NAME_CHARS), value) for name, value in given.items()]


def _word(field: str, value: str, chars: int) -> str:
    if len(value) > chars:
        raise ValidationError.of(field, f"must have at most {chars} characters", "max_length", limit=chars)
    if refused := refused_character(value):
        message = f"must not contain control or invisible characters: {refused}"
        raise ValidationError.of(field, message, "characters")
    return value
