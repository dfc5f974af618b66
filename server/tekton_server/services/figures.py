"""Figures to messages: bytes, cores and shares become the documented GB, MB and percents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tekton.core.machine import GB, MB, Cpu, Disk, Gpu, Machine, Memory, Network
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.domain.alarms import Alarm, Happened
from tekton_server.domain.usage import Usage, shown
from tekton_server.live.resources.machines import SystemPoint
from tekton_server.services.convert import timestamp
from tekton_server.storage.usage import Point

# Parts of a percent and of a GB that mean something to somebody.
_DIGITS = 3
Owner = Mapping[int, str]
"""The component of each process on a GPU that has one."""


def cpu(found: Cpu) -> pb.CpuResources:
    """Convert processors."""
    return pb.CpuResources(
        overall_percent=_percent(found.ratio),
        per_core=map(_percent, found.per_core),
        cores=len(found.per_core),
        load_average=[round(one, 2) for one in found.load],
    )


def memory(found: Memory) -> pb.MemoryResources:
    """Convert memory and swap."""
    return pb.MemoryResources(
        total=_gb(found.total_bytes),
        used=_gb(found.used_bytes),
        free=_gb(found.free_bytes),
        percent=_percent(found.ratio),
        swap_total=_gb(found.swap_total_bytes),
        swap_used=_gb(found.swap_used_bytes),
        swap_free=_gb(found.swap_total_bytes - found.swap_used_bytes),
    )


def disk(found: Disk) -> pb.DiskResources:
    """Convert a file system."""
    return pb.DiskResources(
        total=_gb(found.total_bytes),
        used=_gb(found.used_bytes),
        free=_gb(found.free_bytes),
        percent=_percent(found.ratio),
        path=found.path,
    )


def gpu(found: Gpu, owners: Owner) -> pb.GpuResources:
    """Convert a GPU; what it does not tell stays absent."""
    message = pb.GpuResources(
        id=found.id,
        name=found.name,
        uuid=found.uuid,
        status="lost" if found.lost else "ok",
        util=None if found.busy_ratio is None else _percent(found.busy_ratio),
        temperature=found.celsius,
    )
    for name, value in (("total", found.total_bytes), ("used", found.used_bytes), ("free", found.free_bytes)):
        if value is not None:
            setattr(message, f"memory_{name}", _gb(value))
    for process in found.processes:
        used = None if process.used_bytes is None else _gb(process.used_bytes)
        message.processes.add(pid=process.pid, memory_used=used, component_id=owners.get(process.pid, ""))
    return message


def network(found: Network) -> pb.NetworkResources:
    """Convert interfaces."""
    return pb.NetworkResources(
        bytes_sent=found.sent_bytes,
        bytes_recv=found.received_bytes,
        sent_per_second=round(found.sent_per_second, _DIGITS),
        recv_per_second=round(found.received_per_second, _DIGITS),
    )


def system(
    found: Machine, owners: Owner, others: Iterable[Machine], points: Iterable[SystemPoint] = ()
) -> pb.SystemResources:
    """Convert the machine of this server, and those of the others."""
    return pb.SystemResources(
        cpu=cpu(found.cpu),
        memory=memory(found.memory),
        disk=disk(found.disk),
        gpu=[gpu(one, owners) for one in found.gpus],
        timestamp=timestamp(found.at),
        network=network(found.network),
        host=found.host,
        history=map(_system_point, points),
        others=map(_machine, others),
    )


def _machine(found: Machine) -> pb.MachineResources:
    return pb.MachineResources(
        host=found.host,
        cpu=cpu(found.cpu),
        memory=memory(found.memory),
        disk=disk(found.disk),
        gpu=[gpu(one, {}) for one in found.gpus],
        network=network(found.network),
        timestamp=timestamp(found.at),
    )


def _system_point(point: SystemPoint) -> pb.SystemPoint:
    return pb.SystemPoint(
        timestamp=timestamp(point.at),
        cpu_percent=_percent(point.cpu),
        memory_percent=_percent(point.memory),
        gpu_util=None if point.gpu is None else _percent(point.gpu),
        gpu_memory_percent=None if point.gpu_memory is None else _percent(point.gpu_memory),
    )


def usage(found: Usage) -> pb.ResourceUsage:
    """Convert what an instance or a component uses, by the table of conversions."""
    message = pb.ResourceUsage(memory=pb.MemoryUsage(), network=pb.NetworkUsage(), disk_io=pb.DiskIoUsage())
    for path, value in shown(found).items():
        part, _, field = path.rpartition(".")
        setattr(getattr(message, part) if part else message, field, value)
    if found.gpu_id is not None:
        message.gpu.id = found.gpu_id
    return message


def usage_point(point: Point) -> pb.UsagePoint:
    """Convert what instances used together in half a minute."""
    return pb.UsagePoint(
        timestamp=timestamp(point.slot),
        cpu_percent=_percent(point.cpu_cores),
        memory_mb=round(point.rss_bytes / MB, _DIGITS),
        gpu_memory_mb=round(point.gpu_bytes / MB, _DIGITS),
    )


def alarm(found: Alarm) -> pb.ResourceAlarm:
    """Convert what is too much, or was."""
    return pb.ResourceAlarm(
        figure=found.figure,
        value=round(found.value, _DIGITS),
        threshold=found.threshold,
        unit=found.unit,
        since=timestamp(found.since),
        host=found.host,
        gpu=found.gpu,
        component_id=found.component_id,
        instance_uuid=found.instance_uuid,
        message=found.sentence,
    )


def event_name(happened: Happened) -> str:
    """Name what happened, as the field `event` has it."""
    kind = "limit" if happened.alarm.component_id else "threshold"
    return f"{kind}_{'exceeded' if happened.raised else 'cleared'}"


def _percent(ratio: float) -> float:
    return round(100 * ratio, _DIGITS)


def _gb(count: int) -> float:
    return round(count / GB, _DIGITS)
