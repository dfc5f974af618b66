"""`tekton probe`: does it serve? For the health checks of containers, which have no curl."""

from __future__ import annotations

import os

import typer

from tekton_server.cli.address import parse_address
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Timeout
from tekton_server.cli.output import note

EXAMPLES = examples(
    ("tekton probe", "does Tekton serve here?"),
    ("tekton probe --address 127.0.0.1:8011", "a server's own port; any other port with gRPC will do"),
)


def probe(address: Address = None, timeout: Timeout = 2.0) -> None:
    """Ask by grpc.health.v1 whether it serves, through a gateway whether a server behind it does; say nothing if so.

    Exit code 1 where it does not serve now, 4 where nothing answers. The health check of containers.
    """
    # gRPC's core writes to stderr by itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc
    from grpc_health.v1 import health_pb2

    from tekton._channel import Target

    try:
        target = str(Target.of(*parse_address(address)).addresses[0])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with grpc.insecure_channel(target) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            status = check(health_pb2.HealthCheckRequest(), timeout=timeout).status
        except grpc.RpcError as error:
            note(f"{target} does not answer: {error.details()}")
            raise typer.Exit(ExitCode.UNREACHABLE) from None
    if status != health_pb2.HealthCheckResponse.SERVING:
        note(f"{target} does not serve now")
        raise typer.Exit(ExitCode.FAILED)
