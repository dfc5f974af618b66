"""A component as small as a real process can be: it registers, says that it is ready, and beats, by plain REST calls.

Run with `python -I -S`: nothing but the interpreter's own socket module is loaded, so that hundreds of them fit on a
small machine. `small_component.py NAME PORT INTERVAL NEEDS…`; it ends when it is told to (SIGTERM), or is killed.
SLOW in its environment is how many seconds it takes to become ready, and MORE for how many it asks before; where there
is a file CURSE, it ends at once with exit code 3; with GATE it registers once that file is there.
"""

from __future__ import annotations

import _socket
import os
import sys
import time

_NAME, _PORT, _INTERVAL = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
_UUID = os.environ["TEKTON_INSTANCE_UUID"]
_AT = (os.environ["TEKTON_HOST"], int(os.environ["TEKTON_PORT"]))

if os.path.exists(os.environ.get("CURSE", "")):
    print("cursed", flush=True)
    sys.exit(3)
while not os.path.exists(os.environ.get("GATE", "/")):
    time.sleep(0.05)


def _call(path: str, body: str, verb: str = "POST") -> int:
    """Make a call; give its status, 0 where nobody answers."""
    head = f"{verb} /api/tekton/components{path} HTTP/1.1\r\nHost: localhost:{_AT[1]}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    one = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        one.settimeout(10.0)
        one.connect(_AT)
        one.sendall((head + body).encode())
        return int(one.recv(65536)[9:12] or b"0")
    except OSError:
        return 0
    finally:
        one.close()


def _until_taken(path: str, body: str) -> None:
    while not 200 <= _call(path, body) < 300:
        time.sleep(0.2)


_NEEDS = ", ".join(f'"{one}"' for one in sys.argv[4:])
_until_taken(
    "",
    f'{{"component_id": "{_NAME}", "component_name": "{_NAME}", "component_type": "service", "version": "1.0.0", '
    f'"port": {_PORT}, "instance_uuid": "{_UUID}", "dependencies": [{_NEEDS}]}}',
)
if "MORE" in os.environ:
    _more = f'{{"instance_uuid": "{_UUID}", "state": "starting", "extend_startup_seconds": {os.environ["MORE"]}}}'
    _call(f"/{_NAME}/state", _more, "PUT")
time.sleep(float(os.environ.get("SLOW", "0")))
_BEAT = f'{{"instance_uuid": "{_UUID}", "state": "ready"}}'
_until_taken(f"/{_NAME}/heartbeat", _BEAT)
while True:
    time.sleep(_INTERVAL)
    _call(f"/{_NAME}/heartbeat", _BEAT)
