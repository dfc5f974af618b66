"""Errors that components report: kept with everything that they say, shown the newest first, and never too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tekton.v1 import error_report_service_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton_server.live import error_reports as live_reports
from tekton_server.storage import error_reports as storage
from tekton_server.storage.engine import driven
from tests.support.client import Stubs, refused
from tests.support.control_plane import ControlPlane

# What the integration guide reports, in our own words.
REPORT = {
    "error_type": "ValueError",
    "message": "no model of that name",
    "code": "data_error",
    "timestamp": "2025-04-30T15:20:30.250Z",
    "stack_trace": 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n\tValueError',
    "context": {"request_id": "r-1", "user_id": None, "resource": {"model": "ü", "tries": 3}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=f"{tekton.http}/api/tekton/components", timeout=10) as client:
        yield client


async def reported(http: httpx.AsyncClient, granted: Any, **fields: Any) -> str:
    """Report an error, and give its id."""
    body = REPORT | {"instance_uuid": granted.instance_uuid} | fields
    reply = await http.post(f"/{granted.component_id}/errors", json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["report_id"])


async def listed(http: httpx.AsyncClient, granted: Any, **query: Any) -> dict[str, Any]:
    """Read a page of reports."""
    reply = await http.get(f"/{granted.component_id}/errors", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_a_report_comes_back_with_everything_that_it_said(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Line breaks, other scripts, and nothing: what is not said is empty, and the time is that of the report."""
    granted = await direct.register()
    first = await reported(http, granted)
    second = await reported(http, granted, timestamp=None, message="\x1b[31mred\u202e\u2028", context=None, code="")
    two, one = (await listed(http, granted))["errors"]
    assert {key: one[key] for key in REPORT if key != "timestamp"} == {
        k: v for k, v in REPORT.items() if k != "timestamp"
    }
    assert (one["report_id"], one["timestamp"]) == (first, "2025-04-30T15:20:30.250Z")
    assert (one["instance_uuid"], one["component_id"]) == (granted.instance_uuid, granted.component_id)
    assert (two["report_id"], two["message"], two["context"]) == (second, "\x1b[31mred\u202e\u2028", {})
    assert two["timestamp"] == two["reported_at"]


async def test_pages_follow_each_other_to_the_end(http: httpx.AsyncClient, direct: Stubs) -> None:
    """By count and by bytes; the newest come first."""
    granted = await direct.register()
    ids = [await reported(http, granted, message=str(number)) for number in range(5)]
    page, seen = await listed(http, granted, page_size=2), []
    while True:
        assert len(page["errors"]) <= 2
        seen += [one["report_id"] for one in page["errors"]]
        if not page["next_page_token"]:
            break
        page = await listed(http, granted, page_size=2, page_token=page["next_page_token"])
    assert seen == ids[::-1]
    large = await direct.register()
    for _ in range(40):
        await reported(http, large, stack_trace="x" * 32_768)
    page = await listed(http, large, page_size=100)
    assert page["next_page_token"] and 20 < len(page["errors"]) < 40
    rest = await listed(http, large, page_size=100, page_token=page["next_page_token"])
    assert len(page["errors"]) + len(rest["errors"]) == 40 and not rest["next_page_token"]


