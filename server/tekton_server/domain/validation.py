"""What a registration must be: shape, type and size are 400 (validation_error), rules 422 (registration_invalid)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from tekton.core.errors import RegistrationError, TektonError, ValidationError
from tekton.core.ids import COMPONENT_ID, SEMVER, is_uuid, lookup_key
from tekton.core.text import refused_character
from tekton.core.view import Definition
from tekton_server.domain import limits
from tekton_server.domain.commands import RegisterComponent

Violation = dict[str, Any]

_Choice = TypeVar("_Choice", bound=StrEnum)

# Underscores, since container networks have them in names. Letters of any script, as in internationalised names.
_HOST_NAME = re.compile(r"\w(?:(?:[\w-]|\.(?!\.))*\w)?")
# The rule by which a URL's host is an IPv4 address or none (WHATWG URL, "ends in a number").
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)$")


def check_registration(command: RegisterComponent) -> None:
    """Refuse a registration that is malformed or breaks a rule, naming every field that is wrong.

    Raises:
        ValidationError: shape, type or size.
        RegistrationError: a required field is missing, the identifier grammar, semver, a self-dependency.
    """
    if _in_order(command):
        return
    refuse(ValidationError, [*_malformed_definition(command), *_malformed(command)])
    refuse(RegistrationError, list(_broken_rules(command)))


def _in_order(command: RegisterComponent) -> bool:
    """Tell quickly that nothing is wrong, as with nearly every registration; False only says to look closely."""
    metadata, revision = command.metadata, command.expected_revision
    return (
        COMPONENT_ID.fullmatch(command.component_id) is not None
        and _plain(command.component_name, limits.COMPONENT_NAME_CHARS)
        and _plain(command.component_type, limits.COMPONENT_TYPE_CHARS)
        and len(command.health_check) <= limits.HEALTH_CHECK_CHARS
        and command.health_check.isprintable()
        and len(command.capabilities) <= limits.LIST_ITEMS
        and all(_plain(one, limits.ITEM_CHARS) for one in command.capabilities)
        and len(command.dependencies) <= limits.LIST_ITEMS
        and not any(_broken_dependencies(command))
        and (not metadata or not any(_metadata("metadata", metadata)))
        and _plain_version(command.version)
        and len(command.host) <= limits.HOST_CHARS
        and (not command.host or wrong_host(command.host) is None)
        and 0 < command.port <= 65535
        and (not command.instance_uuid or is_uuid(command.instance_uuid))
        and (revision is None or revision >= 0)
    )


def _plain(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isprintable() and not text.isspace()


@lru_cache(1024)
def _plain_version(version: str) -> bool:
    return len(version) <= limits.VERSION_CHARS and SEMVER.fullmatch(version) is not None


def check_definition(definition: Definition) -> None:
    """Refuse a definition that is malformed or breaks a rule, naming every field that is wrong.

    Raises:
        ValidationError: size.
        RegistrationError: as `check_registration`, for what a definition has.
    """
    refuse(ValidationError, list(_malformed_definition(definition)))
    refuse(RegistrationError, list(_broken_definition(definition)))


def check_text(field: str, text: str, chars: int) -> None:
    """Refuse a text that is too long or holds control, format or line-ending characters.

    Raises:
        ValidationError: naming the field.
    """
    refuse(ValidationError, list(wrong_text(field, text, chars)))


def chosen(field: str, text: str, choices: type[_Choice]) -> _Choice | None:
    """Read one of some words; None where there is none.

    Raises:
        ValidationError: it is unknown; the sentence names those that there are.
    """
    allowed = [one.value for one in choices]
    if text and text not in allowed:
        raise ValidationError.of(field, f"must be one of {', '.join(allowed)}", "one_of", allowed=allowed)
    return choices(text) if text else None


def check_metadata(field: str, metadata: Mapping[str, Any], most: int = limits.METADATA_BYTES) -> None:
    """Refuse metadata that is over so many bytes of JSON, too deep, or holds what cannot be stored.

    Raises:
        ValidationError: naming the field.
    """
    refuse(ValidationError, list(_metadata(field, metadata, most)))


def refuse(error: type[TektonError], violations: list[Violation]) -> None:
    """Raise an error that names every violation, if there are any."""
    if violations:
        sentence = "; ".join(f"{v['field']} {v['message']}" for v in violations[:5])
        raise error(sentence, details={"violations": violations[:20]})


def violation(field: str, message: str, rule: str, **more: Any) -> Violation:
    """Make one violation: `message` completes the sentence that starts with the field's name."""
    return {"field": field, "message": message, "rule": rule} | more


def _malformed_definition(one: RegisterComponent | Definition) -> Iterator[Violation]:
    yield from wrong_text("component_id", one.component_id, 4096)
    yield from wrong_text("component_name", one.component_name, limits.COMPONENT_NAME_CHARS)
    yield from wrong_text("component_type", one.component_type, limits.COMPONENT_TYPE_CHARS)
    yield from wrong_text("health_check", one.health_check, limits.HEALTH_CHECK_CHARS)
    yield from wrong_items("capabilities", one.capabilities)
    yield from wrong_items("dependencies", one.dependencies)
    yield from _metadata("metadata", one.metadata)


