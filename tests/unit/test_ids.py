"""Identity: when two ids are equal, what a uuid and a version are, and the tokens that name a point in a history."""

from __future__ import annotations

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core.ids import COMPONENT_ID, SEMVER, Token, is_uuid, lookup_key, new_uuid

ids = st.from_regex(COMPONENT_ID, fullmatch=True)


@given(ids)
def test_hyphen_and_underscore_are_equal_in_look_up(component_id: str) -> None:
    """Every spelling of an id has one key, and the key is its own key."""
    key = lookup_key(component_id)
    assert lookup_key(component_id.replace("_", "-")) == key
    assert lookup_key(component_id.replace("-", "_")) == key
    assert lookup_key(key) == key


@given(ids, ids)
def test_ids_that_differ_in_another_character_differ_in_look_up(one: str, other: str) -> None:
    """Nothing but the two characters is folded."""
    same = len(one) == len(other) and all(a == b or {a, b} == {"-", "_"} for a, b in zip(one, other, strict=False))
    assert (lookup_key(one) == lookup_key(other)) is same


@pytest.mark.parametrize("text", ["a", "athena", "llm-adapter", "llm_adapter", "a1", "a" * 63, "a-", "a_"])
def test_a_component_id_starts_with_a_letter_and_has_at_most_63_characters(text: str) -> None:
    assert COMPONENT_ID.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    ["", "A", "Athena", "1a", "-a", "_a", "a" * 64, "a b", "a.b", "a/b", "a\n", "a\x00", "é", "\u0430", "a\u0663"],
)
def test_everything_else_is_no_component_id(text: str) -> None:
    """Also letters and digits of other scripts that look alike, and a trailing line feed."""
    assert not COMPONENT_ID.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    ["0.0.0", "1.0.0", "10.20.30", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0+20130313", "1.0.0-b+x.7-z"],
)
def test_a_version_is_semver(text: str) -> None:
    assert SEMVER.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0 ", "1.0.0\n", "1.0.\u0663", "1.0.0-é"],
)
def test_everything_else_is_no_version(text: str) -> None:
    assert not SEMVER.fullmatch(text)


@given(st.uuids())
def test_a_uuid_has_one_spelling(value: uuid.UUID) -> None:
    """Lower case with hyphens: what is compared as text has to be written in one way."""
    assert is_uuid(str(value))
    assert not is_uuid(value.hex)
    assert not is_uuid(value.urn)
    assert not is_uuid(f"{{{value}}}")
    assert not is_uuid(f"{value}\n")
    assert is_uuid(str(value).upper()) is (str(value).upper() == str(value))


@given(st.text(max_size=40))
def test_other_text_is_no_uuid_and_no_accident(text: str) -> None:
    """Any text may come in; it is answered, never raised on."""
    assert not is_uuid(text)


def test_new_uuids_are_uuids_and_differ() -> None:
    made = {new_uuid() for _ in range(100)}
    assert len(made) == 100
    assert all(map(is_uuid, made))


histories = st.text("0123456789abcdef", min_size=8, max_size=8)


@given(histories, st.integers(0, 10**18 - 1))
def test_a_token_reads_back_as_it_was_printed(history_id: str, revision: int) -> None:
    """`<history_id>.<revision>`: resume tokens and fencing tokens."""
    assert Token.parse(f"{history_id}.{revision}") == (history_id, revision)
    assert Token.parse(str(Token(history_id, revision))) == Token(history_id, revision)


@given(histories, histories, st.integers(0, 99), st.integers(0, 99))
def test_tokens_are_equal_only_within_one_history(one: str, other: str, first: int, second: int) -> None:
    """A revision alone names nothing."""
    assert (Token(one, first) == Token(other, second)) is (one == other and first == second)


@pytest.mark.parametrize(
    "text",
    ["", ".", "7", "0badcafe", "0badcafe.", ".7", "0badcafe.-7", "0BADCAFE.7", "0badcaf.7", "0badcafe.7 ",
     "0badcafe.7\n", "0badcafe.\u0663", "0badcafe." + "9" * 19, "0badcafe.7.7"],
)  # fmt: skip
def test_everything_else_is_no_token(text: str) -> None:
    """Also a revision that no database could hold, and digits of other scripts."""
    assert Token.parse(text) is None


@given(st.text(string.printable, max_size=60))
def test_any_text_may_be_tried_as_a_token(text: str) -> None:
    token = Token.parse(text)
    assert token is None or token.history_id + "." in text
