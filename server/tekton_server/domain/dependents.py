"""What a failure means for those who depend on what failed: degraded until it serves again, then also started again.

Sources: rest_for_one of Erlang/OTP's supervisors and PartOf= of systemd restart those who build on what was started
again. Here the one that fails says it (`restart.dependents`), for it knows whether others can go on with its successor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from tekton.core.cycles import knots_in
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.core.view import Cause, Component, Instance, Launch, LaunchDesired, LaunchPhase, View
from tekton_server.domain import instances
from tekton_server.domain.commands import Decision, JudgeDependencies
from tekton_server.domain.launch_spec import Restart
from tekton_server.domain.overlay import Overlay

WITHOUT = "dependency_failed"
WITH_AGAIN = "dependency_recovered"

Policy = Callable[[str], Restart | None]
"""Gives the restart policy of a component that Tekton launches; None for others."""


def serving(instance: Instance) -> bool:
    """Whether an instance can be used."""
    return instance.leased and instance.state in SERVING


def serves(component: Component | None) -> bool:
    """Whether an instance of it can be used."""
    return component is not None and any(map(serving, component.instances.values()))


def is_down(launch: Launch, component: Component | None) -> bool:
    """Whether it failed, ought to serve, and does not yet; a first start or an operator's restart is no failure."""
    if launch.desired is LaunchDesired.STOPPED or serves(component):
        return False
    if component is not None and component.status is ComponentState.FAILED:
        return True
    return launch.phase in (LaunchPhase.BACKOFF, LaunchPhase.GAVE_UP) or (launch.active and launch.restart_count > 0)


def dependents_of(view: View, component_ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Give who directly depends on some components, in order of registration; all of them in one pass."""
    wanted = {lookup_key(one): one for one in component_ids}
    found: dict[str, list[str]] = {one: [] for one in component_ids}
    for component in view.components.values():
        for key in {lookup_key(one) for one in component.definition.dependencies} & wanted.keys():
            found[wanted[key]].append(component.definition.component_id)
    return {name: tuple(some) for name, some in found.items()}


def knots(view: View) -> Mapping[str, int]:
    """Number those that are on a cycle, by key: two of one number need each other, whatever lies between."""
    names = list(view.components)
    at = {key: index for index, key in enumerate(names)}
    edges = {
        at[key]: [at[need] for need in map(lookup_key, component.definition.dependencies) if need in at]
        for key, component in view.components.items()
    }
    return {names[index]: number for number, knot in enumerate(knots_in(edges)) for index in knot}


def waits_for(view: View, component: Component, knots: Mapping[str, int]) -> tuple[str, ...]:
    """Give which of its direct dependencies have to serve before it is started again.

    One that needs the component itself is not waited for: each would wait for the other for ever.
    """
    itself = knots.get(lookup_key(component.definition.component_id), -1)
    needs = dict.fromkeys(map(lookup_key, component.definition.dependencies))
    return tuple(one for one in needs if not serves(view.get(one)) and (itself < 0 or knots.get(one) != itself))


def resting_on(view: View, keys: Collection[str]) -> frozenset[str]:
    """Give the keys of some components and of all that need one of them, directly or through others."""
    if not keys:
        return frozenset()
    needed_by: dict[str, list[str]] = {}
    for key, component in view.components.items():
        for need in component.definition.dependencies:
            needed_by.setdefault(lookup_key(need), []).append(key)
    found, waiting = set(keys), list(keys)
    while waiting:
        fresh = set(needed_by.get(waiting.pop(), ())) - found
        found |= fresh
        waiting.extend(fresh)
    return frozenset(found)


def lacking(
    view: View, component: Component, policy: Policy, under_way: Callable[[str], bool] = lambda key: False
) -> tuple[str, ...]:
    """Give which of its direct dependencies are down, or are being started again, and degrade who depends on them."""
    found = []
    for need in dict.fromkeys(map(lookup_key, component.definition.dependencies)):
        launch = view.launch(need)
        restart = policy(launch.component_id) if launch else None
        if launch is None or restart is None or restart.dependents == "leave":
            continue
        if under_way(need) or is_down(launch, view.get(need)):
            found.append(launch.component_id)
    return tuple(found)


def deprived(instance: Instance) -> bool:
    """Whether an instance is degraded for what it depends on, and for nothing that it says of itself."""
    return instances.degraded_for(instance, WITHOUT)


def judge(view: Overlay, command: JudgeDependencies, now: datetime) -> Decision:
    """Degrade a ready instance that lacks something, or bring one back that was degraded so and lacks nothing now."""
    worse = Cause(WITHOUT, evidence={"dependencies": list(command.lacking)})
    found = instances.Judgement(command.instance_uuid, command.granted, bool(command.lacking), worse, Cause(WITH_AGAIN))
    return Decision(instances.judge(view, found, now), None)
