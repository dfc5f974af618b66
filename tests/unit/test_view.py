"""The view: the fold of the journal, and every index against a recomputation from scratch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Change, Commit, Definition, Instance, View, address_of, aggregate
from tests.unit.paper import HISTORY, a_definition, an_instance, forget, put, uuid_of

IDS = ["athena", "llm-adapter", "llm_adapter", "hermes"]
KEYS = ["athena", "llm_adapter", "hermes"]
CAPABILITIES = ["planning", "memory", "routing"]
TYPES = ["core", "ui"]
LEASED_STATES = [s for s in State if s not in (State.UNKNOWN, State.STOPPED)]
ADDRESSES = [("localhost", 8000), ("localhost", 8001), ("10.0.0.7", 8000)]

# CONTRACT §4: the states of the leased instances, then the state of the component.
STATUS = [
    ("ready", "ready"),
    ("ready ready", "ready"),
    ("ready starting", "ready"),
    ("ready registering", "ready"),
    ("ready stopping", "ready"),
    ("ready initializing", "ready"),
    ("ready degraded", "degraded"),
    ("ready failed", "degraded"),
    ("ready failed starting", "degraded"),
    ("ready degraded failed", "degraded"),
    ("degraded", "degraded"),
    ("degraded starting", "degraded"),
    ("degraded failed", "degraded"),
    ("starting", "starting"),
    ("starting initializing", "starting"),
    ("starting failed", "starting"),
    ("initializing registering", "initializing"),
    ("registering stopping", "registering"),
    ("registering failed", "registering"),
    ("stopping failed", "stopping"),
    ("stopping", "stopping"),
    ("failed", "failed"),
]


@pytest.mark.parametrize(("leased", "status"), STATUS)
def test_the_status_of_a_component_comes_from_its_leased_instances(leased: str, status: str) -> None:
    """The order in which they came and the instances without a lease do not count."""
    states = [State(name) for name in leased.split()]
    for order in (states, states[::-1]):
        assert aggregate(order, None) is State(status)
        view = View(HISTORY)
        view.apply(put(a_definition()))
        view.apply(put(an_instance(9, state=State.READY, leased=False)))
        for number, state in enumerate(order, 1):
            view.apply(put(an_instance(number, state=state)))
        view.apply(put(an_instance(10, state=State.STOPPED, leased=False)))
        assert view.components["athena"].status is State(status)


@pytest.mark.parametrize("state", State)
def test_without_a_leased_instance_the_newest_decides(state: State) -> None:
    """Newest by registration, not by what happened last."""
    view = View(HISTORY)
    view.apply(put(a_definition()))
    assert view.components["athena"].status is State.UNKNOWN
    view.apply(put(an_instance(1, state=State.FAILED, leased=False)))
    view.apply(put(an_instance(2, state=state, leased=False)))
    view.apply(put(an_instance(1, state=State.STOPPED, leased=False)))
    assert view.components["athena"].status is state


def test_the_best_instance_holds_a_lease_then_is_ready_then_is_the_newest() -> None:
    """A list row shows it."""
    view = View(HISTORY)
    view.apply(put(a_definition()))
    shown = []
    for number, (state, leased) in enumerate(
        [
            (State.STOPPED, False),
            (State.FAILED, False),
            (State.FAILED, True),
            (State.STARTING, True),
            (State.READY, True),
            (State.DEGRADED, True),
            (State.READY, True),
            (State.READY, False),
        ]
    ):
        view.apply(put(an_instance(number, state=state, leased=leased)))
        best = view.components["athena"].best
        assert best is not None
        shown.append(best.granted)
    assert shown == [0, 1, 2, 3, 4, 4, 6, 6]


def test_without_a_lease_the_instance_shown_is_the_one_that_decides_the_status() -> None:
    """A crash, a new instance, and its clean stop: what is shown is the one that stopped, not the one that failed."""
    view = View(HISTORY)
    view.apply(put(a_definition()))
    view.apply(put(an_instance(1, state=State.FAILED, leased=False)))
    view.apply(put(an_instance(2, state=State.STOPPED, leased=False)))
    athena = view.components["athena"]
    assert athena.best is not None
    assert (athena.status, athena.best.granted) == (State.STOPPED, 2)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_the_names_of_the_loopback_are_one_host(host: str) -> None:
    assert address_of(host, 8000) == ("localhost", 8000)


def test_without_a_port_there_is_no_address() -> None:
    """Components without a listener never stand in each other's way."""
    assert address_of("10.0.0.7", 0) is None


def test_a_snapshot_is_loaded_without_moving_the_revision() -> None:
    view = View(HISTORY, 41)
    view.apply(put(a_definition()))
    assert view.revision == 41
    view.fold(Commit(42, a_definition().created_at, (put(an_instance(42)),)))
    assert view.revision == 42


