"""What the SDK asks and tells about resources and errors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from tekton import _resource_reporter
from tekton._own_usage import OwnUsage
from tekton.client import ComponentNotFoundError, TektonClient, UnavailableError, ValidationError, set_default_client
from tekton.core.errors import StaleSessionError
from tekton.utils.tekton_client import (
    ResourceReporter,
    get_resource_constraints,
    report_error,
    report_resource_usage,
    report_resources,
)
from tests.sdk.fake import registered
from tests.sdk.fleet import component, eventually
from tests.support.ports import free_port

USAGE = {
    "cpu_percent": 15.2, "memory_mb": 256.5, "memory_percent": 12.5, "gpu_memory_mb": 1024.0, "gpu_util": 45.3,
    "disk_read_bytes": 1024000, "disk_write_bytes": 512000, "network_recv_bytes": 2048000,
    "network_sent_bytes": 1024000,
}  # fmt: skip


async def test_the_machine_is_read_as_documented(client: TektonClient) -> None:
    """In GB and percent, as a dict."""

    async def known() -> dict[str, Any]:
        with contextlib.suppress(UnavailableError):
            return await client.get_system_resources(history_seconds=60)
        return {}

    found = await eventually(known)
    assert {"cpu", "memory", "disk", "gpu", "timestamp"} <= found.keys()
    assert len(found["cpu"]["per_core"]) == found["cpu"]["cores"]
    assert found["memory"]["total"] == pytest.approx(found["memory"]["used"] + found["memory"]["free"], abs=0.01)
    assert found["gpu"] == []


async def test_a_report_as_the_guide_prints_it_is_read_back(as_default: TektonClient) -> None:
    """It gives a boolean; the client itself raises."""
    name, instance_uuid = await registered(as_default)
    assert (await as_default.get_component_resources(name))["instances"] == []
    assert await report_resource_usage(component_id=name, instance_uuid=instance_uuid, usage=USAGE) is True
    found = await as_default.get_component_resources(name)
    assert found["component_id"] == name
    assert found["resource_usage"]["memory"]["rss"] == 256.5
    assert found["resource_usage"]["gpu"]["memory_used"] == 1024
    # What is not known is left out.
    assert await report_resource_usage(name, instance_uuid, {"memory_mb": 5, "gpu_util": None}) is True  # type: ignore[dict-item]
    assert (await as_default.get_component_resources(name))["resource_usage"]["memory"]["rss"] == 5
    with pytest.raises(ComponentNotFoundError):
        await as_default.get_component_resources("nobody")


async def test_a_report_that_does_not_count_is_logged(
    as_default: TektonClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown figure, an unknown component, and an instance that is not it any more."""
    name, instance_uuid = await registered(as_default)
    assert await report_resource_usage(name, instance_uuid, {"memory": 5}) is False
    assert "usage has no figure 'memory' (str); known are cpu_percent, memory_mb," in caplog.text
    assert await report_resource_usage(name, instance_uuid, [5]) is False  # type: ignore[arg-type]
    assert "usage must be a dict of figures, not a list" in caplog.text
    assert await report_resource_usage(name, instance_uuid, {"memory_mb": "much"}) is False  # type: ignore[dict-item]
    assert "usage.memory_mb must be a number, not 'much' (str)" in caplog.text
    assert await report_resource_usage("nobody", instance_uuid, USAGE) is False
    assert "could not report the resources of nobody:" in caplog.text
    lease = as_default._heart.leases.find(instance_uuid)
    assert lease is not None
    await as_default.register_component(component("part", component_id=name))
    with pytest.raises((StaleSessionError, ValidationError, ComponentNotFoundError)):
        await as_default.report_resource_usage(name, "11111111-2222-3333-4444-555555555555", USAGE)


async def test_constraints_are_set_and_read(as_default: TektonClient, caplog: pytest.LogCaptureFixture) -> None:
    """Only those that are set are given; none is an empty dict, and None says that nothing is known."""
    name, _ = await registered(as_default)
    assert await get_resource_constraints(name) == {}
    assert await as_default.set_resource_constraints(name, cpu_limit=2, memory_limit=512) == {
        "cpu_limit": 2.0,
        "memory_limit": 512.0,
    }
    assert await get_resource_constraints(name) == {"cpu_limit": 2.0, "memory_limit": 512.0}
    assert await as_default.set_resource_constraints(name, gpu_limit=1024) == {"gpu_limit": 1024.0}
    with pytest.raises(ValidationError, match="cpu_limit"):
        await as_default.set_resource_constraints(name, cpu_limit=-1)
    assert await get_resource_constraints("nobody") is None
    assert "could not read the resource constraints of nobody" in caplog.text


