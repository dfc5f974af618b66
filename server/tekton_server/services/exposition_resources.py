"""What the machine and the components use as metrics, in base units: bytes, seconds, and shares from 0 to 1.

Labels are bounded: the machine's own cores and GPUs, the figures that have thresholds, and so many components at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from tekton.core.errors import CORE_COMPONENT
from tekton.core.machine import Gpu, Machine
from tekton_server.domain.alarms import FIGURES
from tekton_server.domain.usage import Usage, total
from tekton_server.live.registry import LiveRegistry

# The oldest of the registry: those that are told do not change from scrape to scrape.
MOST_COMPONENTS = 1000
_GPU = ("host", "gpu")


def resource_metrics(live: LiveRegistry) -> Iterator[Metric]:
    """Gather them; what cannot be read now is left out, and is never an old figure."""
    machine = live.resources.machines.current
    readable = "1 while the figures of this machine can be read."
    yield GaugeMetricFamily("tekton_host_readable", readable, value=machine is not None)
    yield from _machine([] if machine is None else [machine])
    yield from _gpus([] if machine is None else [machine])
    alarms = GaugeMetricFamily("tekton_resource_alarms", "What is too much now, by figure.", labels=("figure",))
    counted = Counter(one.figure for one in live.resources.alarms)
    for figure in FIGURES:
        alarms.add_metric((figure,), counted[figure])
    yield alarms
    about = "Instances whose figures are not stored yet."
    yield GaugeMetricFamily("tekton_usage_waiting", about, live.resources.book.waiting)
    yield from _components(live)


def _machine(found: Sequence[Machine]) -> Iterator[Metric]:
    """Tell of none or one; a family without samples still has its name, its type and its help."""
    label = ("host",)
    busy = GaugeMetricFamily("tekton_host_cpu_ratio", "How busy the processors are.", labels=label, unit="ratio")
    cores = GaugeMetricFamily("tekton_host_core_ratio", "How busy each core is.", labels=("host", "core"), unit="ratio")
    load = GaugeMetricFamily("tekton_host_load", "The load, over so many minutes.", labels=("host", "minutes"))
    sizes = {
        "tekton_host_memory_total_bytes": ("The memory there is.", [one.memory.total_bytes for one in found]),
        "tekton_host_memory_free_bytes": (
            "Memory that a program could be given without swapping.", [one.memory.free_bytes for one in found]
        ),
        "tekton_host_swap_total_bytes": ("The swap there is.", [one.memory.swap_total_bytes for one in found]),
        "tekton_host_swap_used_bytes": ("Swap in use.", [one.memory.swap_used_bytes for one in found]),
        "tekton_host_disk_total_bytes": (
            "The file system of the data directory.", [one.disk.total_bytes for one in found]
        ),
        "tekton_host_disk_used_bytes": ("What is used of it.", [one.disk.used_bytes for one in found]),
        "tekton_host_disk_free_bytes": (
            "What programs that are not root's may still use of it.", [one.disk.free_bytes for one in found]
        ),
    }  # fmt: skip
    sent = CounterMetricFamily(
        "tekton_host_network_sent_bytes", "Sent by all interfaces but the loopback.", labels=label, unit="bytes"
    )
    received = CounterMetricFamily(
        "tekton_host_network_received_bytes", "Received by them.", labels=label, unit="bytes"
    )
    for one in found:
        busy.add_metric((one.host,), one.cpu.ratio)
        for number, ratio in enumerate(one.cpu.per_core):
            cores.add_metric((one.host, str(number)), ratio)
        for minutes, value in zip(("1", "5", "15"), one.cpu.load, strict=True):
            load.add_metric((one.host, minutes), value)
        sent.add_metric((one.host,), one.network.sent_bytes)
        received.add_metric((one.host,), one.network.received_bytes)
    yield from (busy, cores, load)
    for name, (about, values) in sizes.items():
        family = GaugeMetricFamily(name, about, labels=label, unit="bytes")
        for one, value in zip(found, values, strict=True):
            family.add_metric((one.host,), value)
        yield family
    yield from (sent, received)


def _gpus(found: Sequence[Machine]) -> Iterator[Metric]:
    known = InfoMetricFamily("tekton_gpu", "The GPUs.", labels=_GPU)
    lost = GaugeMetricFamily("tekton_gpu_lost", "1 while the driver cannot reach a GPU.", labels=_GPU)
    busy = GaugeMetricFamily("tekton_gpu_busy_ratio", "How busy a GPU is.", labels=_GPU, unit="ratio")
    size = GaugeMetricFamily("tekton_gpu_memory_total_bytes", "Its memory.", labels=_GPU, unit="bytes")
    used = GaugeMetricFamily("tekton_gpu_memory_used_bytes", "What is used of it.", labels=_GPU, unit="bytes")
    heat = GaugeMetricFamily("tekton_gpu_temperature_celsius", "Its temperature.", labels=_GPU, unit="celsius")
    for machine in found:
        for gpu in machine.gpus:
            labels = (machine.host, str(gpu.id))
            known.add_metric(labels, {"name": gpu.name, "uuid": gpu.uuid})
            lost.add_metric(labels, gpu.lost)
            for family, value in _told(gpu, busy, size, used, heat):
                if value is not None:
                    family.add_metric(labels, value)
    yield from (known, lost, busy, size, used, heat)


def _told(gpu: Gpu, *families: GaugeMetricFamily) -> Iterator[tuple[GaugeMetricFamily, float | None]]:
    return zip(families, (gpu.busy_ratio, gpu.total_bytes, gpu.used_bytes, gpu.celsius), strict=True)


def _components(live: LiveRegistry) -> Iterator[Metric]:
    label = ("component_id",)
    cores = GaugeMetricFamily(
        "tekton_component_cpu_cores", "Cores that the instances of a component keep busy.", labels=label
    )
    memory = GaugeMetricFamily("tekton_component_memory_bytes", "Memory that they have.", labels=label, unit="bytes")
    gpu = GaugeMetricFamily(
        "tekton_component_gpu_memory_bytes", "Memory of GPUs that they have.", labels=label, unit="bytes"
    )
    known = _known(live)
    for name, usage in islice(known, MOST_COMPONENTS):
        for family, value in zip(
            (cores, memory, gpu), (usage.cpu_cores, usage.rss_bytes, usage.gpu_bytes), strict=True
        ):
            if value is not None:
                family.add_metric((name,), value)
    yield from (cores, memory, gpu)
    about = f"Components that use something and are not told here: the first {MOST_COMPONENTS} are."
    yield GaugeMetricFamily("tekton_component_metrics_left_out", about, value=sum(1 for _ in known))


def _known(live: LiveRegistry) -> Iterator[tuple[str, Usage]]:
    book, counted = live.resources.book, live.resources.counted
    own = live.view.built_in.get(CORE_COMPONENT)
    # Tekton itself is told in any case.
    for component in chain([] if own is None else [own], (one for one in live.view.all() if one is not own)):
        found = [one.usage for uuid in counted(component) if (one := book.get(uuid)) is not None]
        if found:
            yield component.definition.component_id, total(found)
