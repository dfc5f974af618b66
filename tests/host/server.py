"""A server of which nothing is left but its launcher: it launches what it is told, says so, and waits to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec

from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.host.cgroups import Cgroups
from tekton_server.host.launch_order import Surroundings
from tekton_server.host.launcher import LocalLauncher
from tekton_server.host.secrets import Secrets
from tekton_server.live.launching import LaunchIdentity


async def main(data: Path, orders: list[dict[str, object]]) -> None:
    around = Surroundings("127.0.0.1", 8010, os.environ, Secrets((), {}), data, 65536, 3)
    launcher = LocalLauncher(data, around, cgroups=Cgroups(None, "none is wanted here"))
    print("begin", flush=True)

    async def one(order: dict[str, object]) -> None:
        spec, identity = msgspec.convert(order["spec"], LaunchSpec), msgspec.convert(order["identity"], LaunchIdentity)
        await launcher.launch(spec, identity)
        print(identity.instance_uuid, flush=True)

    await asyncio.gather(*map(one, orders))
    print("all", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
