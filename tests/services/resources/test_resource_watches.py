"""Watching resources, over SSE and gRPC: what is too much, and everything that is used."""

from __future__ import annotations

import httpx
import pytest

from tekton.core.machine import Gpu
from tekton.v1 import resource_service_pb2 as pb
from tests.services.resources.usage import SYSTEM, constrain, following, ready, report
from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane
from tests.support.shapes import assert_same_types
from tests.support.sse import events


async def test_a_watch_begins_with_what_is_too_much_now(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs
) -> None:
    """Then each thing that gets too much is told once, and once more when it is not; others are not told at all."""
    who, other = await ready(direct), await ready(direct)
    for one in (who, other):
        await constrain(http, one[0], cpu_limit=1, memory_limit=100)
    await report(http, who, cpu_percent=150)
    await report(http, other, cpu_percent=150)
    path = f"{tekton.http}/events/tekton/resources?component_ids={who[0]}"
    async with events(path) as stream:
        present = await following(stream, "present")
        (alarm,) = present["alarms"]
        assert (alarm["figure"], alarm["value"], alarm["threshold"], alarm["unit"]) == ("cpu_limit", 1.5, 1, "cores")
        assert (alarm["component_id"], alarm["instance_uuid"]) == who
        await report(http, other, cpu_percent=10)
        await report(http, who, cpu_percent=150, memory_mb=200)
        exceeded = await following(stream, "limit_exceeded")
        assert exceeded["alarm"]["message"] == f"{who[0]}: memory 200 MB, its limit is 100 MB"
        await report(http, who, cpu_percent=10, memory_mb=200)
        assert (await following(stream, "limit_cleared"))["alarm"]["figure"] == "cpu_limit"
        await http.delete(f"/components/{who[0]}", params={"instance_uuid": who[1]})
        assert (await following(stream, "limit_cleared"))["alarm"]["figure"] == "memory_limit"


async def test_thresholds_of_the_machine_are_events(tekton: ControlPlane) -> None:
    """To everybody, whichever components they watch, and to watchers over gRPC alike."""
    resources = tekton.app.live.resources
    machine = await resources.machines.now()
    full = machine._replace(host="a-full-one", gpus=(Gpu(0, "A", "u", 0.5, 100, 97, 50.0),))
    async with (
        events(f"{tekton.http}/events/tekton/resources?component_types=none") as stream,
        stubs(tekton.gateway) as native,
    ):
        watch = native.resources.WatchResources(pb.WatchResourcesRequest(component_ids=["nobody"]))
        assert (await watch.read()).event == "present" and (await stream.next()).name == "present"
        resources.others([full])
        exceeded = await following(stream, "threshold_exceeded")
        assert (exceeded["alarm"]["figure"], exceeded["alarm"]["gpu"], exceeded["alarm"]["host"]) == (
            "gpu_memory_percent", 0, "a-full-one"
        )  # fmt: skip
        first = await watch.read()
        assert (first.event, first.alarm.value, first.alarm.threshold) == ("threshold_exceeded", 97, 95)
        resources.others([])
        assert (await following(stream, "threshold_cleared"))["alarm"]["host"] == "a-full-one"
        assert (await watch.read()).event == "threshold_cleared"
        watch.cancel()


async def test_with_figures_a_watcher_sees_everything_that_changes(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs
) -> None:
    """One stream for all: the machine, all components at first, then those with new figures or another state."""
    who = await ready(direct)
    async with events(f"{tekton.http}/events/tekton/resources?figures=true&component_ids={who[0]}") as stream:
        assert (await stream.next()).name == "present"
        assert_same_types((await following(stream, "system"))["system"], {**SYSTEM, "gpu": []})
        (row,) = (await following(stream, "components"))["components"]
        assert (row["component_id"], row["status"], row["instances"], row["removed"]) == (who[0], "ready", 1, False)
        assert "usage" not in row
        await report(http, who, cpu_percent=12.5, memory_mb=64)
        (row,) = (await following(stream, "components"))["components"]
        assert (row["usage"]["cpu_percent"], row["usage"]["memory"]["rss"]) == (12.5, 64)
        await http.put(f"/components/{who[0]}/state", json={"instance_uuid": who[1], "state": "degraded"})
        (row,) = (await following(stream, "components"))["components"]
        assert row["status"] == "degraded"
        await http.delete(f"/components/{who[0]}")
        (row,) = (await following(stream, "components"))["components"]
        assert row["removed"] is True


async def test_a_watcher_is_not_told_old_figures_of_the_machine(
    tekton: ControlPlane, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it cannot be read there are none; those of components come all the same."""
    await ready(direct)
    monkeypatch.setattr(tekton.app.live.resources.machines, "_stale_after", -1.0)
    async with events(f"{tekton.http}/events/tekton/resources?figures=true") as stream:
        names = []
        while not names or names[-1] != "complete":
            names.append((await stream.next()).name)
    assert names[0] == "present" and "components" in names and "system" not in names


async def test_a_slow_watcher_gets_the_newest_and_holds_up_nobody(tekton: ControlPlane, direct: Stubs) -> None:
    """What is pending is bounded by how many components there are."""
    feed = tekton.app.live.resources.feed
    who = await ready(direct)
    with feed.watch(
        lambda definition: definition is not None and definition.component_id == who[0], figures=True
    ) as slow:
        for percent in range(500):
            request = pb.ReportComponentResourcesRequest(
                component_id=who[0], instance_uuid=who[1], usage=pb.ReportedUsage(cpu_percent=percent % 100)
            )
            await direct.resources.ReportComponentResources(request)
        news = await slow.next(5)
        assert news is not None and len(news.components) == 1


@pytest.mark.parametrize("query", ["component_ids=" + "x" * 200, "component_types=a%00b", "figures=maybe"])
async def test_a_selector_that_cannot_be_is_refused(http: httpx.AsyncClient, tekton: ControlPlane, query: str) -> None:
    """Before the stream begins."""
    reply = await http.get(f"{tekton.http}/events/tekton/resources?{query}")
    assert reply.status_code == 400 and reply.json()["error"]["reason"] == "validation_error"
