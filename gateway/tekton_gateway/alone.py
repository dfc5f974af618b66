"""The gateway in this very process, for a container or a service of its own: we become Envoy.

So signals, exit code and log are Envoy's, and nothing of ours stays in memory. Nothing is written to disk either.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import NoReturn

from tekton_gateway import bootstrap
from tekton_gateway.envoy import arguments, binary, check_port_is_free, environment
from tekton_gateway.failures import GatewayError
from tekton_gateway.settings import GatewaySettings

# One JSON object a line, as the server logs.
_JSON_LOG = '{"message":"%j","level":"%l","logger":"envoy.%n","timestamp":"%Y-%m-%dT%T.%e%z"}'


def check(settings: GatewaySettings) -> None:
    """Refuse what can be known before.

    Raises:
        GatewayError: Envoy is not installed, or the address cannot be listened on.
    """
    binary()
    check_port_is_free(settings)


def become(settings: GatewaySettings, *, json_log: bool = False) -> NoReturn:
    """Replace this process by Envoy.

    Raises:
        GatewayError: it cannot be executed.
    """
    file = _in_memory(json.dumps(bootstrap.render(settings)).encode())
    style = ["--log-format", _JSON_LOG] if json_log else []
    argv = [*arguments(f"/dev/fd/{file}", settings), *style]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(argv[0], argv, environment())
    except OSError as error:
        raise GatewayError(f"Envoy could not be started: {error.strerror}; reinstall tekton[server].") from error


def _in_memory(content: bytes) -> int:
    """Put the bootstrap where Envoy can read it: a container may have no disk to write to."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("envoy.json", 0)
    else:
        with tempfile.TemporaryFile() as kept:
            file = os.dup(kept.fileno())
    os.set_inheritable(file, True)
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
    return file
