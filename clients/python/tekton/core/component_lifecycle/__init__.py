"""Components as the technical documentation has them: the registry, capabilities, health and readiness."""

from __future__ import annotations

from tekton.core.component_lifecycle.healthcheck import ComponentHealth
from tekton.core.component_lifecycle.readiness import ReadinessCondition
from tekton.core.component_lifecycle.registry import ComponentRegistry, Outcome

__all__ = ["ComponentHealth", "ComponentRegistry", "Outcome", "ReadinessCondition"]
