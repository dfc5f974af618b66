"""A hundred thousand leases held in batches at the documented interval for minutes: nobody is given up."""

from __future__ import annotations

import time
from concurrent.futures import Future

from bench.load import Window
from bench.model import Figures, Goal, Result, Spread
from bench.processes import Tekton
from bench.rows.row import Row
from bench.stage import SUBJECT, Stage
from bench.streams import BeatLoad
from tekton.v1 import registry_service_pb2 as registry_pb

LEASES = 100_000
STREAMS = 10
BATCH = 1000
DOCUMENTED = {"heartbeat_interval": 10, "heartbeat_timeout": 30}
HELD = 300.0
LOOK_EVERY = 5.0


def _held(stage: Stage, result: Result) -> None:
    hellos = stage.hellos("held", STREAMS, LEASES // STREAMS)
    # It would not beat, and expire for good reason.
    stage.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=SUBJECT), timeout=10)
    stage.tekton.stop()
    with Tekton(stage.directory / "tekton", leases=DOCUMENTED) as tekton:
        before, loaded = tekton.metrics(), tekton.memory()["server"]
        period = DOCUMENTED["heartbeat_interval"] * BATCH * STREAMS / LEASES
        load = BeatLoad(tekton.grpc, hellos, STREAMS, Window(0.0, HELD), batch=BATCH, period=period)
        used, began = tekton.cpu(), time.monotonic()
        beating: Future[Figures] = stage.begin(load)
        lowest, largest = before["tekton_leases"], loaded
        while not beating.done():
            lowest = min(lowest, tekton.metrics()["tekton_leases"])
            largest = max(largest, tekton.memory()["server"])
            time.sleep(LOOK_EVERY)
        figures, took = beating.result(), time.monotonic() - began
        after, spent = tekton.metrics(), tekton.cpu()
    lost = LEASES - min(lowest, after["tekton_leases"])
    each = {part: (spent[part] - used.get(part, 0.0)) / LEASES / took * 1e6 for part in spent}
    written = after["tekton_journal_revision"] - before["tekton_journal_revision"]
    result.value = Spread.of([lost])
    result.tekton = f"{figures.rate:,.0f} beats/s"
    result.details |= {"revisions": written, "seconds": took, "loaded_bytes": loaded, "largest_bytes": largest}
    result.details |= {f"{part}_cpu_us_per_lease_second": round(spent_us, 3) for part, spent_us in each.items()}
    told = ", ".join(f"{part} {value:.2f}" for part, value in each.items() if value >= 0.005)
    result.notes.append(
        f"{STREAMS} streams for {took:.0f} s; {written:.0f} revisions; CPU µs a lease and second: {told}; "
        f"{largest / LEASES / 1024:.2f} KiB a lease of the whole server at most ({largest / 2**20:.0f} MiB)"
    )


ROWS = (Row("held", f"{LEASES:,} leases held, false expiries", Goal(0.0, "leases", at_most=True), _held, True, True),)
