"""The one switch of tracing: without an endpoint everything is plain, and nothing of OpenTelemetry is imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tekton_server.config import ConfigError
from tekton_server.interceptors import CallInterceptor, Interceptor
from tekton_server.live.parts import PARTS, Parts


async def _nothing() -> None:
    """Stop what was not started."""


class Observed(NamedTuple):
    """What the control plane is made of, traced or plain."""

    parts: Parts = PARTS
    interceptor: Interceptor = CallInterceptor
    stop: Callable[[], Awaitable[object]] = _nothing


def observed(endpoint: str | None) -> Observed:
    """Begin to send traces to a collector, where there is one.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    if endpoint is None:
        return Observed()
    try:
        from tekton_server import tracing
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigError(
            "otlp_endpoint (--otlp-endpoint) needs OpenTelemetry, which is not installed: "
            "pip install 'tekton[otel]', or leave the setting out"
        ) from error
    export = tracing.Export(endpoint)
    return Observed(tracing.parts(export.tracer), tracing.interceptor(export.tracer), export.stop)
