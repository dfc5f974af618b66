"""The face of the package: what it exports, what importing costs, and how a process with it ends."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time

import pytest

from tests.sdk.fleet import component
from tests.sdk.server import ServerProcess

EXPORTS = {
    "tekton.client": [
        "AlreadyExistsError",
        "BudgetLease",
        "Command",
        "ComponentClient",
        "ComponentNotFoundError",
        "ComponentRegistration",
        "ConflictError",
        "Definition",
        "HeartbeatTask",
        "Instance",
        "InvalidTransitionError",
        "Lease",
        "LeaseLost",
        "ModelUnavailableError",
        "NoRouteError",
        "NoLaunchSpecError",
        "OperationResult",
        "RegistrationError",
        "RegistrationResult",
        "RegistryEvent",
        "ResourceConstraintError",
        "Route",
        "RouteAttempt",
        "StaleSessionError",
        "StartupError",
        "TektonClient",
        "TektonError",
        "TektonTimeoutError",
        "UnavailableError",
        "ValidationError",
        "get_default_client",
        "set_default_client",
    ],
    "tekton.core.component_lifecycle": ["ComponentHealth", "ComponentRegistry", "Outcome", "ReadinessCondition"],
    "tekton.core.heartbeat_monitor": ["ComponentHeartbeat", "HeartbeatMonitor", "Recovery"],
    "tekton.core.startup_coordinator": [
        "ComponentStartError",
        "ComponentStartTimeout",
        "EnhancedStartUpCoordinator",
        "StartResult",
    ],
    "tekton.core.metrics.metrics": ["Metric", "MetricType", "MetricsManager"],
    "tekton.core.resource_monitor": ["ResourceMonitor"],
    "tekton.utils.component_client": ["ComponentClient", "find_component", "find_components_by_capability"],
    "tekton.utils.tekton_client": [
        "ResourceReporter",
        "deregister_component",
        "find_component",
        "get_resource_constraints",
        "listen_for_shutdown",
        "mark_ready",
        "notify_shutdown",
        "report_error",
        "report_resource_usage",
        "report_resources",
        "send_heartbeat",
        "start_heartbeat_task",
        "update_component_state",
        "wait_for_dependencies",
    ],
    "tekton.utils.tekton_errors": ["ComponentError", "DependencyError", "TektonError"],
    "tekton.utils.tekton_logging": ["get_logger"],
    "tekton.utils.tekton_registration": ["register_with_tekton"],
}


@pytest.mark.parametrize("name", EXPORTS)
def test_the_exports_are_promised(name: str) -> None:
    """Adding one is a decision, taking one away breaks somebody."""
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(EXPORTS[name])
    assert all(hasattr(module, export) for export in EXPORTS[name])


def test_the_registration_has_two_import_paths() -> None:
    """The documents use both."""
    from tekton.client import ComponentRegistration
    from tekton.core.lifecycle import ComponentRegistration as Documented

    assert ComponentRegistration is Documented


def test_importing_the_package_loads_nothing_heavy() -> None:
    """The modules load what they need when they are imported themselves."""
    heavy = "sorted({'grpc', 'google', 'httpx', 'msgspec', 'asyncio'} & set(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys, tekton; print({heavy})"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_a_client_loads_nothing_that_only_others_use() -> None:
    """Reading a machine, circuit breakers, metrics as text and the server are loaded by whoever wants them."""
    code = (
        "import sys, tekton.client, tekton.utils.tekton_client, tekton.utils.tekton_registration, tekton.core.metrics; "
        "print(sorted({'psutil', 'pynvml', 'interlock', 'prometheus_client', 'tekton_server'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


_FALLS_OFF_ITS_END = """
import asyncio, sys
from tekton.utils.component_client import find_component
from tekton.utils.tekton_registration import register_with_tekton
async def main():
    success, _ = await register_with_tekton(sys.argv[1], "A part", "service", "1.0.0", port=int(sys.argv[2]))
    assert success and await find_component("there_is_none") is None
asyncio.run(main())
"""


def test_a_process_that_keeps_a_lease_can_end(server: ServerProcess) -> None:
    """Threads of the SDK neither hold the process back nor make a noise."""
    registration = component()
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", _FALLS_OFF_ITS_END, registration.component_id, str(registration.port)],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert time.monotonic() - began < 10
