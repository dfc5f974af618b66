"""A failure crosses the wire as itself: the client raises the class that the server raised."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from tekton._channel import Target
from tekton._errors import bare, from_rpc
from tekton.core import errors
from tekton.core.errors import TektonError
from tekton_server.interceptors.failure import code_of, trailers

TARGET = Target("localhost", 8010)


class Status:
    """What a failed call tells."""

    def __init__(self, code: grpc.StatusCode, details: str = "", trailing: Any = ()) -> None:
        self._told = code, details, trailing

    def code(self) -> grpc.StatusCode:
        """Give the status."""
        return self._told[0]

    def details(self) -> str:
        """Give the sentence."""
        return self._told[1]

    def trailing_metadata(self) -> Any:
        """Give the trailer."""
        return self._told[2]


@pytest.mark.parametrize("kind", errors.ALL, ids=lambda kind: kind.default_reason)
def test_every_class_comes_back_as_itself(kind: type[TektonError]) -> None:
    """With its sentence, code, reason, component, details and pause: what the server makes, the client reads."""
    raised = kind("it went wrong", "engram", details={"list": [1, {"a": None}]})
    rebuilt = from_rpc(Status(code_of(raised), "it went wrong", trailers(raised, rest=False)), TARGET)
    assert type(rebuilt) is kind
    assert (str(rebuilt), rebuilt.code, rebuilt.reason) == ("it went wrong", raised.code, raised.reason)
    assert (rebuilt.component, rebuilt.details) == ("engram", raised.details)
    assert rebuilt.retry_after == raised.retry_after


def test_a_reason_of_a_newer_server_is_a_general_error() -> None:
    """It keeps the reason, so that a program can tell it apart."""
    raised = TektonError("new", code="brand_new")
    rebuilt = from_rpc(Status(code_of(raised), "new", trailers(raised, rest=False)), TARGET)
    assert type(rebuilt) is TektonError
    assert rebuilt.reason == "brand_new"


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda code: code.name)
def test_a_status_without_details_still_is_a_tekton_error(code: grpc.StatusCode) -> None:
    """Something on the way made it; details that cannot be read count as none."""
    assert isinstance(bare(code, "somewhere", TARGET), TektonError)
    broken = (("grpc-status-details-bin", b"\xff\xff"),)
    assert type(from_rpc(Status(code, "somewhere", broken), TARGET)) is type(bare(code, "somewhere", TARGET))


def test_only_tekton_can_say_that_a_component_does_not_exist() -> None:
    """A bare NOT_FOUND or UNIMPLEMENTED is about the path."""
    for code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
        assert isinstance(bare(code, "", TARGET), errors.UnknownPathError)
    assert isinstance(bare(grpc.StatusCode.UNAVAILABLE, "refused", TARGET), errors.UnavailableError)
    assert isinstance(bare(grpc.StatusCode.DEADLINE_EXCEEDED, "", TARGET), errors.TektonTimeoutError)
