"""A component that does what its standard input says: `sleep N` and `gil N` block its event loop for N seconds."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import time

from tekton.client import TektonClient
from tests.sdk.fleet import component

# How long one call of the C library holds the GIL at a time, in seconds: over one under the default terms, and a beat
# takes the GIL some ten times.
BURST = 0.08


def hold_the_gil(seconds: float) -> None:
    """Run C that keeps every other thread of the process waiting, again and again."""
    library = ctypes.PyDLL(None)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        library.usleep(int(BURST * 1e6))


async def main(component_id: str) -> None:
    """Be ready, and do as told until the input ends."""
    async with TektonClient() as client:
        await client.register_component(component(component_id=component_id, port=0, component_type="ui"))
        task = client.start_heartbeat(component_id, state="ready")
        while task.state != "ready":
            await asyncio.sleep(0.02)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, seconds = line.split()
            {"sleep": time.sleep, "gil": hold_the_gil}[what](float(seconds))
            print("done", task.instance_uuid, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