def test_a_removed_definition_takes_its_instances_along() -> None:
    """Even when the commit does not name them; a later word about them is passed over."""
    view = View(HISTORY)
    stray = an_instance(1, host="localhost", port=8000)
    for change in (put(a_definition()), put(stray), forget(a_definition()), forget(stray), put(stray)):
        view.apply(change)
    assert facts(view) == facts(View(HISTORY))


def facts(view: View) -> dict[str, Any]:
    """Everything that a view answers, order included."""
    return {
        "revision": view.revision,
        "get": {i: _component(view.get(i)) for i in IDS},
        "definition": {i: view.definition(i) for i in IDS},
        "instances_of": {i: view.instances_of(i) for i in IDS},
        "instances": dict(view.instances),
        "instance": {n: view.instance(uuid_of(n)) for n in range(60)},
        "capability": {c: [_component(f) for f in view.with_capability(c)] for c in CAPABILITIES},
        "type": {t: [_component(f) for f in view.of_type(t)] for t in TYPES},
        "state": {s: [_component(f) for f in view.in_state(s)] for s in State},
        "address": {a: view.leased_at(a) for a in ADDRESSES},
    }


def _component(found: Any) -> Any:
    return found and (found.definition, list(found.instances.values()), found.status, found.best)


def naive_status(instances: list[Instance]) -> State:
    """CONTRACT §4, as its sentences go."""
    leased = {i.state for i in instances if i.leased}
    if not leased:
        return instances[-1].state if instances else State.UNKNOWN
    if State.READY in leased:
        return State.DEGRADED if leased & {State.DEGRADED, State.FAILED} else State.READY
    order = ["degraded", "starting", "initializing", "registering", "stopping", "failed", "stopped", "unknown"]
    return next(State(name) for name in order if State(name) in leased)


def naive_best(instances: list[Instance]) -> Instance | None:
    """Look at all: leased ones by the best state, then the newest; without any, the newest of all."""
    order = ["ready", "degraded", "starting", "initializing", "registering", "stopping", "failed", "stopped", "unknown"]
    for name in order:
        for instance in reversed(instances):
            if instance.leased and instance.state.value == name:
                return instance
    return instances[-1] if instances else None


