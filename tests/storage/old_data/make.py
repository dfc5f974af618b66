"""Makes the old data of the present schema: run once, when a migration is added, before it is.

    .venv/bin/python -m tests.storage.old_data.make

A real Tekton lives through a little of everything; its database is dumped to REVISION.sql beside this file, and what it
answered to REVISION.json. Both are committed and never made again: they are what users of that release have.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tekton_server.storage import cluster as clusters
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster, running_cluster
from tests.support.sse import events

HERE = Path(__file__).parent
COMPONENTS = "/api/tekton/components"
WATCH = "/events/tekton/registry"
REPEATED = {
    "component_id": "repeated",
    "component_name": "Asked twice",
    "component_type": "ui",
    "version": "1.0.0",
    "request_id": "the-same-request",
}


def body(component_id: str, **more: Any) -> dict[str, Any]:
    """Make a registration."""
    given = {"component_name": component_id.title(), "component_type": "ui", "version": "1.0.0"}
    return {"component_id": component_id, **given, **more}


async def live(tekton: ControlPlane) -> dict[str, Any]:
    """Have everything happen once; give what has to be true of it for ever."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=20) as http:

        async def register(component_id: str, **more: Any) -> str:
            answer = (await http.post(COMPONENTS, json=body(component_id, **more))).raise_for_status().json()
            return str(answer["instance_uuid"])

        async def beat(component_id: str, uuid: str) -> None:
            sent = {"instance_uuid": uuid, "state": "ready"}
            (await http.post(f"{COMPONENTS}/{component_id}/heartbeat", json=sent)).raise_for_status()

        async with events(tekton.http + WATCH) as watch:
            while (await watch.next()).name != "snapshot_end":
                pass
            token = watch.last_id
        lost = await register("lost")
        await beat("lost", lost)
        rich = {"metadata": {"ü": {"deep": [1, 2.5, None, "☃"]}, "big": 2**60}, "dependencies": ["lost"]}
        kept = await register("kept", port=8500, host="host-1", capabilities=["memory_storage", "search"], **rich)
        old = await register("renewed", port=8501, host="host-1")
        new = await register("renewed", port=8501, host="host-1", replace=True)
        gone = await register("gone")
        (await http.delete(f"{COMPONENTS}/gone")).raise_for_status()
        patch = {"component_name": "Kept, and renamed", "capabilities": ["search"]}
        (await http.patch(f"{COMPONENTS}/kept", json=patch)).raise_for_status()
        order = {"kind": "reload", "instance_uuid": kept, "deadline_seconds": 1}
        posted = (await http.post(f"{COMPONENTS}/kept/commands", json=order)).raise_for_status().json()
        answer = {"instance_uuid": kept, "accepted": True}
        path = f"{COMPONENTS}/kept/commands/{posted['commands'][0]['command_id']}/acknowledge"
        (await http.post(path, json=answer)).raise_for_status()
        model = {"id": "org/model:7b", "provider": "org", "tier": 2, "context_window": 8000, "component_id": "kept"}
        (await http.post("/api/tekton/models", json=model)).raise_for_status()
        limits = {"model_id": model["id"], "max_in_flight": 3, "cost_limit": 1.5, "cost_period": "month"}
        (await http.put("/api/tekton/budgets", json=limits)).raise_for_status()
        repeated = (await http.post(COMPONENTS, json=REPEATED)).raise_for_status().json()["instance_uuid"]
        async with asyncio.timeout(10):
            while (await http.get(f"{COMPONENTS}/lost")).json()["status"] != "failed":
                await asyncio.sleep(0.2)
                await beat("kept", kept)
                await beat("renewed", new)
        await asyncio.sleep(1.5)  # beats are stored within a second
        return {
            "token": token,
            "revision": tekton.app.live.view.revision,
            "instances": {"kept": kept, "lost": lost, "renewed": new, "repeated": repeated},
            "superseded": old,
            "buried": gone,
            "models": [model["id"]],
            "budgets": [f" {model['id']}"],
            "metadata": rich["metadata"],
            "command": posted["commands"][0]["command_id"],
        }


def dump(cluster: Cluster, database: str) -> str:
    """Give a database as SQL that any connection can run."""
    params = cluster._postgres.connection
    options = [
        "--inserts",
        "--rows-per-insert=100",
        "--no-owner",
        "--no-privileges",
        f"--dbname={params.dsn(database)}",
    ]
    said = subprocess.run(
        [str(clusters.binary("pg_dump")), *options], capture_output=True, text=True, check=True
    ).stdout
    # \restrict is for psql, and a setting of the newest PostgreSQL is not known to the oldest.
    lines = [line for line in said.splitlines() if not line.startswith(("--", "\\", "SET transaction_timeout"))]
    return "\n".join(line for line in lines if line) + "\n"


async def make(cluster: Cluster, data_dir: Path) -> None:
    """Write both files."""
    url = cluster.new_database()
    async with control_plane(url, data_dir) as tekton:
        expected = await live(tekton)
        database = tekton.app.live._session._database
    connection = await asyncpg.connect(database.dsn)
    revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    expected["leases"] = sorted(str(row[0]) for row in await connection.fetch("SELECT instance_uuid FROM leases"))
    await connection.close()
    (HERE / f"{revision}.sql").write_text(dump(cluster, database.name), encoding="utf-8")
    (HERE / f"{revision}.json").write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder) / "pg") as cluster:
        asyncio.run(make(cluster, Path(folder) / "tekton"))
