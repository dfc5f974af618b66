"""The dependency graph over native gRPC: who needs whom, in which order, and what is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue
from grpc import aio

from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain import limits
from tests.support.client import Stubs, error_info, new_id, refused, registration

S = pb.ComponentState


def texts(lists: Iterable[ListValue]) -> list[list[str]]:
    """Read lists of ids."""
    return [[value.string_value for value in one.values] for one in lists]


async def graph(api: Stubs) -> lifecycle_pb.GetDependencyGraphResponse:
    """Read the whole graph."""
    return await api.lifecycle.GetDependencyGraph(lifecycle_pb.GetDependencyGraphRequest())


async def place(api: Stubs, component_id: str) -> lifecycle_pb.GetComponentDependenciesResponse:
    """Read one component's place in it."""
    request = lifecycle_pb.GetComponentDependenciesRequest(component_id=component_id)
    return await api.lifecycle.GetComponentDependencies(request)


async def ready(api: Stubs, component_id: str, *needs: str) -> None:
    """Register a component and make it ready."""
    granted = await api.register(component_id, dependencies=needs)
    await api.lifecycle.UpdateComponentState(
        lifecycle_pb.UpdateComponentStateRequest(
            component_id=component_id, instance_uuid=granted.instance_uuid, state="ready"
        )
    )


async def test_a_fleet_is_told_in_waves_with_its_states(api: Stubs) -> None:
    """In the order in which it starts, whatever the order of registration."""
    low, mid, one, two = (new_id(name) for name in ("low", "mid", "one", "two"))
    await api.register(two, dependencies=[low, mid])
    await api.register(one, dependencies=[mid])
    await ready(api, mid, low)
    await ready(api, low, "hermes")
    found = await graph(api)
    mine = {low, mid, one, two}
    assert [name for name in found.startup_order if name in mine] == [low, mid, one, two]
    assert [name for wave in found.waves for name in wave.component_ids] == list(found.startup_order)
    nodes = {node.component_id: node for node in found.components}
    assert nodes["hermes"].status == S.ready and "tekton_core" not in nodes
    assert [(nodes[name].wave, nodes[name].status) for name in (low, mid, one)] == [
        (2, S.ready),
        (3, S.ready),
        (4, S.registering),
    ]
    assert texts([found.dependencies[two]]) == [[low, mid]] == [list(nodes[two].depends_on)]


async def test_one_component_is_told_with_everything_below_and_above_it(api: Stubs) -> None:
    """Directly and through others, in the order in which they start; "-" and "_" are equal."""
    low, mid, top, roof = (new_id(name) for name in ("low", "mid", "top", "roof"))
    await api.register(roof, dependencies=[top, mid])
    await api.register(top, dependencies=[mid.replace("-", "_")])
    await ready(api, low)
    await ready(api, mid, low)
    found = await place(api, mid.replace("-", "_"))
    assert (found.component_id, list(found.depends_on), list(found.dependent_components)) == (mid, [low], [top, roof])
    assert (found.component.status, found.component.wave) == (S.ready, 2)
    assert [(node.component_id, node.status) for node in found.all_dependencies] == [(low, S.ready)]
    assert [(node.component_id, node.wave) for node in found.all_dependents] == [(top, 3), (roof, 4)]
    assert list(found.all_dependents[0].depends_on) == [mid]
    below = await place(api, roof)
    assert [node.component_id for node in below.all_dependencies] == [low, mid, top]
    assert not below.circular_dependencies and not below.blocked_by and not below.missing