async def test_an_instance_that_has_ended_may_still_say_why(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Often that is when it is said; an instance of somebody else may not."""
    granted, other = await direct.register(), await direct.register()
    await http.delete(f"/{granted.component_id}", params={"instance_uuid": granted.instance_uuid})
    await reported(http, granted)
    reply = await http.post(f"/{granted.component_id}/errors", json=REPORT | {"instance_uuid": other.instance_uuid})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, 1001)
    assert len((await listed(http, granted))["errors"]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("error_type", ""), ("error_type", "  "), ("error_type", "E" * 257), ("error_type", "a\nb"),
        ("code", "c" * 129),
        ("message", "m" * 4097), ("message", "a\0b"), ("stack_trace", "s" * 32_769), ("stack_trace", "\0"),
        ("context", {"a": "x" * 8192}), ("context", {"a": "\0"}), ("timestamp", "yesterday"), ("timestamp", 5),
        ("instance_uuid", ""), ("instance_uuid", "one"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_by_its_name(
    http: httpx.AsyncClient, direct: Stubs, field: str, value: Any
) -> None:
    """And nothing is kept."""
    granted = await direct.register()
    body = REPORT | {"instance_uuid": granted.instance_uuid, field: value}
    reply = await http.post(f"/{granted.component_id}/errors", json=body)
    assert reply.status_code == 400 and field in reply.text, reply.text
    assert (await listed(http, granted))["errors"] == []


async def test_a_time_that_is_none_is_refused_over_grpc(direct: Stubs) -> None:
    """JSON cannot say it."""
    granted = await direct.register()
    request = pb.ReportErrorRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, error_type="E"
    )
    request.timestamp.seconds = 10**15
    with refused("validation_error") as failure:
        await direct.errors.ReportError(request)
    assert "timestamp" in failure.message


@pytest.mark.parametrize(
    "query", [{"page_size": -1}, {"page_size": 101}, {"page_token": "9" * 19}, {"page_token": "٣"}]
)
async def test_a_page_that_cannot_be_is_refused(http: httpx.AsyncClient, direct: Stubs, query: dict[str, Any]) -> None:
    """By its name."""
    granted = await direct.register()
    reply = await http.get(f"/{granted.component_id}/errors", params=query)
    assert reply.status_code == 400 and next(iter(query)) in reply.json()["error"]["message"]


async def test_a_component_that_fails_all_the_time_is_slowed_down_and_no_other_is(
    http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the hint when to try again."""
    monkeypatch.setattr(live_reports, "RATE", 0.001)
    monkeypatch.setattr(live_reports, "BURST", 5)
    granted, other = await direct.register(), await direct.register()
    body = REPORT | {"instance_uuid": granted.instance_uuid}
    replies = await asyncio.gather(*(http.post(f"/{granted.component_id}/errors", json=body) for _ in range(8)))
    assert sorted(one.status_code for one in replies) == [201] * 5 + [429] * 3
    slowed = next(one for one in replies if one.status_code == 429)
    assert slowed.json()["error"]["reason"] == "rate_limited" and slowed.headers["retry-after"]
    await reported(http, other)


async def test_what_is_old_or_too_much_is_forgotten(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of each component stay."""
    store = tekton.app.live.error_reports.store
    granted, old = await direct.register(), await direct.register()
    ids = [await reported(http, granted) for _ in range(5)]
    await reported(http, old)
    sweep = str(storage._SWEEP.text).replace(f"own > {storage.OF_ONE}", "own > 3")
    monkeypatch.setattr(storage, "_SWEEP", storage.text(sweep))
    async with driven(store._engine) as connection:
        await connection.execute(
            "UPDATE error_reports SET reported_at = now() - interval '73 hours' WHERE key = $1",
            old.component_id.replace("-", "_"),
        )
    await store.sweep()
    kept = await listed(http, granted)
    assert [one["report_id"] for one in kept["errors"]] == ids[:1:-1]
    assert (await listed(http, old))["errors"] == []
    last = await store.last([granted.component_id, old.component_id, "nobody"])
    assert [kept.id for kept in last.values()] == [int(ids[-1])]


async def test_an_explanation_has_the_last_error(http: httpx.AsyncClient, direct: Stubs) -> None:
    """The first line of it, cut where it is long."""
    granted = await direct.register()
    await reported(http, granted)
    request = lifecycle_pb.ExplainComponentRequest(component_id=granted.component_id)
    [condition] = (await direct.lifecycle.ExplainComponent(request)).conditions
    [note] = [one for one in condition.notes if "reported" in one]
    assert note.startswith("the last error that it reported, at 20")
    assert note.endswith("Z: ValueError: no model of that name")
    await reported(http, granted, message="m" * 300 + "\nand more")
    [condition] = (await direct.lifecycle.ExplainComponent(request)).conditions
    assert any(note.endswith(": ValueError: " + "m" * 200 + "…") for note in condition.notes)
    await reported(http, granted, message="")
    [condition] = (await direct.lifecycle.ExplainComponent(request)).conditions
    assert any(note.endswith("Z: ValueError") for note in condition.notes)
