"""What components use, over REST: as it is reported, stored, and known to every server."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tekton.core.machine import MB
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.domain.built_in import CORE_UUID
from tekton_server.domain.usage import Usage
from tekton_server.live.resources import exchange, monitor
from tekton_server.storage.usage import Told
from tests.services.resources.usage import (
    COMPONENT,
    SYSTEM,
    USAGE,
    client,
    constrain,
    following,
    limited,
    read,
    ready,
    report,
    until,
)
from tests.support.client import Stubs, new_id, stubs
from tests.support.control_plane import ControlPlane
from tests.support.postgres import Cluster
from tests.support.shapes import assert_same_types
from tests.support.sse import events


async def test_what_a_component_reports_is_told_as_documented(http: httpx.AsyncClient, direct: Stubs) -> None:
    """In MB, by the names of the reply."""
    who = await ready(direct)
    await report(http, who, **USAGE)
    found = await read(http, f"/components/{who[0]}/resources")
    assert_same_types(found, COMPONENT)
    usage = found["resource_usage"]
    assert (usage["cpu_percent"], usage["memory"]["rss"], usage["memory"]["percent"]) == (15.2, 256.5, 12.5)
    assert usage["gpu"] == {"id": 0, "memory_used": 1024, "util": 45.3}
    assert usage["network"] == {"bytes_sent": 1024000, "bytes_recv": 2048000}
    assert usage["disk_io"] == {"read_bytes": 1024000, "write_bytes": 512000}
    (instance,) = found["instances"]
    assert (instance["instance_uuid"], instance["status"], instance["source"]) == (who[1], "ready", "reported")


async def test_the_newest_report_counts_whole(http: httpx.AsyncClient, direct: Stubs) -> None:
    """What it does not say is not known any more."""
    who = await ready(direct)
    await report(http, who, cpu_percent=50, memory_mb=100)
    await report(http, who, cpu_percent=10)
    usage = (await read(http, f"/components/{who[0]}/resources"))["resource_usage"]
    assert (usage["cpu_percent"], usage["memory"]["rss"]) == (10, 0)


async def test_a_component_uses_what_its_leased_instances_use(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Those that have ended are told apart no longer; without any, the newest one's last word stands."""
    name = new_id()
    one, two = await ready(direct, name), await ready(direct, name)
    await report(http, one, cpu_percent=50, memory_mb=100)
    await report(http, two, cpu_percent=25)
    found = await read(http, f"/components/{name}/resources")
    assert (found["resource_usage"]["cpu_percent"], len(found["instances"])) == (75, 2)
    for who in (one, two):
        await http.delete(f"/components/{name}", params={"instance_uuid": who[1]})
    # The last figures are stored when an instance ends, and read from there.
    stored = await until(lambda: read(http, f"/components/{name}/resources"), lambda one: one["instances"])
    assert stored["resource_usage"]["cpu_percent"] == 25


async def test_a_component_of_which_nothing_is_known_has_zeros(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Who reads the documented figures finds them; that there is no instance says that they are nobody's."""
    who = await ready(direct)
    found = await read(http, f"/components/{who[0]}/resources")
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "component_id": who[0],
        "resource_usage": {
            "cpu_percent": 0,
            "memory": {"rss": 0, "vms": 0, "percent": 0},
            "network": {"bytes_sent": 0, "bytes_recv": 0},
            "disk_io": {"read_bytes": 0, "write_bytes": 0},
        },
        "instances": [],
        "history": [],
    }


async def test_tekton_itself_is_measured_with_its_database_and_gateway(http: httpx.AsyncClient) -> None:
    """It is a component like the others, but reports nothing."""
    found = await until(
        lambda: read(http, "/components/tekton_core/resources"), lambda one: one["resource_usage"]["cpu_percent"] > 0
    )
    usage, (instance,) = found["resource_usage"], found["instances"]
    assert usage["memory"]["rss"] > 50 and instance["source"] == "measured"
    body = {"instance_uuid": CORE_UUID, "usage": {"cpu_percent": 1}}
    reply = await http.post("/components/tekton_core/resources", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, 1002)


async def test_history_has_half_minutes(http: httpx.AsyncClient, direct: Stubs, tekton: ControlPlane) -> None:
    """Once the reports are stored; the newest of each counts."""
    who = await ready(direct)
    for percent in (10, 20, 30):
        await report(http, who, cpu_percent=percent, memory_mb=64)
    path = f"/components/{who[0]}/resources?history_seconds=60"
    found = await until(lambda: read(http, path), lambda one: one["history"])
    assert found["history"][-1]["cpu_percent"] in (10, 20, 30) and found["history"][-1]["memory_mb"] == 64
    assert found["history"][-1]["timestamp"][17:19] in ("00", "30")