class AView(RuleBasedStateMachine):
    """Definitions and instances come, change and go; after each commit every answer is checked.

    The model is two plain dictionaries. What the journal promises holds here too: one leased instance per address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.view, self.twin = View(HISTORY), View(HISTORY)
        self.journal: list[Commit] = []
        self.definitions: dict[str, Definition] = {}
        self.instances: dict[str, dict[str, Instance]] = {}

    @rule(
        component_id=st.sampled_from(IDS),
        component_type=st.sampled_from(TYPES),
        capabilities=st.lists(st.sampled_from(CAPABILITIES), max_size=4),
    )
    def define(self, component_id: str, component_type: str, capabilities: list[str]) -> None:
        """A definition is put, or put again under the other spelling of its id."""
        key = component_id.replace("-", "_")
        new = a_definition(
            component_id, component_type=component_type, capabilities=tuple(capabilities), revision=self._next
        )
        self._commit(put(new, self.definitions.get(key)))
        self.definitions[key] = new
        self.instances.setdefault(key, {})

    @precondition(lambda self: self.definitions)
    @rule(data=st.data(), state=st.sampled_from(State), leased=st.booleans(), address=st.sampled_from(ADDRESSES))
    def register(self, data: st.DataObject, state: State, leased: bool, address: tuple[str, int]) -> None:
        """An instance is put for the first time; without a listener where its address is taken."""
        key = data.draw(st.sampled_from(sorted(self.definitions)))
        host, port = ("localhost", 0) if self._holder(address) else address
        new = an_instance(
            self._next,
            self.definitions[key].component_id,
            state=data.draw(st.sampled_from(LEASED_STATES)) if leased else state,
            leased=leased,
            host=host,
            port=port,
        )
        self._commit(put(new))
        self.instances[key][new.instance_uuid] = new

    @precondition(lambda self: any(self.instances.values()))
    @rule(data=st.data(), state=st.sampled_from(State), leased=st.booleans())
    def move(self, data: st.DataObject, state: State, leased: bool) -> None:
        """An instance changes its state and may lose or regain its lease, in one commit of one or two hops."""
        key, old = self._any_instance(data)
        leased = leased and self._holder(old.address) in (None, old)
        hops = [State.STOPPING, state] if data.draw(st.booleans()) else [state]
        changes, before = [], old
        for hop in hops:
            after = an_instance(
                old.granted,
                old.component_id,
                state=hop,
                leased=leased,
                host=old.host,
                port=old.port,
                revision=self._next,
            )
            changes.append(put(after, before))
            before = after
        self._commit(*changes)
        self.instances[key][before.instance_uuid] = before

    @precondition(lambda self: any(self.instances.values()))
    @rule(data=st.data())
    def forget_instance(self, data: st.DataObject) -> None:
        key, old = self._any_instance(data)
        self._commit(forget(old))
        del self.instances[key][old.instance_uuid]

    @precondition(lambda self: self.definitions)
    @rule(data=st.data(), named=st.booleans())
    def remove(self, data: st.DataObject, named: bool) -> None:
        """A component goes with its instances, whether the commit names these or not."""
        key = data.draw(st.sampled_from(sorted(self.definitions)))
        gone = [forget(instance) for instance in self.instances.pop(key).values()] if named else []
        self.instances.pop(key, None)
        self._commit(*gone, forget(self.definitions.pop(key)))

    @precondition(lambda self: len(self.definitions) < len(KEYS))
    @rule(data=st.data())
    def speak_of_the_removed(self, data: st.DataObject) -> None:
        """A change of an instance whose component is gone is passed over."""
        missing = data.draw(st.sampled_from(sorted(set(KEYS) - set(self.definitions))))
        self._commit(put(an_instance(self._next, missing)))

    @rule()
    def start_over_from_the_journal(self) -> None:
        """A fold from the beginning gives the view that was kept, order included."""
        again = View(HISTORY)
        for commit in self.journal:
            again.fold(commit)
        assert facts(again) == facts(self.view)

    @rule()
    def start_over_from_a_snapshot(self) -> None:
        """The records alone, in order of registration, give the same answers; only sets of components lose order."""
        loaded = View(HISTORY, self.view.revision)
        for key, definition in self.definitions.items():
            loaded.apply(put(definition))
            for instance in self.instances[key].values():
                loaded.apply(put(instance))
        assert _without_order(facts(loaded)) == _without_order(facts(self.view))

    @invariant()
    def answers_are_those_of_a_recomputation(self) -> None:
        view, everything = self.view, [i for of in self.instances.values() for i in of.values()]
        assert list(view.components) == list(self.definitions)
        assert view.instances == {i.instance_uuid: i for i in everything}
        for component_id in IDS:
            key = component_id.replace("-", "_")
            instances = list(self.instances.get(key, {}).values())
            assert view.definition(component_id) is self.definitions.get(key)
            assert view.instances_of(component_id) == instances
            component = view.get(component_id)
            assert (component is None) is (key not in self.definitions)
            if component is not None:
                assert component.status is naive_status(instances)
                assert component.best is naive_best(instances)
        for address in ADDRESSES:
            assert view.leased_at(address) is self._holder(address)

    @invariant()
    def every_index_holds_exactly_the_components_that_fit(self) -> None:
        view, defined = self.view, self.definitions.items()
        for capability in CAPABILITIES:
            fit = {k for k, d in defined if capability in d.capabilities}
            assert _once(view.with_capability(capability)) == fit
        for component_type in TYPES:
            assert _once(view.of_type(component_type)) == {k for k, d in defined if d.component_type == component_type}
        for state in State:
            fit = {k for k, _ in defined if naive_status(list(self.instances[k].values())) is state}
            assert _once(view.in_state(state)) == fit

    @invariant()
    def two_views_of_the_same_commits_are_equal(self) -> None:
        assert facts(self.twin) == facts(self.view)

    @property
    def _next(self) -> int:
        return len(self.journal) + 1

    def _commit(self, *changes: Change) -> None:
        commit = Commit(self._next, a_definition().created_at, changes)
        self.journal.append(commit)
        self.view.fold(commit)
        self.twin.fold(commit)

    def _holder(self, address: tuple[str, int] | None) -> Instance | None:
        everything = (i for of in self.instances.values() for i in of.values())
        return next((i for i in everything if address and i.leased and i.address == address), None)

    def _any_instance(self, data: st.DataObject) -> tuple[str, Instance]:
        choices = [(key, i) for key, of in self.instances.items() for i in of.values()]
        return data.draw(st.sampled_from(choices))


def _once(found: Any) -> set[str]:
    keys = [component.definition.component_id.replace("-", "_") for component in found]
    assert len(keys) == len(set(keys)), "a component twice"
    return set(keys)


def _without_order(answers: dict[str, Any]) -> dict[str, Any]:
    sets = {name: {k: sorted(v, key=str) for k, v in answers[name].items()} for name in ("capability", "type", "state")}
    return answers | sets


TestAView = AView.TestCase
TestAView.settings = settings()
