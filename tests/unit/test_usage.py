"""What an instance uses: documented names and units outside, bytes, cores and shares inside, and one table between."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core.errors import ValidationError
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.domain.usage import CONVERSIONS, FIGURES, Usage, over, reported, shown, total
from tekton_server.services import figures

# What the integration guide shows of a report, in our own words.
REPORT = {
    "cpu_percent": 25.3, "memory_mb": 512.0, "memory_percent": 12.5, "gpu_memory_mb": 2.1, "gpu_util": 45.3,
    "disk_read_bytes": 10485760.0, "disk_write_bytes": 5242880.0, "network_recv_bytes": 2048000.0,
    "network_sent_bytes": 1024000.0,
}  # fmt: skip


def test_the_table_of_conversions_is_whole() -> None:
    """Every figure inside, every field of a report, and every field of a reply is in it, once."""
    assert sorted(FIGURES) == sorted(set(Usage.__struct_fields__) - {"gpu_id"})
    names = [one.reported for one in CONVERSIONS if one.reported]
    assert sorted(names) == sorted(pb.ReportedUsage.DESCRIPTOR.fields_by_name) and len(set(names)) == len(names)
    places = []
    for field in pb.ResourceUsage.DESCRIPTOR.fields:
        inner = field.message_type.fields if field.message_type else ()
        places += [f"{field.name}.{one.name}" for one in inner] or [field.name]
    assert sorted(one.shown for one in CONVERSIONS) == sorted(set(places) - {"gpu.id"})


def test_inside_are_bytes_cores_and_shares() -> None:
    """Percent of a core are parts of a core, MB are bytes, percent are parts of one."""
    usage = reported(REPORT)
    assert usage.cpu_cores == pytest.approx(0.253) and usage.rss_bytes == 512 * 2**20
    assert usage.memory_ratio == 0.125 and usage.gpu_bytes == pytest.approx(2.1 * 2**20)
    assert (usage.read_bytes, usage.sent_bytes, usage.vms_bytes) == (10485760, 1024000, None)


def test_a_report_comes_out_of_a_reply_as_it_went_in() -> None:
    """In the documented shape: MB for a component, percent, and bytes."""
    message = figures.usage(reported(REPORT))
    assert (message.cpu_percent, message.memory.rss, message.memory.percent) == (25.3, 512.0, 12.5)
    assert (message.gpu.id, message.gpu.memory_used, message.gpu.util) == (0, 2.1, 45.3)
    assert (message.network.bytes_sent, message.network.bytes_recv) == (1024000, 2048000)
    assert (message.disk_io.read_bytes, message.disk_io.write_bytes) == (10485760, 5242880)


def test_what_nobody_told_is_zero_and_a_gpu_that_nobody_told_of_is_absent() -> None:
    """As the documented reply has every figure but may have no GPU."""
    message = figures.usage(reported({"memory_mb": 1}))
    assert message.HasField("memory") and message.HasField("network") and message.HasField("disk_io")
    assert not message.HasField("gpu") and message.cpu_percent == 0


@given(st.dictionaries(st.sampled_from(sorted(REPORT)), st.floats(0, 100), min_size=1))
def test_every_report_survives_the_way_in_and_out(given: dict[str, float]) -> None:
    """To the last digit that is shown."""
    places = {one.reported: one.shown for one in CONVERSIONS}
    found = shown(reported(given))
    assert found == {places[name]: pytest.approx(value, abs=1e-6) for name, value in given.items()}


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        ({}, "usage must have at least one figure of cpu_percent, memory_mb,"),
        ({"cpu_percent": -1}, "usage.cpu_percent must be between 0 and 409600"),
        ({"cpu_percent": 409601}, "usage.cpu_percent must be between 0 and 409600"),
        ({"memory_mb": -0.1}, "usage.memory_mb must be between 0 and 16777216"),
        ({"memory_percent": 100.1}, "usage.memory_percent must be between 0 and 100"),
        ({"gpu_util": 101}, "usage.gpu_util must be between 0 and 100"),
        ({"memory_mb": 1e308}, "usage.memory_mb must be between 0 and 16777216"),
        ({"gpu_memory_mb": 16777217}, "usage.gpu_memory_mb must be between 0 and 16777216"),
        ({"disk_write_bytes": 1e308}, "usage.disk_write_bytes must be between 0 and 9223372036854775808"),
        ({"network_sent_bytes": math.inf}, "usage.network_sent_bytes must be a finite number"),
        ({"disk_read_bytes": math.nan}, "usage.disk_read_bytes must be a finite number"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(usage: dict[str, Any], words: str) -> None:
    """With what it may be."""
    with pytest.raises(ValidationError, match=words.replace(".", r"\.")):
        reported(usage)


def test_what_was_measured_goes_before_what_was_told_figure_by_figure() -> None:
    """And the rest is as it was told."""
    measured, told = Usage(cpu_cores=2.0, rss_bytes=10), Usage(cpu_cores=0.1, sent_bytes=5, gpu_id=1)
    assert over(measured, told) == Usage(cpu_cores=2.0, rss_bytes=10, sent_bytes=5, gpu_id=1)


def test_a_component_uses_what_its_instances_use() -> None:
    """Sums; but shares of GPUs do not add up, and the GPU shown is the one that is used most."""
    one = Usage(cpu_cores=0.5, rss_bytes=10, gpu_id=0, gpu_bytes=1, gpu_ratio=0.2)
    two = Usage(cpu_cores=0.25, gpu_id=3, gpu_bytes=5, gpu_ratio=0.1)
    assert total([one, two]) == Usage(cpu_cores=0.75, rss_bytes=10, gpu_id=3, gpu_bytes=6, gpu_ratio=0.2)
    assert total([one]) is one and total([]) == Usage()