async def test_only_who_holds_the_lease_reports(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Nobody, nobody's instance, an ended one, and a stale grant."""
    who = await ready(direct)
    body = {"instance_uuid": who[1], "usage": {"cpu_percent": 1}}
    for path, more, status, reason in (
        ("/components/nobody/resources", {}, 404, "component_not_found"),
        (f"/components/{who[0]}/resources", {"instance_uuid": CORE_UUID}, 404, "component_not_found"),
        (f"/components/{who[0]}/resources", {"fencing_token": "00000000.1"}, 409, "stale_session"),
        (f"/components/{who[0]}/resources", {"usage": {}}, 400, "validation_error"),
        (f"/components/{who[0]}/resources", {"usage": {"cpu_percent": "NaN"}}, 400, "validation_error"),
        (f"/components/{who[0]}/resources", {"usage": {"memory_percent": 101}}, 400, "validation_error"),
        (f"/components/{who[0]}/resources", {"instance_uuid": ""}, 400, "validation_error"),
    ):
        reply = await http.post(path, json=body | more)
        assert (reply.status_code, reply.json()["error"]["reason"]) == (status, reason), reply.text
    await http.delete(f"/components/{who[0]}", params={"instance_uuid": who[1]})
    reply = await http.post(f"/components/{who[0]}/resources", json=body)
    assert (reply.status_code, reply.json()["error"]["reason"]) == (409, "stale_session")


async def test_reports_take_no_revision_and_are_stored_together(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand reports of fifty instances are a few statements, each with one row for an instance at most."""
    store = tekton.app.live.resources._store
    flush, sizes = store.flush, []

    async def counted(told: Any) -> None:
        sizes.append(len(told))
        await flush(told)

    monkeypatch.setattr(store, "flush", counted)
    everybody = await asyncio.gather(*(ready(direct) for _ in range(50)))
    before, began = tekton.app.live.view.revision, time.monotonic()

    async def said(who: tuple[str, str], percent: int) -> None:
        request = pb.ReportComponentResourcesRequest(
            component_id=who[0], instance_uuid=who[1], usage=pb.ReportedUsage(cpu_percent=percent)
        )
        await direct.resources.ReportComponentResources(request)

    for percent in range(20):
        await asyncio.gather(*(said(who, percent) for who in everybody))
    async with asyncio.timeout(10):
        while sum(sizes) < 50:
            await asyncio.sleep(0.05)
    # One every two seconds, however long the reports took, and however much comes while it is under way.
    most = 2 + (time.monotonic() - began) / (0.8 * exchange.FLUSH_EVERY)
    assert tekton.app.live.view.revision == before and len(sizes) <= most, sizes


async def test_reports_outlast_the_server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was told is known to the next one."""
    url, folder = cluster.new_database(), tmp_path_factory.mktemp("again")
    async with limited(url, folder) as first, stubs(first.direct) as direct, client(first) as http:
        who = await ready(direct)
        await report(http, who, cpu_percent=42)
    async with limited(url, folder) as second, client(second) as http:
        found = await read(http, f"/components/{who[0]}/resources")
        assert found["resource_usage"]["cpu_percent"] == 42 and found["instances"][0]["source"] == "reported"


async def test_a_database_that_hangs_holds_up_no_figures_for_long(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known here is told; what is not is unavailable, long before the call's own deadline."""
    one, two = await ready(direct), await ready(direct)
    await report(http, one, memory_mb=7)
    resources, waiting = tekton.app.live.resources, asyncio.Event()

    async def hang(*_: Any) -> Any:
        await waiting.wait()

    monkeypatch.setattr(monitor, "ASKED_WITHIN", 0.1)
    monkeypatch.setattr(resources._store, "newest", hang)
    monkeypatch.setattr(resources._store, "history", hang)
    with monkeypatch.context() as several:
        several.setattr(resources._leases.ownership, "others", frozenset({new_id()}))
        assert (await read(http, f"/components/{one[0]}/resources"))["resource_usage"]["memory"]["rss"] == 7
    for path in (f"/components/{two[0]}/resources", f"/components/{one[0]}/resources?history_seconds=60"):
        reply = await http.get(path)
        assert (reply.status_code, reply.json()["error"]["reason"]) == (503, "unavailable")


async def test_a_word_that_another_server_stored_does_not_hide_what_was_measured_here(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is newer."""
    who = await ready(direct)
    resources, now = tekton.app.live.resources, datetime.now(UTC)
    newer = Told(who[1], now + timedelta(seconds=5), Usage(rss_bytes=1 * MB, sent_bytes=5))

    async def stored(_: Any) -> list[Told]:
        # Within one turn of the loop, or the next reading of the machine would know that nothing of it runs here.
        resources.book.measure(who[1], Usage(rss_bytes=64 * MB), now, store=False)
        return [newer]

    monkeypatch.setattr(resources._store, "newest", stored)
    usage = (await read(http, f"/components/{who[0]}/resources"))["resource_usage"]
    assert (usage["memory"]["rss"], usage["network"]["bytes_sent"]) == (64, 5)


async def test_servers_of_one_database_know_what_each_other_heard(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Usage, machines, and what is too much; the owner of the lease is the one who acts."""
    url = cluster.new_database()
    async with (
        limited(url, tmp_path_factory.mktemp("one"), over_limit="degraded") as one,
        limited(url, tmp_path_factory.mktemp("two"), over_limit="degraded") as two,
        stubs(one.direct) as direct,
        client(one) as here,
        client(two) as there,
        events(f"{two.http}/events/tekton/resources") as stream,
    ):
        who = await ready(direct)
        await constrain(here, who[0], memory_limit=100)
        await report(there, who, memory_mb=150)
        exceeded = await following(stream, "limit_exceeded")
        assert exceeded["alarm"]["instance_uuid"] == who[1]
        # The first one granted the lease and owns it, and has heard of the report by the database only.
        assert one.app.live.leases.get(who[1]).mine and not two.app.live.leases.get(who[1]).mine  # type: ignore[union-attr]

        async def status() -> str:
            return str((await read(here, f"/components/{who[0]}/status"))["status"])

        await until(status, lambda found: found == "degraded")
        used = (await read(here, f"/components/{who[0]}/resources"))["resource_usage"]
        assert used["memory"]["rss"] == 150
        assert (await read(here, "/resources"))["others"] == [], "they run on one machine"
        two.app.live.resources._sampler._reader.host = "another-machine"  # type: ignore[union-attr]
        found = await until(lambda: read(here, "/resources"), lambda one: one["others"])
        (other,) = found["others"]
        assert other["host"] == "another-machine"
        assert_same_types({**other, "gpu": SYSTEM["gpu"]}, SYSTEM)
