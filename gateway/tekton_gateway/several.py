"""Several servers behind one gateway: how one that is gone, or hangs, is noticed and left out."""

from __future__ import annotations

from typing import Any

from tekton_gateway.settings import GatewaySettings

Json = dict[str, Any]


def are_there(settings: GatewaySettings) -> bool:
    """Tell whether there is another server to go to."""
    return len(settings.servers) > 1


def health_check() -> Json:
    """Ask each whether it serves: one that says no gets no call, and one that is silent none after three seconds."""
    return {
        "grpc_health_check": {},
        "timeout": "1s",
        "interval": "0.5s",
        "no_traffic_interval": "0.5s",
        "unhealthy_interval": "0.25s",
        "healthy_threshold": 1,
        "unhealthy_threshold": 2,
    }


def outliers() -> Json:
    """Leave out for a few seconds what cannot be reached twice in a row, before any question could tell.

    What servers answer is no matter here: an error that they all give must not leave nobody.
    """
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 2,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "0.5s",
        "base_ejection_time": "1s",
        "max_ejection_time": "5s",
        "max_ejection_percent": 100,
    }


def keepalive() -> Json:
    """Cut the streams to a server that answers no ping: it was stopped, or its machine is gone.

    Threads of its own answer, so a busy one does in time. The server takes pings every five seconds and no more often.
    """
    return {"connection_keepalive": {"interval": "7s", "timeout": "3s"}}
