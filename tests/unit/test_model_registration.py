"""Registering models: layers over one another, ids as providers write them, and every wrong field named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tekton.core.errors import ConflictError, NoRouteError, RegistrationError, TektonError, ValidationError
from tekton.core.model_records import BudgetTerms, ModelFacts
from tekton.core.records import Commit
from tekton.core.view import View
from tekton_server.domain import limits
from tekton_server.domain.commands import RegisterModel, RemoveBudget, RemoveModel, SetBudget
from tekton_server.domain.decide import decide
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.routing.model import MODEL_ID, completed, is_url, overlaid
from tekton_server.live.routing.catalogue import Catalogue
from tekton_server.live.routing.shipped import shipped
from tekton_server.live.routing.terms import RoutingTerms

NOW = datetime(2025, 1, 1, tzinfo=UTC)
WHOLE = ModelFacts(provider="openai", tier=3, context_window=128_000)


class Registry:
    """A view with a hand that decides and folds."""

    def __init__(self, terms: RoutingTerms) -> None:
        self.view = View("00000000")
        self.catalogue = Catalogue(self.view, terms)

    def do(self, command: Any) -> Any:
        decision = decide(Overlay(self.view), command, NOW)
        if decision.changes:
            commit = Commit(self.view.revision + 1, NOW, decision.changes)
            self.view.fold(commit)
            self.catalogue.on_commit(commit)
        return decision.reply

    def register(self, model_id: str, facts: ModelFacts = WHOLE, **fields: Any) -> Any:
        below = self.catalogue.below(model_id)
        return self.do(RegisterModel(model_id=model_id, facts=facts, below=below, **fields))


@pytest.fixture
def registry() -> Registry:
    """A catalogue with one shipped and one configured model beside the shipped ones."""
    configured = {
        "gpt-4-turbo": ModelFacts(component_id="rhetor", tier=2),
        "own": ModelFacts(provider="us", tier=1, context_window=4000),
    }
    return Registry(RoutingTerms(models=configured))


def test_each_layer_says_what_it_says_and_leaves_the_rest(registry: Registry) -> None:
    """Shipped under configured under registered; what is removed uncovers what is below."""
    found = registry.catalogue.get("gpt-4-turbo")
    assert found is not None
    assert (found.tier, found.component_id, found.context_window) == (2, "rhetor", 128_000)
    assert found.layers == ("shipped", "configuration")
    registry.register("gpt-4-turbo", ModelFacts(context_window=64_000))
    found = registry.catalogue.get("gpt-4-turbo")
    assert found is not None and (found.tier, found.context_window) == (2, 64_000)
    assert found.layers == ("shipped", "configuration", "registered") and found.revision == 1
    registry.do(RemoveModel(model_id="gpt-4-turbo"))
    found = registry.catalogue.get("gpt-4-turbo")
    assert found is not None and found.context_window == 128_000 and found.revision == 0


def test_the_catalogue_keeps_its_order(registry: Registry) -> None:
    """Shipped, configured, registered; one that is changed stays where it is."""
    registry.register("new")
    registry.register("newer")
    registry.register("new", ModelFacts(provider="a", tier=1, context_window=1))
    names = [one.model_id for one in registry.catalogue.models]
    assert names == [*shipped().models, "own", "new", "newer"]
    assert [one.place for one in registry.catalogue.models] == list(range(len(names)))


def test_a_registration_replaces_the_one_before_and_the_same_one_changes_nothing(registry: Registry) -> None:
    """Which takes no revision."""
    first = registry.register("m", ModelFacts(provider="a", tier=1, context_window=1, description="old"))
    assert (first.created, first.changed, registry.view.revision) == (True, True, 1)
    again = registry.register("m", ModelFacts(provider="a", tier=1, context_window=1, description="old"))
    assert (again.created, again.changed, registry.view.revision) == (False, False, 1)
    other = registry.register("m")
    assert (other.created, other.changed) == (False, True)
    assert other.model.facts.description is None


def test_what_has_to_be_known_is_known_to_some_layer(registry: Registry) -> None:
    """A shipped model needs no more than its id."""
    registry.register("claude-3-opus-20240229", ModelFacts(component_id="rhetor"))
    with pytest.raises(RegistrationError) as caught:
        registry.register("nobody-knows", ModelFacts(tier=1))
    assert [one["field"] for one in caught.value.details["violations"]] == ["provider", "context_window"]


@pytest.mark.parametrize(
    "model_id",
    [
        "gpt-4-turbo", "meta-llama/Llama-3-8B-Instruct", "llama3.1:8b", "@cf/meta/llama-3-8b", "a", "A" * 256,
        "anthropic.claude-3-sonnet-20240229-v1:0", "accounts/fireworks/models/llama-v3p1-405b-instruct",
        "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "ft:gpt-3.5-turbo:org:suffix:id", "x+y~z", "a..b",
    ],
)  # fmt: skip
def test_ids_are_taken_as_providers_write_them(registry: Registry, model_id: str) -> None:
    """With slashes, colons, and whatever else stands in a path as it is."""
    registry.register(model_id)
    assert registry.catalogue.get(model_id) is not None


@pytest.mark.parametrize(
    "model_id",
    [
        "", " ", "a b", "/a", "a/", "a//b", "a/../b", "a/.", "..", "a?b", "a#b", "a%2Fb", "a\\b", "a\nb", "ü",
        "a\u202eb", "😀", "-a", ":a", "a:batch", "x/y:batch", "a\0", "<script>",
    ],
)  # fmt: skip
def test_other_ids_are_refused_with_the_rule(registry: Registry, model_id: str) -> None:
    """By name, before anything is stored."""
    with pytest.raises(RegistrationError) as caught:
        registry.register(model_id)
    assert caught.value.details["violations"][0]["field"] == "id"
    assert registry.view.revision == 0


def test_no_id_makes_the_pattern_slow() -> None:
    """An adversary's id takes no longer than its length."""
    assert MODEL_ID.fullmatch("a/" * 5000 + "!") is None


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (ModelFacts(tier=0), "tier"),
        (ModelFacts(tier=11), "tier"),
        (ModelFacts(context_window=-1), "context_window"),
        (ModelFacts(context_window=0), "context_window"),
        (ModelFacts(max_output_tokens=0), "max_output_tokens"),
        (ModelFacts(input_price=-0.1), "input_price"),
        (ModelFacts(output_price=float("nan")), "output_price"),
        (ModelFacts(input_price=float("inf")), "input_price"),
        (ModelFacts(capabilities=("",)), "capabilities[0]"),
        (ModelFacts(capabilities=("ok", "a\u202eb")), "capabilities[1]"),
        (ModelFacts(capabilities=("x",) * 257), "capabilities"),
        (ModelFacts(provider="x" * 129), "provider"),
        (ModelFacts(component_id="Rhetor"), "component_id"),
        (ModelFacts(endpoint="ftp://x/y"), "endpoint"),
        (ModelFacts(endpoint="http://user:secret@x/y"), "endpoint"),
        (ModelFacts(endpoint="http://"), "endpoint"),
        (ModelFacts(endpoint="http://x:99999999/"), "endpoint"),
        (ModelFacts(path="api/generate"), "path"),
        (ModelFacts(path="/a b"), "path"),
        (ModelFacts(description="x" * 513), "description"),
    ],
)
def test_a_wrong_fact_is_named(registry: Registry, facts: ModelFacts, field: str) -> None:
    """And nothing is stored."""
    with pytest.raises((ValidationError, RegistrationError)) as caught:
        registry.register("m", overlaid(WHOLE, facts))
    assert caught.value.details["violations"][0]["field"] == field
    assert registry.view.revision == 0


