"""Models as messages: what is bounded, and what odd input is read as."""

from __future__ import annotations

import pytest

from tekton.core.errors import TooLargeError, ValidationError
from tekton.core.model_records import ModelFacts
from tekton.v1 import routing_service_pb2 as pb
from tekton_server.domain import limits
from tekton_server.domain.routing.model import CatalogueModel, completed
from tekton_server.services.models import capabilities, named, removal


def able(model_id: str, *names: str, enabled: bool = True) -> CatalogueModel:
    return completed(model_id, ModelFacts(capabilities=names, enabled=enabled), (), 0, 0)


def test_capabilities_are_the_known_ones_in_their_order_then_the_others() -> None:
    """Only those that some model has; a model that was taken out of use has none."""
    known = {"b": "The letter b", "a": "The letter a", "unused": "Nobody can"}
    listed = capabilities([able("m1", "z", "a"), able("m2", "b", "a"), able("m3", "q", enabled=False)], known)
    assert [(one.id, one.description, list(one.supported_models)) for one in listed.capabilities] == [
        ("b", "The letter b", ["m2"]),
        ("a", "The letter a", ["m1", "m2"]),
        ("z", "", ["m1"]),
    ]


def test_more_than_one_reply_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With where to look instead."""
    monkeypatch.setattr(limits, "GRAPH_BYTES", 100)
    with pytest.raises(TooLargeError, match="capability="):
        capabilities([able(f"model-{at}", "a") for at in range(20)], {})


@pytest.mark.parametrize(
    ("text", "model_id"),
    [("a/b:c", "a/b:c"), ("a%2Fb%3Ac", "a/b:c"), ("a%2fb", "a/b"), ("100%", "100%"), ("%zz", "%zz")],
)
def test_an_id_is_read_out_of_a_path(text: str, model_id: str) -> None:
    """As it is or with escapes."""
    assert named(text) == model_id


def test_no_id_is_told_as_such() -> None:
    """DELETE /api/tekton/models is not the removal of a model without a name."""
    with pytest.raises(ValidationError, match="model_id is required"):
        removal(pb.DeregisterModelRequest())