async def test_what_gets_too_much_is_watched(client: TektonClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch says what is there, then everything that is used, and begins again where it was cut."""
    name, instance_uuid = await registered(client)
    opened, stream = 0, client._calls.stream

    def cut_once(*arguments: Any) -> AsyncGenerator[Any, None]:
        nonlocal opened
        opened += 1
        return stream(*arguments) if opened != 2 else _broken()

    async def _broken() -> AsyncGenerator[Any, None]:
        raise UnavailableError("cut")
        yield

    monkeypatch.setattr(client._calls, "stream", cut_once)
    async with aclosing(client.watch_resources(component_ids=[name], figures=True)) as watched:
        first = await anext(watched)
        # The machine itself may be busy.
        assert (first["event"], [one for one in first["alarms"] if one["component_id"]]) == ("present", [])
        async for event in watched:
            if event["event"] == "components":
                assert [one["component_id"] for one in event["components"]] == [name]
                break
        await client.report_resource_usage(name, instance_uuid, {"memory_mb": 77})
        async for event in watched:
            if event["event"] == "components":
                assert event["components"][0]["usage"]["memory"]["rss"] == 77
                break
    async with aclosing(client.watch_resources()) as watched:
        assert (await anext(watched))["event"] == "present"
    assert opened == 3
    with pytest.raises(ValidationError):
        await anext(client.watch_resources(component_ids="abc"))


async def test_a_watch_of_nobody_ends() -> None:
    """Who was never answered is told so."""
    async with TektonClient("localhost", free_port(), timeout=0.3) as client:
        with pytest.raises(UnavailableError):
            await anext(client.watch_resources())


async def test_a_process_reports_what_it_uses(as_default: TektonClient) -> None:
    """Once, and again and again."""
    name, instance_uuid = await registered(as_default)
    assert await report_resources(name, instance_uuid) is True
    found = (await as_default.get_component_resources(name))["resource_usage"]
    assert found["memory"]["rss"] > 10
    assert found["cpu_percent"] > 0
    async with ResourceReporter(component_id=name, instance_uuid=instance_uuid, interval=0.1) as reporter:
        assert reporter.running
        await reporter.start()

        async def again() -> bool:
            return (await as_default.get_component_resources(name))["resource_usage"] != found

        await eventually(again)
    assert not reporter.running
    await reporter.stop()
    await reporter.start()
    assert reporter.running
    await reporter.stop()


async def test_a_reporter_goes_on_through_what_fails(
    as_default: TektonClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once; and figures that do not come in time do not stop the loop."""
    name, instance_uuid = await registered(as_default)
    monkeypatch.setattr(_resource_reporter, "_WITHIN", 0.1)
    read, waits = OwnUsage.read, True

    def slow(usage: OwnUsage) -> dict[str, float]:
        if waits:
            time.sleep(0.3)
        return read(usage)

    monkeypatch.setattr(OwnUsage, "read", slow)
    async with ResourceReporter(name, instance_uuid, interval=0.05):
        await eventually(lambda: _says(caplog, "did not answer within 0.1 s"))
        await asyncio.sleep(0.5)
        waits = False

        async def reported() -> bool:
            return (await as_default.get_component_resources(name))["resource_usage"] is not None

        await eventually(reported)
    assert sum("could not report the resources" in record.message for record in caplog.records) == 1
    assert await report_resources("nobody", instance_uuid) is False


async def test_a_reporter_goes_on_through_what_nobody_foresaw(
    as_default: TektonClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its end is quiet."""
    name, instance_uuid = await registered(as_default)
    read, fails = OwnUsage.read, True

    def failing(usage: OwnUsage) -> dict[str, float]:
        if fails:
            raise RuntimeError("who would have thought")
        return read(usage)

    monkeypatch.setattr(OwnUsage, "read", failing)
    async with ResourceReporter(name, instance_uuid, interval=0.05) as reporter:
        await eventually(lambda: _says(caplog, "who would have thought"))
        await asyncio.sleep(0.1)
        assert reporter.running
        fails = False

        async def reported() -> bool:
            return (await as_default.get_component_resources(name))["resource_usage"] is not None

        await eventually(reported)


async def _says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


def test_a_reporter_is_told_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match="interval"):
        ResourceReporter("a", "b", interval=0)
    with pytest.raises(ValidationError, match="component_id"):
        ResourceReporter(5, "b")  # type: ignore[arg-type]


async def test_an_error_as_the_guide_reports_it(as_default: TektonClient) -> None:
    """With its stack trace and what was known about it."""
    name, instance_uuid = await registered(as_default)
    try:
        raise LookupError("no such item")
    except LookupError as error:
        report = {
            "component_id": name,
            "instance_uuid": instance_uuid,
            "error_type": type(error).__name__,
            "message": str(error),
            "code": getattr(error, "code", "unknown"),
            "timestamp": time.time(),
            "stack_trace": traceback.format_exc(),
            "context": {"request_id": getattr(error, "request_id", None), "user_id": "u1", "resource": None},
        }
    assert await report_error(report) is True
    (found,) = await as_default.list_error_reports(name)
    assert (found["error_type"], found["message"], found["code"]) == ("LookupError", "no such item", "unknown")
    assert found["context"] == {"request_id": None, "user_id": "u1", "resource": None}
    assert 'raise LookupError("no such item")' in found["stack_trace"]


class _Mute:
    def __str__(self) -> str:
        raise RuntimeError("I do not say")


class _Odd:
    def __str__(self) -> str:
        return "odd\0 \ud800"


async def test_nothing_odd_costs_a_report(as_default: TektonClient) -> None:
    """What is too long is cut, what JSON has no form for is told as text, and other keys go into the context."""
    name, instance_uuid = await registered(as_default)
    deep: dict[str, Any] = {"level": {"level": {"level": {"level": {"level": 1}}}}}
    loop: dict[str, Any] = {}
    loop["self"] = loop
    whose = {"component_id": name, "instance_uuid": instance_uuid, "error_type": "A\nB" * 200}
    report = whose | {
        "message": _Odd(),
        "code": 1001,
        "stack_trace": "x" * 100_000 + "the end",
        "timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "context": {"at": datetime.now(UTC), "nan": float("nan"), "many": [1] * 1000, "deep": deep, "loop": loop, 5: 6},
        "severity": "high",
    }
    assert await report_error(report) is True
    (found,) = await as_default.list_error_reports(name)
    assert (found["code"], found["timestamp"]) == ("1001", "2026-01-02T03:04:05Z")
    assert found["stack_trace"].endswith("the end")
    assert "characters left out" in found["stack_trace"]
    assert (found["context"]["severity"], found["context"]["nan"], found["context"]["5"]) == ("high", "nan", 6)
    assert "\0" not in found["message"]
    # Too much context, a context that is none, and a time that is none.
    big = {f"key{index}": "x" * 500 for index in range(50)}
    assert await report_error(whose | {"context": big, "timestamp": "yesterday"}) is True
    assert await report_error(whose | {"context": ["a"], "timestamp": 1e300}) is True
    last, before, *_ = await as_default.list_error_reports(name)
    assert last["context"] == {"context": ["a"]}
    assert before["context"]["left_out"] > 0
    assert len(await as_default.list_error_reports(name, most=2)) == 2
    # Values that cannot say what they are, and numbers that Python does not write out.
    odd = {"message": _Mute(), "code": 10**5000, "context": {"mute": _Mute(), "huge": 10**5000}}
    assert await report_error(whose | odd) is True
    last, *_ = await as_default.list_error_reports(name)
    assert (last["message"], last["code"], last["context"]["huge"]) == ("<_Mute>", "<int>", "<int>")


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (None, "error_report must be a dict"),
        ({}, "component_id must be a text"),
        ({"component_id": "a", "instance_uuid": None}, "instance_uuid must be a text"),
        ({"component_id": "a", "instance_uuid": "b"}, "error_type must be a text"),
    ],
)
async def test_whose_error_it_is_has_to_be_said(report: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and nothing is sent."""
    async with TektonClient("localhost", free_port()) as client:
        set_default_client(client)
        assert await report_error(report) is False
        set_default_client(None)
        assert not client._calls._open
    assert told in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