def test_empty_capabilities_are_those_of_the_layer_below_or_none(registry: Registry) -> None:
    """A list that repeats itself is kept without repeats."""
    registry.register("m", overlaid(WHOLE, ModelFacts(capabilities=("a", "b", "a"))))
    found = registry.catalogue.get("m")
    assert found is not None and found.capabilities == ("a", "b")
    registry.register("m")
    found = registry.catalogue.get("m")
    assert found is not None and found.capabilities == ()


def test_compare_and_set(registry: Registry) -> None:
    """0 means that nobody has registered it."""
    with pytest.raises(ConflictError):
        registry.register("m", expected_revision=3)
    registry.register("m", expected_revision=0)
    with pytest.raises(ConflictError):
        registry.do(RemoveModel(model_id="m", expected_revision=0))
    with pytest.raises(ValidationError):
        registry.do(RemoveModel(model_id="m", expected_revision=-1))
    registry.do(RemoveModel(model_id="m", expected_revision=1))


def test_what_nobody_registered_is_not_removed(registry: Registry) -> None:
    """A shipped one is taken out of use by other means, and the refusal says how."""
    with pytest.raises(NoRouteError, match="enabled=false"):
        registry.do(RemoveModel(model_id="gpt-4-turbo"))


def test_there_is_an_end_to_the_catalogue(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever is in it can still be changed."""
    monkeypatch.setattr(limits, "MODELS", 2)
    registry.register("a")
    registry.register("b")
    with pytest.raises(RegistrationError, match="2 models already"):
        registry.register("c")
    registry.register("b", ModelFacts(provider="x", tier=1, context_window=5))


def test_the_shipped_catalogue_is_whole_and_claims_no_server() -> None:
    """Facts about models: that somebody serves one is said by others."""
    for model_id, facts in shipped().models.items():
        assert MODEL_ID.fullmatch(model_id)
        found = completed(model_id, facts, (), 0, 0)
        assert found.provider and found.context_window > 0 and found.component_id == found.endpoint == ""
        assert found.offers <= shipped().capabilities.keys()
        assert found.cost(1000, 1000) is not None


@pytest.mark.parametrize("url", ["http://[::1]:8003/x", "https://api.example.com", "http://localhost:1/a?b=c"])
def test_urls(url: str) -> None:
    """Of HTTP, absolute, without a password."""
    assert is_url(url)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({}, "tokens_per_minute"),
        ({"tokens_per_minute": -1}, "tokens_per_minute"),
        ({"max_in_flight": -5}, "max_in_flight"),
        ({"cost_limit": float("nan")}, "cost_limit"),
        ({"cost_limit": -1.0}, "cost_limit"),
        ({"max_in_flight": 1, "component_id": "No!"}, "component_id"),
        ({"max_in_flight": 1, "model_id": "a b"}, "model_id"),
    ],
)
def test_a_wrong_budget_is_named(registry: Registry, terms: dict[str, Any], field: str) -> None:
    """Before anything is stored."""
    with pytest.raises(TektonError) as caught:
        registry.do(SetBudget(terms=BudgetTerms(**terms)))
    assert caught.value.details["violations"][0]["field"] == field


def test_a_budget_stands_in_the_place_of_the_one_before(registry: Registry) -> None:
    """ "-" and "_" in the id of a component are equal, as everywhere."""
    registry.do(SetBudget(terms=BudgetTerms(component_id="my-app", max_in_flight=1)))
    registry.do(SetBudget(terms=BudgetTerms(component_id="my_app", max_in_flight=2)))
    registry.do(SetBudget(terms=BudgetTerms(component_id="my_app", max_in_flight=2)))
    (budget,) = registry.view.routing.budgets.values()
    assert budget.terms.max_in_flight == 2 and budget.revision == 2
    registry.do(RemoveBudget(component_id="my-app", model_id=""))
    assert not registry.view.routing.budgets
    with pytest.raises(NoRouteError, match="my-app"):
        registry.do(RemoveBudget(component_id="my-app", model_id=""))
