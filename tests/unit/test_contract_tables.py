"""Every RPC of every service is in every table: REST, errors, the OpenAPI document, and the README.

Whoever adds an RPC and forgets one of them finds the name of the RPC and of the table here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tekton.core.errors import BY_REASON
from tekton.v1 import errors_pb2
from tekton_gateway import contract
from tekton_server.services import SERVICES, openapi
from tekton_server.services.openapi import failures
from tekton_server.services.openapi.paths import MEDIA
from tekton_server.services.openapi.source import Source

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DOCUMENT = json.loads(openapi.document())
SOURCE = Source()
RPCS = contract.methods()
IDS = [rpc.path.removeprefix("/tekton.v1.") for rpc in RPCS]

every_rpc = pytest.mark.parametrize("rpc", RPCS, ids=IDS)


def comment(rpc: contract.Method) -> str:
    """Give the comment of an RPC."""
    return SOURCE.comment(f"{rpc.service}.{rpc.name}")


def readme_paths() -> set[tuple[str, str]]:
    """Read the (method, path) pairs out of the README's table: a path without a method has that of the one before."""
    found, verb = set(), ""
    for cell in re.findall(r"^\| (`.*?) \|", README, re.M):
        for quoted in re.findall(r"`([^`]+)`", cell):
            *named, path = quoted.split(" ")
            verb = named[0] if named else verb
            if path.startswith("/"):
                found.add((verb, path.partition("?")[0]))
    return found


def test_every_service_of_the_contract_is_served() -> None:
    """Health and reflection name the same services."""
    assert sorted(SERVICES) == sorted(contract.services())


@every_rpc
def test_it_has_a_rest_path_or_says_why_not(rpc: contract.Method) -> None:
    """An annotation, or a comment that says gRPC only and names the twin for REST."""
    if not rpc.rest:
        assert re.search(r"gRPC(-Web)? only", comment(rpc)) and "REST" in comment(rpc), comment(rpc)


@every_rpc
def test_its_comment_names_its_errors(rpc: contract.Method) -> None:
    """An "Errors:" sentence of known reasons, or that there are none."""
    errors = failures.split(comment(rpc))[1]
    assert errors is not None, f"the comment of {rpc.path} lacks its errors"
    assert errors == "none." or failures.named(errors)


@every_rpc
def test_it_is_in_the_openapi_document(rpc: contract.Method) -> None:
    """Under its path and method, or in the list of what is gRPC only."""
    name = rpc.path.removeprefix("/")
    if not rpc.rest:
        assert name in {one["x-grpc-method"] for one in DOCUMENT["x-grpc-only"]}
    for verb, path in rpc.rest:
        operation = DOCUMENT["paths"][re.sub(r"=[^}]*", "", path)][verb.lower()]
        assert operation["x-grpc-method"] == name and operation["description"]


@every_rpc
def test_its_errors_are_in_the_openapi_document(rpc: contract.Method) -> None:
    """Each with its HTTP status and its code."""
    for verb, path in rpc.rest:
        responses = DOCUMENT["paths"][re.sub(r"=[^}]*", "", path)][verb.lower()]["responses"]
        for cls in failures.named(failures.split(comment(rpc))[1]):
            response = responses[str(cls.http_status)]
            assert f"`{cls.default_reason}` ({cls.number})" in response["description"]
            assert cls.default_reason in response["content"]["application/json"]["examples"]


@every_rpc
def test_it_is_in_the_readme(rpc: contract.Method) -> None:
    """In the table of paths, or by name among what is gRPC only."""
    missing = [pair for pair in rpc.rest if pair not in readme_paths()]
    assert not missing, f"the README's table of paths lacks {missing}"
    if not rpc.rest:
        assert f"`{rpc.path.removeprefix('/tekton.v1.')}`" in README


def test_the_readme_names_no_path_that_is_not_served() -> None:
    """A table that promises too much is as wrong as one that lacks a row."""
    assert readme_paths() <= {pair for rpc in RPCS for pair in rpc.rest}


def test_what_brings_its_own_content_type_says_which() -> None:
    """The table of media types names exactly the unary RPCs that return HttpBody."""
    assert set(MEDIA) == {f"{rpc.service}.{rpc.name}" for rpc in RPCS if rpc.http_body and not rpc.streams}


def test_the_table_of_reasons_is_the_same_in_the_contract_the_code_and_the_document() -> None:
    """And every reason has an example body."""
    named = set(errors_pb2.ErrorReason.Value.keys()) - {"unspecified"}
    assert named == set(BY_REASON) == set(DOCUMENT["components"]["examples"])


def test_an_error_that_does_not_exist_is_noticed() -> None:
    """A slip in a comment is no silent gap in the document."""
    with pytest.raises(failures.UnknownReasonError, match="storage_down is no reason"):
        failures.named("unavailable when it is down, storage_down.")


def test_everything_in_the_contract_is_commented_with_its_name_first() -> None:
    """The document takes its texts from there."""
    names = [f"{rpc.service}.{rpc.name}" for rpc in RPCS] + list(contract.services())
    for name, message in SOURCE.messages.items():
        if not message.options.map_entry:
            names += [name, *(f"{name}.{field.name}" for field in message.field)]
    wrong = [name for name in names if not SOURCE.comment(name).startswith(name.rpartition(".")[2])]
    assert not wrong
