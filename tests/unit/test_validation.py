"""What a registration must be: shape, type and size are 400, the rules of CONTRACT §4 are 422."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core.errors import RegistrationError, TektonError, ValidationError
from tekton_server.domain import validation
from tekton_server.domain.validation import check_metadata, check_registration, check_text, levels
from tests.unit.paper import a_registration, uuid_of


def nested(depth: int) -> dict[str, Any]:
    """Metadata of so many levels."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def in_json(size: int) -> dict[str, str]:
    """Metadata of exactly so many bytes."""
    return {"a": "x" * (size - len('{"a":""}'))}


def violations(fields: dict[str, Any], error: type[TektonError]) -> list[tuple[str, str]]:
    """Have a registration refused; give which fields broke which rules."""
    with pytest.raises(error) as refusal:
        check_registration(msgspec.structs.replace(a_registration(), **fields))
    assert type(refusal.value) is error
    found = refusal.value.details["violations"]
    for violation in found[:5]:
        assert f"{violation['field']} {violation['message']}" in refusal.value.message
    return [(violation["field"], violation["rule"]) for violation in found]


GOOD: list[dict[str, Any]] = [
    {},
    {"component_id": "a"},
    {"component_id": "a" + "-" * 62},
    {"component_name": "x" * 256},
    {"component_name": "Médée 記憶 \U0001f9e0 «Ω»"},
    {"component_type": "t" * 64},
    {"version": "1.0.0-rc.1+build." + "7" * 111},
    {"host": ""},
    {"host": "h" * 253},
    {"host": "fe80::1"},
    {"port": 1},
    {"port": 65535},
    {"port": 0, "component_type": "ui"},
    {"port": 0, "metadata": {"no_listener": True}},
    {"health_check": ""},
    {"health_check": "h" * 2048},
    {"capabilities": tuple(f"c{n}" for n in range(256))},
    {"capabilities": ("記憶", "x" * 128)},
    {"dependencies": tuple(f"d{n}" for n in range(256))},
    {"dependencies": ("athena2", "llm-adapter")},
    {"metadata": nested(16)},
    {"metadata": in_json(64 * 1024)},
    {"metadata": {"": None, "text": "line\nfeed, tab\t", "escape": "\\u0000", "list": [1.5, True, [], {}]}},
    {"metadata": {"quote": '\\"\\\\u0000', "é": "\U0001f9e0"}},
    {"instance_uuid": ""},
    {"expected_revision": 0},
]

MALFORMED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"component_id": "x" * 5000}, [("component_id", "max_length")]),
    ({"component_name": "x" * 257}, [("component_name", "max_length")]),
    ({"component_type": "x" * 65}, [("component_type", "max_length")]),
    ({"version": "1.0.0-" + "x" * 123}, [("version", "max_length")]),
    ({"host": "h" * 254}, [("host", "max_length")]),
    ({"host": "my host"}, [("host", "format")]),
    ({"health_check": "h" * 2049}, [("health_check", "max_length")]),
    ({"port": -1}, [("port", "range")]),
    ({"port": 65536}, [("port", "range")]),
    ({"port": 2**31 - 1}, [("port", "range")]),
    ({"capabilities": tuple(f"c{n}" for n in range(257))}, [("capabilities", "max_items")]),
    ({"dependencies": tuple(f"d{n}" for n in range(257))}, [("dependencies", "max_items")]),
    ({"capabilities": ("a", "x" * 129)}, [("capabilities[1]", "max_length")]),
    ({"capabilities": ("",)}, [("capabilities[0]", "required")]),
    ({"capabilities": ("a", " ")}, [("capabilities[1]", "required")]),
    ({"dependencies": ("",)}, [("dependencies[0]", "required")]),
    ({"dependencies": ("x" * 129,)}, [("dependencies[0]", "max_length")]),
    ({"metadata": nested(17)}, [("metadata", "max_depth")]),
    ({"metadata": {"a": nested(16)}}, [("metadata", "max_depth")]),
    ({"metadata": in_json(64 * 1024 + 1)}, [("metadata", "max_bytes")]),
    ({"metadata": {"a": "é" * 32 * 1024}}, [("metadata", "max_bytes")]),
    ({"metadata": {"a": "\x00"}}, [("metadata", "characters")]),
    ({"metadata": {"a\x00": 1}}, [("metadata", "characters")]),
    ({"metadata": {"a": [{"b": "\\\x00"}]}}, [("metadata", "characters")]),
    ({"metadata": {"a": "\ud800"}}, [("metadata", "characters")]),
    ({"instance_uuid": "nonsense"}, [("instance_uuid", "format")]),
    ({"instance_uuid": uuid_of(0xABC).upper()}, [("instance_uuid", "format")]),
    ({"expected_revision": -1}, [("expected_revision", "range")]),
]

