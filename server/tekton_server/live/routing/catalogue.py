"""The catalogue: what is shipped, over that what is configured, over that what was registered, one model an id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from tekton.core.model_records import ModelFacts
from tekton.core.records import ModelChange
from tekton.core.view import Commit, View
from tekton_server.domain.routing.model import CatalogueModel, completed, overlaid
from tekton_server.live.routing.shipped import shipped
from tekton_server.live.routing.terms import RoutingTerms

SHIPPED, CONFIGURED, REGISTERED = "shipped", "configuration", "registered"
_NOTHING = ModelFacts()


class Catalogue:
    """Follows the journal. `models` is a sequence that stays as it is: a change makes another one."""

    def __init__(self, view: View, terms: RoutingTerms) -> None:
        self._view = view
        lowest = shipped().models if terms.shipped else {}
        self._layers: Sequence[tuple[str, Mapping[str, ModelFacts]]] = ((SHIPPED, lowest), (CONFIGURED, terms.models))
        self._models: dict[str, CatalogueModel] = {}
        self._places: dict[str, int] = {}
        self._next = count()
        self._snapshot: tuple[CatalogueModel, ...] | None = None
        for _, models in self._layers:
            for model_id in models:
                self._follow(model_id)
        for model_id in view.routing.models:
            self._follow(model_id)

    @property
    def models(self) -> Sequence[CatalogueModel]:
        """All models, in the order in which they came into the catalogue."""
        if self._snapshot is None:
            self._snapshot = tuple(self._models.values())
        return self._snapshot

    def get(self, model_id: str) -> CatalogueModel | None:
        """Find a model."""
        return self._models.get(model_id)

    def below(self, model_id: str) -> ModelFacts:
        """Give what the layers below a registration say of a model."""
        facts = _NOTHING
        for _, said in self._saying(model_id):
            facts = overlaid(facts, said)
        return facts

    def on_commit(self, commit: Commit) -> None:
        """Follow a commit that the view holds already."""
        for change in commit.changes:
            if isinstance(change, ModelChange):
                self._follow(change.key)

    def _saying(self, model_id: str) -> Iterator[tuple[str, ModelFacts]]:
        return ((name, models[model_id]) for name, models in self._layers if model_id in models)

    def _follow(self, model_id: str) -> None:
        said, registered = list(self._saying(model_id)), self._view.routing.models.get(model_id)
        self._snapshot = None
        if not said and registered is None:
            self._models.pop(model_id, None)
            self._places.pop(model_id, None)
            return
        facts = self.below(model_id)
        layers = tuple(name for name, _ in said)
        if registered is not None:
            facts, layers = overlaid(facts, registered.facts), (*layers, REGISTERED)
        place = self._places.get(model_id)
        if place is None:
            place = self._places[model_id] = next(self._next)
        revision = registered.revision if registered else 0
        self._models[model_id] = completed(model_id, facts, layers, place, revision)
