"""SIGSTOP: a writer inside its transaction, and PostgreSQL as a whole, each longer than anybody waits for it."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from sqlalchemy import make_url

from tekton_server import app
from tekton_server.config import Settings
from tekton_server.sections import Components
from tests.faults.callers import GrpcCaller
from tests.faults.history import Outcome, violations
from tests.faults.load import journal, load
from tests.faults.running import Faulty, stopped, suspended, until
from tests.faults.watchers import grpc_watch
from tests.support.ports import free_port
from tests.support.postgres import Cluster

# Nobody shall be judged while the test lasts: it is about writes.
LONG = 60.0
SHORT = 2.0


async def test_a_writer_that_is_stopped_inside_its_transaction_holds_up_nobody_and_spoils_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    """PostgreSQL ends its transaction after 2 s and another server goes on; continued, it tries again.

    The SIGSTOP comes from a failpoint, and so exactly between the write of a batch and its COMMIT.
    """
    url = cluster.new_database()
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    faulty, port = Faulty(tmp_path, "--database-url", url, timeout=LONG), free_port()
    terms = Components(heartbeat_interval=1, heartbeat_timeout=LONG)
    settings = Settings(grpc_port=port, data_dir=str(tmp_path / "other"), database_url=url, components=terms)
    with faulty.up("journal.after_append=60*off->1*stop") as tekton:
        tekton.ready()
        process = psutil.Process(tekton.pid)
        async with app.run(settings, bare=True), load(faulty.where) as running:
            await asyncio.to_thread(until, lambda: stopped(process))
            caller = GrpcCaller("the other server", f"127.0.0.1:{port}")
            running.write(caller)
            running.watch("the other server's watch", grpc_watch(port))
            await running.history.more(30)
            assert stopped(process)
            process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(tekton.until, "database available again")
            await running.history.more(60)
            await running.finish()
            await running.end()
            await caller.close()
            wrong = violations(running.history, await journal(dsn), one_server=False)
            assert not wrong, wrong
        assert "was not committed" in tekton.text
        assert tekton.stop() == 0


async def test_postgresql_that_is_stopped_for_two_timeouts_fails_nobody(tmp_path: Path) -> None:
    """Reads go on, writes are 503 with Retry-After; continued, all is well again."""
    faulty = Faulty(tmp_path, timeout=SHORT)
    with faulty.up() as tekton:
        tekton.ready()
        async with load(faulty.where) as running, httpx.AsyncClient(base_url=faulty.where.url, timeout=20) as http:
            with suspended(tekton.child("postgres")):
                refused = await without_postgresql(http, running.history.beaters[0].component_id)
            await asyncio.gather(running.history.more(30), asyncio.sleep(SHORT))
            await running.end()
            wrong = violations(running.history, await journal(faulty.dsn))
        assert refused > 1
        assert not wrong, wrong
        assert Outcome.REFUSED in {one.outcome for one in running.history.attempts}
        assert "Traceback" not in tekton.text
        assert tekton.stop() == 0


async def without_postgresql(http: httpx.AsyncClient, component_id: str) -> int:
    """Read and write for two timeouts; give how many writes were refused."""
    body = {"component_id": "nobody", "component_name": "N", "component_type": "ui", "version": "1.0.0"}
    refused, end = 0, time.monotonic() + 2 * SHORT
    while time.monotonic() < end:
        found = await http.get(f"/api/tekton/components/{component_id}")
        assert found.status_code == 200 and found.json()["status"] != "failed"
        # Until it is known that the database does not answer, a write waits for it.
        with suppress(httpx.TimeoutException):
            written = await http.post("/api/tekton/components", json=body, timeout=0.5)
            assert written.status_code == 503 and int(written.headers["retry-after"]) >= 1
            refused += 1
            await asyncio.sleep(0.1)
    return refused
