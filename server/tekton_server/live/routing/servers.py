"""Who serves a model: the component that the catalogue names, or those whose metadata lists the model."""

from __future__ import annotations

from collections.abc import Callable

from tekton.core.ids import bracketed, lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit, Component, Definition, DefinitionChange, Instance, View
from tekton_server.domain import limits
from tekton_server.domain.routing.decision import Serves
from tekton_server.domain.routing.model import CatalogueModel
from tekton_server.domain.routing.serving import Serving, Standing

MODELS = "models"
"""The key of a component's metadata under which it lists the ids of the models that it serves."""
_GOOD = {ComponentState.READY: Standing.AVAILABLE, ComponentState.DEGRADED: Standing.DEGRADED}
_NOBODY = Serving(Standing.UNAVAILABLE, why="no component serves it")
_BY_ITSELF = Serving(Standing.AVAILABLE)
Suspect = Callable[[Instance], bool]


class Servers:
    """Follows who says to serve what. Whether somebody can, is looked up in the view."""

    def __init__(self, view: View, suspect: Suspect) -> None:
        self._view = view
        self._suspect = suspect
        # By the ids of models; the components in order of registration.
        self._declared: dict[str, dict[str, None]] = {}
        for component in view.components.values():
            self._declare(component.definition)

    def on_commit(self, commit: Commit) -> None:
        """Follow a commit."""
        for change in commit.changes:
            if isinstance(change, DefinitionChange):
                if change.old is not None and _models(change.old) != (_models(change.new) if change.new else ()):
                    self._withdraw(change.old)
                if change.new is not None:
                    self._declare(change.new)

    def _declare(self, definition: Definition) -> None:
        for model_id in _models(definition):
            self._declared.setdefault(model_id, {})[lookup_key(definition.component_id)] = None

    def _withdraw(self, definition: Definition) -> None:
        for model_id in _models(definition):
            servers = self._declared.get(model_id, {})
            servers.pop(lookup_key(definition.component_id), None)
            if not servers:
                self._declared.pop(model_id, None)

    def lookup(self) -> Serves:
        """Make what tells where a model is served: as of now, so for one decision only."""
        known: dict[str, Serving] = {}
        declared = self._declared

        def at(component_id: str) -> Serving:
            found = known.get(component_id)
            if found is None:
                found = known[component_id] = self._serving(component_id)
            return found

        def serves(model: CatalogueModel) -> Serving:
            if model.component_id:
                return at(model.component_id)
            if model.model_id in declared:
                return _best([at(one) for one in declared[model.model_id]])
            return _BY_ITSELF if model.endpoint else _NOBODY

        return serves

    def _serving(self, component_id: str) -> Serving:
        component = self._view.get(component_id)
        if component is None:
            return Serving(Standing.UNAVAILABLE, component_id=component_id, why=f"{component_id} is not registered")
        name, best = component.definition.component_id, self._instance(component)
        if best is None or best.state not in _GOOD:
            state = best.state if best is not None else component.status
            return Serving(Standing.UNAVAILABLE, component_id=name, why=f"{name}, which serves it, is {state}")
        standing, suspect = _GOOD[best.state], self._suspect(best)
        why = f"{name}, which serves it, is degraded" if standing is Standing.DEGRADED else ""
        if suspect:
            why = f"{name}, which serves it, has lost its heartbeat stream"
        return Serving(standing, _base(component.definition, best), name, why, suspect)

    def _instance(self, component: Component) -> Instance | None:
        """Choose an instance: the best one, but rather another as good that still has its stream."""
        best = component.best
        if best is None or not (best.leased or best.built_in):
            return None
        if self._suspect(best):
            as_good = (i for i in component.instances.values() if i.leased and i.state is best.state)
            return next((one for one in as_good if not self._suspect(one)), best)
        return best


def endpoint(model: CatalogueModel, serving: Serving) -> str:
    """Give where requests to a model go; empty where nobody takes them."""
    if model.endpoint or not serving.base:
        return model.endpoint
    return serving.base + model.path


_RANK = {Standing.AVAILABLE: 0, Standing.DEGRADED: 1, Standing.UNAVAILABLE: 2}


def _best(found: list[Serving]) -> Serving:
    return min(found, key=lambda one: (_RANK[one.standing], one.suspect))


def _models(definition: Definition) -> tuple[str, ...]:
    """Read what a component says to serve; what is no id of a model is passed over."""
    listed = definition.metadata.get(MODELS)
    if not isinstance(listed, list):
        return ()
    return tuple(one for one in listed[: limits.LIST_ITEMS] if isinstance(one, str))


def _base(definition: Definition, instance: Instance) -> str:
    if not instance.port:
        return ""
    scheme = "https" if definition.metadata.get("use_https") is True else "http"
    return f"{scheme}://{bracketed(instance.host)}:{instance.port}"
