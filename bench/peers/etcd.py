"""etcd, by its gRPC API: durable puts, puts in transactions, and reads, from the same load generator.

Its messages are made by hand, a few fields of KV; no foreign .proto is kept for that.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.bodies import Body, Constant, Puts, field
from bench.load import Target
from bench.model import Result, Spread
from bench.processes import HOST, Process, free_port
from bench.rows.calls import BATCHING, CALLERS, CONNECTIONS, REGISTERING
from bench.stage import Options, run
from bench.unary import UnaryLoad

# As large as what Tekton keeps of a registration.
VALUE = b"x" * 256
# What etcd takes in one transaction by default.
TRANSACTION = 128
START_WITHIN = 15.0


class Etcd(Process):
    """One etcd on ports of its own."""

    def __init__(self, binary: str, directory: Path) -> None:
        self.grpc = Target(HOST, free_port())
        client, peer = f"http://{self.grpc.authority}", f"http://{HOST}:{free_port()}"
        own = ["--name", "bench", "--data-dir", str(directory / "etcd"), "--log-level", "error"]
        ports = ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
        cluster = ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"bench={peer}"]
        super().__init__([binary, *own, *ports, *cluster], directory / "etcd.log")


def find(binary: str = "") -> str | None:
    """Find the program: the one that was named, or the one on PATH."""
    return shutil.which(binary or "etcd")


def measure(binary: str, options: Options) -> list[Result]:
    """Measure it; each row is only shown, since the goals are Tekton's."""
    with tempfile.TemporaryDirectory(prefix="bench-etcd-") as name, Etcd(binary, Path(name)) as etcd:
        _until_serving(etcd)
        puts = _rates(etcd, "Put", lambda number: Puts(f"one-{number}", VALUE), REGISTERING, options)
        many = _rates(etcd, "Txn", lambda number: Puts(f"many-{number}", VALUE, TRANSACTION), BATCHING, options)
        reads = _rates(etcd, "Range", lambda _: Constant(field(1, b"one-0-1")), CALLERS, options)
    return [
        _told("etcd-put", f"etcd: durable puts, {REGISTERING} callers", puts, "puts/s"),
        _told("etcd-txn", f"etcd: puts, {TRANSACTION} in a transaction", many, "puts/s"),
        _told("etcd-read", "etcd: reads of a key", reads, "/s"),
    ]


def _load(etcd: Etcd, method: str, body: Body, callers: int, options: Options) -> UnaryLoad:
    scale = body.size if isinstance(body, Puts) else 1
    path = f"/etcdserverpb.KV/{method}"
    return UnaryLoad(etcd.grpc, path, body, callers, CONNECTIONS, options.window, scale=scale)


def _rates(etcd: Etcd, method: str, body: Callable[[int], Body], callers: int, options: Options) -> list[float]:
    found: list[float] = []
    for number in range(options.rounds):
        figures = run(_load(etcd, method, body(number), callers, options))
        if figures.failures:
            raise RuntimeError(f"etcd refused {figures.failures} of {figures.total} calls of {method}")
        found.append(figures.rate)
    return found


def _until_serving(etcd: Etcd) -> None:
    until = time.monotonic() + START_WITHIN
    short = Options(1, 0.05, 0.0)
    while True:
        try:
            # A linearizable read is only answered once there is a leader.
            if not run(_load(etcd, "Range", Constant(field(1, b"nothing")), CONNECTIONS, short)).failures:
                return
        except OSError:
            pass
        if time.monotonic() > until or etcd.popen.poll() is not None:
            raise RuntimeError(f"etcd did not start: {etcd.said()}")
        time.sleep(0.1)


def _told(name: str, title: str, rates: list[float], unit: str) -> Result:
    result = Result(name, title, None, Spread.of(rates))
    result.bare = f"{statistics.median(rates):,.0f} {unit}"
    return result
