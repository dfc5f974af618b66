"""Which machine and which software the figures are of."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.model import Json
from tekton_gateway.envoy import binary as envoy_binary
from tekton_server.build import BUILD
from tekton_server.storage import cluster


def describe() -> Json:
    """Describe this machine, now."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "load_before": [round(one, 2) for one in os.getloadavg()],
        "python": platform.python_version(),
        "grpcio": importlib.metadata.version("grpcio"),
        "postgresql": _postgres(),
        "envoy": _said(str(envoy_binary()), "--version"),
        "tekton": BUILD.version,
        "commit": BUILD.commit,
        "uncommitted": bool(_said("git", "-C", str(Path(__file__).parent), "status", "--porcelain")),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _postgres() -> str:
    return _said(str(cluster.binary("postgres")), "--version")


def _said(*command: str) -> str:
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return "unknown"
    return found.stdout.strip()