BROKEN: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"component_id": ""}, [("component_id", "required")]),
    ({"component_name": ""}, [("component_name", "required")]),
    ({"component_name": "   "}, [("component_name", "required")]),
    ({"component_type": ""}, [("component_type", "required")]),
    ({"version": ""}, [("version", "required")]),
    ({"component_id": "Athena"}, [("component_id", "pattern")]),
    ({"component_id": "1st"}, [("component_id", "pattern")]),
    ({"component_id": "a b"}, [("component_id", "pattern")]),
    ({"component_id": "a.b"}, [("component_id", "pattern")]),
    ({"component_id": "a/../b"}, [("component_id", "pattern")]),
    ({"component_id": "athéna"}, [("component_id", "pattern")]),
    ({"component_id": "a" * 64}, [("component_id", "pattern")]),
    ({"version": "1.0"}, [("version", "semver")]),
    ({"version": "v1.0.0"}, [("version", "semver")]),
    ({"version": "latest"}, [("version", "semver")]),
    ({"port": 0}, [("port", "required")]),
    ({"port": 0, "metadata": {"no_listener": False}}, [("port", "required")]),
    ({"port": 0, "metadata": {"no_listener": "yes"}}, [("port", "required")]),
    ({"port": 0, "metadata": {"no_listener": 1}}, [("port", "required")]),
    ({"port": 0, "component_type": "UI"}, [("port", "required")]),
    ({"dependencies": ("hermes", "Hermes")}, [("dependencies[1]", "pattern")]),
    ({"dependencies": ("athena",)}, [("dependencies[0]", "self_dependency")]),
    ({"component_id": "a-b", "dependencies": ("c", "a_b")}, [("dependencies[1]", "self_dependency")]),
    ({"component_id": "a_b", "dependencies": ("a-b",)}, [("dependencies[0]", "self_dependency")]),
]


def short(value: object) -> str:
    return ascii(value)[:60]


@pytest.mark.parametrize("fields", GOOD, ids=short)
def test_a_registration_within_every_limit_is_accepted(fields: dict[str, Any]) -> None:
    """The limits themselves included, and any script."""
    check_registration(msgspec.structs.replace(a_registration(), **fields))


@pytest.mark.parametrize(("fields", "broken"), MALFORMED, ids=short)
def test_shape_type_and_size_are_400(fields: dict[str, Any], broken: list[tuple[str, str]]) -> None:
    """validation_error, naming the field and the rule."""
    assert violations(fields, ValidationError) == broken


@pytest.mark.parametrize(("fields", "broken"), BROKEN, ids=short)
def test_a_broken_rule_of_a_well_formed_registration_is_422(
    fields: dict[str, Any], broken: list[tuple[str, str]]
) -> None:
    """registration_invalid, naming the field and the rule."""
    assert violations(fields, RegistrationError) == broken


TEXTS = ["component_id", "component_name", "component_type", "version", "host", "health_check"]