def _malformed(command: RegisterComponent) -> Iterator[Violation]:
    yield from wrong_text("version", command.version, limits.VERSION_CHARS)
    yield from wrong_text("host", command.host, limits.HOST_CHARS)
    if command.host and (wrong := wrong_host(command.host)):
        yield violation("host", wrong, "format")
    if not 0 <= command.port <= 65535:
        yield violation("port", "must be between 1 and 65535", "range", limit=65535)
    if command.instance_uuid and not is_uuid(command.instance_uuid):
        yield violation("instance_uuid", "must be a uuid in lower case, or empty to get one", "format")
    if command.expected_revision is not None and command.expected_revision < 0:
        yield violation("expected_revision", "must not be negative", "range", limit=0)


def _broken_definition(one: RegisterComponent | Definition) -> Iterator[Violation]:
    for field in ("component_id", "component_name", "component_type"):
        if not getattr(one, field).strip():
            yield violation(field, "is required", "required")
    if one.component_id and not COMPONENT_ID.fullmatch(one.component_id):
        yield violation("component_id", f"must match ^{COMPONENT_ID.pattern}$", "pattern")
    yield from _broken_dependencies(one)


def _broken_dependencies(one: RegisterComponent | Definition) -> Iterator[Violation]:
    for index, dependency in enumerate(one.dependencies):
        if not COMPONENT_ID.fullmatch(dependency):
            yield violation(f"dependencies[{index}]", f"must match ^{COMPONENT_ID.pattern}$", "pattern")
        elif lookup_key(dependency) == lookup_key(one.component_id):
            yield violation(f"dependencies[{index}]", "must not be the component itself", "self_dependency")


def _broken_rules(command: RegisterComponent) -> Iterator[Violation]:
    yield from _broken_definition(command)
    if not command.version.strip():
        yield violation("version", "is required", "required")
    if command.version and not SEMVER.fullmatch(command.version):
        yield violation("version", "must be a semantic version such as 1.0.0", "semver")
    if not command.port and command.component_type != "ui" and command.metadata.get("no_listener") is not True:
        yield violation("port", "is required unless component_type is ui or metadata.no_listener is true", "required")


def address_in(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Give the IP address that a host is, in brackets or without; None for a name."""
    bare = host.removeprefix("[").removesuffix("]")
    # Most hosts are names, and to have one refused as an address takes longer than all other checks together.
    if ":" not in bare and not _ENDS_IN_NUMBER.search(bare):
        return None
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return None


@lru_cache(4096)
def wrong_host(host: str) -> str | None:
    """Say what is wrong with a host: it is a name or an IP address, and nothing beside it. None where it may stay."""
    if address_in(host) is not None:
        return None
    bare = host.removesuffix(".")
    if not _HOST_NAME.fullmatch(bare):
        return "must be a host name or an IP address alone, without scheme, port, path or spaces"
    if _ENDS_IN_NUMBER.search(bare) and not isinstance(address_in(bare), ipaddress.IPv4Address):
        # Resolvers read 010.0.0.1, 0x7f.1 and 2130706433 as addresses, each in a way of its own.
        return "must be a name that does not end in a number, or an IPv4 address of four decimal numbers"
    return None


def wrong_text(field: str, text: str, chars: int) -> Iterator[Violation]:
    """Tell what is wrong with a text: it is too long, or holds control, format or line-ending characters."""
    if len(text) > chars:
        yield violation(field, f"must have at most {chars} characters", "max_length", limit=chars)
    elif refused := refused_character(text):
        yield violation(field, f"must not contain control or invisible characters: {refused}", "characters")


def wrong_items(field: str, items: Sequence[str], chars: int = limits.ITEM_CHARS) -> Iterator[Violation]:
    """Tell what is wrong with a list of names: there are too many, or one is empty or no text of so many characters."""
    if len(items) > limits.LIST_ITEMS:
        yield violation(field, f"must have at most {limits.LIST_ITEMS} items", "max_items", limit=limits.LIST_ITEMS)
        return
    for index, item in enumerate(items):
        if not item.strip():
            yield violation(f"{field}[{index}]", "must not be empty", "required")
        yield from wrong_text(f"{field}[{index}]", item, chars)


def _metadata(field: str, metadata: Mapping[str, Any], most: int = limits.METADATA_BYTES) -> Iterator[Violation]:
    if levels(metadata) > limits.METADATA_LEVELS:
        limit = limits.METADATA_LEVELS
        yield violation(field, f"must be nested at most {limit} levels deep", "max_depth", limit=limit)
        return
    try:
        encoded = msgspec.json.encode(metadata)
    except UnicodeEncodeError:
        yield violation(field, "must not contain lone surrogates", "characters")
        return
    if len(encoded) > most:
        yield violation(field, f"must be at most {most} bytes of JSON", "max_bytes", limit=most)
    if b"\\u0000" in encoded.replace(b"\\\\", b""):
        yield violation(field, "must not contain NUL characters", "characters")


def levels(value: Any) -> int:
    """Count how deep objects and lists are nested; a flat object is 1, a scalar 0."""
    deepest, pending = 0, [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, Mapping):
            pending += [(child, depth + 1) for child in item.values()]
        elif isinstance(item, list | tuple):
            pending += [(child, depth + 1) for child in item]
        else:
            continue
        deepest = max(deepest, depth)
    return deepest
