"""A whole component: it serves HTTP, registers with Tekton, stays alive, and leaves in good order on SIGTERM.

python examples/echo_component.py --id echo --port 9101 --capability echo
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tekton.utils.tekton_client import deregister_component, listen_for_shutdown, update_component_state
from tekton.utils.tekton_registration import register_with_tekton


class Echo(BaseHTTPRequestHandler):
    """Answers its health, and echoes what it is sent."""

    def do_GET(self) -> None:
        self._answer({"status": "healthy"} if self.path == "/api/health" else {"echo": self.path})

    def do_POST(self) -> None:
        self._answer({"echo": self.rfile.read(int(self.headers.get("content-length", 0))).decode()})

    def _answer(self, body: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Be quiet."""


async def run(name: str, port: int, capabilities: list[str]) -> int:
    """Serve until a signal comes; give the exit status."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    registered = await register_with_tekton(
        name, name.title(), "service", "1.0.0", capabilities, port=server.server_port, health_check="/api/health"
    )
    if registered.instance_uuid is None:
        print(f"{name}: {registered.message}", file=sys.stderr)
        return 1
    # From here on the SDK beats from a thread of its own.
    await update_component_state(name, registered.instance_uuid, "ready")
    # A stop that Tekton asks for ends it like a signal.
    listening = asyncio.create_task(listen_for_shutdown(name, registered.instance_uuid, stop))
    await stop.wait()
    listening.cancel()
    await deregister_component(name, registered.instance_uuid)
    return 0


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="An echo that is a Tekton component.")
    options.add_argument("--id", default="echo", help="the component's id (echo)")
    options.add_argument("--port", type=int, default=0, help="the port to serve on (any that is free)")
    options.add_argument("--capability", action="append", help="what it can do; may be repeated (echo)")
    given = options.parse_args()
    sys.exit(asyncio.run(run(given.id, given.port, given.capability or ["echo"])))