async def test_a_cycle_is_told_with_its_path_and_what_needs_it_as_blocked(api: Stubs) -> None:
    """Nothing of it is in the start order; of a component only those in its own way are told."""
    one, two, needy, apart = (new_id(name) for name in ("a", "b", "needy", "apart"))
    await api.register(one, dependencies=[two])
    await api.register(two, dependencies=[one])
    await api.register(needy, dependencies=[two])
    await api.register(apart)
    found = await graph(api)
    assert [one, two, one] in texts(found.circular_dependencies) and found.complete
    assert not {one, two, needy} & set(found.startup_order) and apart in found.startup_order
    nodes = {node.component_id: node for node in found.components}
    assert (nodes[one].cyclic, nodes[one].wave, nodes[one].blocked_by) == (True, 0, "")
    assert (nodes[needy].cyclic, nodes[needy].wave, nodes[needy].blocked_by) == (False, 0, two)
    blocked = await place(api, needy)
    assert list(blocked.blocked_by) == [needy, two]
    assert texts(blocked.circular_dependencies) == [[one, two, one]]
    assert not (await place(api, apart)).circular_dependencies
    for name in (one, two, needy, apart):
        await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=name))
    assert [one, two, one] not in texts((await graph(api)).circular_dependencies)


async def test_what_is_missing_is_named_until_it_registers(api: Stubs) -> None:
    """With who needs it, directly and, of one component, all the way down."""
    gone, user, top = (new_id(name) for name in ("gone", "user", "top"))
    await api.register(user, dependencies=[gone])
    await api.register(top, dependencies=[user])
    told = [(one.component_id, list(one.needed_by)) for one in (await graph(api)).missing]
    assert (gone, [user]) in told
    found = await place(api, top)
    assert [(one.component_id, list(one.needed_by)) for one in found.missing] == [(gone, [user])]
    assert [list(node.missing) for node in found.all_dependencies] == [[gone]]
    await api.register(gone)
    assert gone not in [one.component_id for one in (await graph(api)).missing]
    assert [node.component_id for node in (await place(api, top)).all_dependencies] == [gone, user]


async def test_a_changed_dependency_changes_the_graph_and_a_state_only_the_states(api: Stubs) -> None:
    """The graph is kept between reads; nothing stale is told."""
    low, top = new_id("low"), new_id("top")
    granted = await api.register(low)
    await api.register(top)
    assert (await place(api, top)).component.wave == 1
    patch = registry_pb.UpdateComponentRequest(component_id=top)
    patch.patch.update({"dependencies": [low]})
    await api.registry.UpdateComponent(patch)
    assert (await place(api, top)).component.wave == 2
    failed = lifecycle_pb.UpdateComponentStateRequest(
        component_id=low, instance_uuid=granted.instance_uuid, state="failed"
    )
    await api.lifecycle.UpdateComponentState(failed)
    assert [node.status for node in (await place(api, top)).all_dependencies] == [S.failed]
    nodes = {node.component_id: node.status for node in (await graph(api)).components}
    assert nodes[low] == S.failed and nodes[top] == S.registering


async def test_a_component_that_is_not_there_is_1001(api: Stubs) -> None:
    with refused("component_not_found") as failure:
        await place(api, new_id("nobody"))
    assert failure.status is grpc.StatusCode.NOT_FOUND and failure.code == 1001


async def test_tekton_itself_has_a_place(api: Stubs) -> None:
    """Also where nobody needs it."""
    found = await place(api, "tekton-core")
    assert (found.component_id, found.component.status, found.component.wave) == ("tekton_core", S.ready, 1)


async def test_a_graph_that_no_reply_holds_is_refused(direct: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to ask instead."""
    name = new_id()
    await direct.register(name)
    monkeypatch.setattr(limits, "GRAPH_BYTES", 1)
    for call in (graph(direct), place(direct, name)):
        with pytest.raises(aio.AioRpcError) as caught:
            await call
        assert error_info(caught.value).reason == "too_large" and "ask for" in str(caught.value.details())


async def test_a_large_fleet_is_told_while_others_are_served(direct: Stubs) -> None:
    """A thousand at once are resolved beside the event loop, once for all who ask."""
    names = [new_id("many") for _ in range(1000)]
    items = [registration(name, dependencies=names[max(0, at - 3) : at]) for at, name in enumerate(names)]
    await direct.registry.BatchRegisterComponents(registry_pb.BatchRegisterComponentsRequest(components=items))
    found = await asyncio.gather(*(graph(direct) for _ in range(5)))
    assert all([name for name in one.startup_order if name in set(names)] == names for one in found)
