"""Resources, metrics, logs and errors as the documents print them.

The blocks are read from the documents where those stand beside the repository. tests/sdk has the same in our own words.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import traceback

import pytest

from tekton.client import TektonClient
from tekton.utils import tekton_client
from tests.documents import printed
from tests.sdk.fake import registered
from tests.sdk.fleet import eventually

pytestmark = pytest.mark.skipif(
    not printed.DOCUMENTS.is_dir(), reason="the documents are not beside the repository; tests/sdk has our own words"
)

IG, API, TD = "000", "001", "002"


async def _me(client: TektonClient, block: str) -> tuple[str, str, str]:
    """Register a component in the place of the documents' one; gives the block with its id, the id, the instance."""
    name, instance_uuid = await registered(client)
    return block.replace("my_component", name), name, instance_uuid


async def test_the_monitor_of_the_guide(capsys: pytest.CaptureFixture[str]) -> None:
    names = await printed.run(printed.block(IG, "def monitor_resources():\n"))
    names["monitor_resources"]()
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told[:3]] == ["CPU usage", "Memory usage", "GPU usage"]


async def test_the_monitor_of_the_technical_documentation() -> None:
    names = await printed.run(printed.block(TD, "# Resource Monitor example"))
    assert names["memory_usage"]["total"] > 0
    assert all(0 <= core <= 1 for core in names["cpu_usage"])
    assert names["satisfied"] in (True, False)
    assert not names["monitor"].running


async def test_the_constraints_of_the_guide(client: TektonClient, capsys: pytest.CaptureFixture[str]) -> None:
    block, name, _ = await _me(client, printed.block(IG, "async def apply_resource_constraints():"))
    names = await printed.run(block)
    assert await names["apply_resource_constraints"]() == {}
    await client.set_resource_constraints(name, cpu_limit=2, memory_limit=512, gpu_limit=1024)
    assert await names["apply_resource_constraints"]() == {"cpu_limit": 2, "memory_limit": 512, "gpu_limit": 1024}
    assert capsys.readouterr().out.splitlines() == [
        "Applying CPU limit: 2.0 cores",
        "Applying memory limit: 512.0 MB",
        "Applying GPU limit: 1024.0 MB",
    ]


async def test_the_report_of_the_guide(client: TektonClient) -> None:
    block, name, instance_uuid = await _me(client, printed.block(IG, "async def report_resources(instance_uuid)"))
    names = await printed.run(block)
    await names["report_resources"](instance_uuid)
    usage = (await client.get_component_resources(name))["resource_usage"]
    assert (usage["memory"]["rss"], usage["disk_io"]["read_bytes"]) == (256.5, 1024000)


async def test_the_reporter_of_the_api_reference(client: TektonClient) -> None:
    """It reports at once, and until the shutdown."""
    block, name, instance_uuid = await _me(client, printed.block(API, "async def monitor_resources():"))
    shutdown = asyncio.Event()
    names = await printed.run(
        block,
        instance_uuid=instance_uuid,
        shutdown_event=shutdown,
        # The reference imports another function than it uses.
        ResourceReporter=tekton_client.ResourceReporter,
    )
    running = asyncio.create_task(names["monitor_resources"]())

    async def reported() -> bool:
        return (await client.get_component_resources(name))["instances"] != []

    await eventually(reported)
    shutdown.set()
    async with asyncio.timeout(5):
        await running


async def test_the_error_report_of_the_guide(client: TektonClient) -> None:
    block, name, instance_uuid = await _me(client, printed.block(IG, "async def report_component_error("))
    names = await printed.run(block, time=time, traceback=traceback)
    try:
        raise LookupError("no such item")
    except LookupError as error:
        await names["report_component_error"](error, instance_uuid)
    (found,) = await client.list_error_reports(name)
    assert (found["error_type"], found["message"], found["code"]) == ("LookupError", "no such item", "unknown")
    assert "LookupError: no such item" in found["stack_trace"]


async def test_the_metrics_of_the_technical_documentation() -> None:
    names = await printed.run(printed.block(TD, "# Metrics example"))
    (found,) = names["startup_times"]
    assert (found["count"], found["sum"]) == (1, 5.2)


def test_the_logs_of_the_technical_documentation() -> None:
    block = printed.block(TD, "# Logging example")
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=True)
    assert [line.split("example_component: ")[1] for line in done.stderr.splitlines() if "Z " in line] == [
        "Component started successfully",
        "Potential issue detected",
        "Error starting component",
        "Processing request request_id=550e8400-e29b-41d4-a716-446655440000 user_id=user123"
        " component=example_component",
    ]


async def test_the_client_reads_resources(client: TektonClient) -> None:
    """One line of a longer example of the API reference."""
    assert "resources = await client.get_system_resources()" in printed.block(API, "# Monitor resources\n")
    assert (await client.get_system_resources())["cpu"]["cores"] > 0