@pytest.mark.parametrize("bad", ["\x00", "\n", "\r", "\t", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ud800"], ids=ascii)
@pytest.mark.parametrize("field", TEXTS)
def test_no_text_holds_control_characters(field: str, bad: str) -> None:
    """They cannot be stored, or would forge lines of a log or a terminal."""
    found = violations({field: "a" + bad + "b"}, ValidationError)
    assert (field, "characters") in found


# Soft hyphen, Arabic letter mark, zero-width space, marks, embeddings, overrides, isolates, word joiner, byte order
# mark, interlinear annotation, tags.
INVISIBLE = [
    "\u00ad", "\u061c", "\u200b", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2060",
    "\u2066", "\u2067", "\u2068", "\u2069", "\ufeff", "\ufff9", "\U000e0001", "\U000e0061",
]  # fmt: skip


@pytest.mark.parametrize("bad", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("field", TEXTS)
def test_no_text_holds_invisible_format_characters(field: str, bad: str) -> None:
    """U+202E turns the rest of a line in a list around; the others make two names of one look."""
    found = violations({field: "a" + bad + "b"}, ValidationError)
    assert (field, "characters") in found


@pytest.mark.parametrize("bad", ["\x00", "\n", "\x1b", "\u202e", "\u2066", "\u200b"], ids=ascii)
@pytest.mark.parametrize("field", ["capabilities", "dependencies"])
def test_no_item_of_a_list_holds_control_characters(field: str, bad: str) -> None:
    assert violations({field: ("fine", "a" + bad)}, ValidationError) == [(f"{field}[1]", "characters")]


JOINED = ["نمی\u200cشود", "क्\u200dष", "\U0001f469\u200d\U0001f4bb", "\u2764\ufe0f\u200d\U0001f525"]


@pytest.mark.parametrize("name", JOINED, ids=ascii)
def test_a_joiner_stands_where_a_script_needs_it(name: str) -> None:
    """Persian, the scripts of India and emoji of several parts cannot be written without."""
    check_registration(msgspec.structs.replace(a_registration(), component_name=name, capabilities=(name,)))


@pytest.mark.parametrize("name", ["vector\u200dsearch", "\u200cname", "é\u200d\u200d", "name\u200d"], ids=ascii)
def test_a_joiner_that_joins_nothing_is_refused(name: str) -> None:
    """It would only make two names of one look."""
    assert violations({"component_name": name}, ValidationError) == [("component_name", "characters")]


def test_a_character_that_nobody_sees_is_named() -> None:
    """By its number and its place, or it could not be found."""
    with pytest.raises(ValidationError, match=r"reason must not contain .*: U\+202E at index 4"):
        check_text("reason", "safe\u202egpj.exe", 128)


def test_several_malformed_fields_are_named_at_once() -> None:
    """Nobody should have to ask once per mistake."""
    wrong = {
        "component_name": "x" * 257,
        "host": "a b",
        "port": -1,
        "capabilities": ("", "x" * 129),
        "metadata": nested(17),
        "instance_uuid": "?",
    }
    found = violations(wrong, ValidationError)
    assert {field for field, _ in found} == {
        "component_name", "host", "port", "capabilities[0]", "capabilities[1]", "metadata", "instance_uuid",
    }  # fmt: skip


def test_several_broken_rules_are_named_at_once() -> None:
    wrong = {"component_id": "Athena", "component_name": "", "version": "1", "port": 0, "dependencies": ("B",)}
    found = violations(wrong, RegistrationError)
    assert {field for field, _ in found} == {"component_id", "component_name", "version", "port", "dependencies[0]"}


def test_400_comes_before_422() -> None:
    """A rule is judged only on what is well-formed."""
    assert violations({"port": -1, "version": "1", "component_name": ""}, ValidationError) == [("port", "range")]


def test_a_refusal_of_hundreds_of_mistakes_stays_short() -> None:
    """It travels in response metadata."""
    found = violations({"capabilities": ("",) * 256, "dependencies": ("",) * 256}, ValidationError)
    assert len(found) == 20


def test_a_violation_names_the_limit() -> None:
    with pytest.raises(ValidationError) as refusal:
        check_text("reason", "x" * 129, 128)
    assert refusal.value.details["violations"] == [
        {"field": "reason", "message": "must have at most 128 characters", "rule": "max_length", "limit": 128}
    ]
    assert refusal.value.message == "reason must have at most 128 characters"


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("x", 0), (None, 0), ({}, 1), ([], 1), ({"a": 1}, 1), ({"a": []}, 2), ([[[]]], 3), ({"a": [{"b": 1}]}, 3)],
)
def test_objects_and_lists_are_levels(value: object, depth: int) -> None:
    assert levels(value) == depth


def test_depth_is_counted_without_recursion() -> None:
    """A body of brackets alone must not exhaust the stack."""
    deep = nested(50_000)
    assert levels(deep) == 50_000
    with pytest.raises(ValidationError):
        check_metadata("metadata", deep)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\\u0\x00", max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text("ab\\u0\x00", max_size=6), json_values, max_size=4))
def test_small_metadata_is_refused_exactly_when_a_text_holds_nul(metadata: dict[str, Any]) -> None:
    """PostgreSQL cannot store it; backslashes that only look like it are fine."""
    if _holds_nul(metadata):
        with pytest.raises(ValidationError):
            check_metadata("metadata", metadata)
    else:
        check_metadata("metadata", metadata)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\x00" in value


@given(st.text(), st.integers(0, 20))
def test_any_text_is_accepted_or_refused_never_raised_on(text: str, chars: int) -> None:
    """What is accepted is short enough and can be stored."""
    try:
        check_text("reason", text, chars)
    except ValidationError:
        return
    assert len(text) <= chars
    assert "\x00" not in text
    assert text.encode().decode() == text


TEXTS = st.one_of(
    st.sampled_from(["", " ", "a", "a b", "A", "1.0.0", "1.0", "a\u202e", "\x00", "\u200d", "ä\u200d"]), st.text()
)
LISTS = st.lists(TEXTS | st.sampled_from(["self-one", "self_one", "other"]), max_size=4).map(tuple)
MAYBE_WRONG = st.fixed_dictionaries(
    {},
    optional={
        "component_id": TEXTS | st.sampled_from(["self-one", "a" * 64]),
        "component_name": TEXTS,
        "component_type": TEXTS | st.just("ui"),
        "version": TEXTS,
        "host": TEXTS,
        "port": st.integers(-1, 65537),
        "health_check": TEXTS,
        "capabilities": LISTS,
        "dependencies": LISTS,
        "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "instance_uuid": TEXTS,
        "expected_revision": st.none() | st.integers(-1, 1),
    },
)


@given(MAYBE_WRONG)
def test_the_quick_look_never_passes_what_the_close_one_refuses(fields: dict[str, Any]) -> None:
    """It may only be wrong in the other direction, where the close look follows."""
    command = msgspec.structs.replace(a_registration(), **fields)
    if validation._in_order(command):
        assert not [
            *validation._malformed_definition(command),
            *validation._malformed(command),
            *validation._broken_rules(command),
        ]


def test_the_quick_look_passes_what_is_usual() -> None:
    """Or it would be of no use."""
    assert validation._in_order(a_registration())
    assert not validation._in_order(msgspec.structs.replace(a_registration(), capabilities=("",)))
