"""Data of every earlier schema survives the present code; a migration that fails changes nothing."""

from __future__ import annotations

import asyncio
import importlib.resources
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import make_url

from tekton.core.lifecycle import ComponentState
from tekton_server.storage import migrate as migrations
from tekton_server.storage.database import Database
from tekton_server.storage.migrate import migrate
from tests.storage.old_data.make import COMPONENTS, HERE, REPEATED, WATCH, body
from tests.support.control_plane import control_plane
from tests.support.live import assert_whole, opened
from tests.support.postgres import Cluster
from tests.support.sse import events

OLD = sorted(path.stem for path in HERE.glob("*.sql"))
VERSIONS = Path(str(importlib.resources.files("tekton_migrations"))) / "versions"
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(?:\.\d+)?(Z|\+00)")


def recent(sql: str) -> str:
    """Move every time to just now, so that nothing is too old to be kept."""
    last = max(datetime.fromisoformat(found.group()) for found in _TIME.finditer(sql))
    shift = datetime.now(UTC) - last - timedelta(seconds=1)

    def moved(found: re.Match[str]) -> str:
        return (datetime.fromisoformat(found.group()) + shift).isoformat(found[1])[:-6] + found[2]

    return _TIME.sub(moved, sql)


async def old_database(cluster: Cluster, revision: str) -> Database:
    """Make a database as a Tekton of that revision left it."""
    database = Database(make_url(cluster.new_database()))
    connection = await asyncpg.connect(database.dsn)
    await connection.execute(recent((HERE / f"{revision}.sql").read_text(encoding="utf-8")))
    await connection.close()
    return database


def expected(revision: str) -> dict[str, Any]:
    """Give what is true of it."""
    found: dict[str, Any] = json.loads((HERE / f"{revision}.json").read_text(encoding="utf-8"))
    return found


def test_there_is_old_data_of_every_schema() -> None:
    """A new migration comes with the data of the schema before it; see CONTRIBUTING.md."""
    steps = sorted(path.stem.partition("_")[0] for path in VERSIONS.glob("*.py"))
    assert OLD in (steps, steps[:-1])


@pytest.mark.parametrize("revision", OLD)
async def test_everything_that_was_stored_is_still_there(cluster: Cluster, revision: str) -> None:
    """Components, instances, leases, the journal, tombstones, and the history with its resume tokens."""
    database, was = await old_database(cluster, revision), expected(revision)
    await migrate(database)
    async with opened(database.url) as live:
        view, instances = live.view, was["instances"]
        assert f"{view.history_id}.0" == was["token"] and view.revision == was["revision"]
        await assert_whole(live, len(instances) + 1)
        assert view.instances[instances["kept"]].state is ComponentState.READY
        assert view.instances[instances["lost"]].state is ComponentState.FAILED
        assert view.instances[was["superseded"]].ended_at is not None
        assert live.tombstones.keys() == {was["buried"]}
        loaded = await live.store.load()
        assert sorted(loaded.beats) == was["leases"]
        assert [one.command_id for one in view.commands] == ([was["command"]] if "command" in was else [])
        assert list(view.routing.models) == was.get("models", [])
        assert list(view.routing.budgets) == was.get("budgets", [])
        kept = view.components["kept"].definition
        assert (kept.component_name, kept.capabilities) == ("Kept, and renamed", ("search",))


@pytest.mark.parametrize("revision", OLD)
async def test_whoever_knew_the_old_tekton_goes_on_with_the_new_one(
    cluster: Cluster, revision: str, tmp_path: Path
) -> None:
    """With the same lease, the same request id, and the same place in the journal."""
    database, was = await old_database(cluster, revision), expected(revision)
    url = database.url.render_as_string(hide_password=False)
    async with control_plane(url, tmp_path) as tekton, httpx.AsyncClient(base_url=tekton.http) as http:
        kept = (await http.get(f"{COMPONENTS}/kept")).json()
        assert (kept["status"], kept["metadata"]["ü"]) == ("ready", was["metadata"]["ü"])
        beat = {"instance_uuid": was["instances"]["kept"], "state": "ready"}
        assert (await http.post(f"{COMPONENTS}/kept/heartbeat", json=beat)).status_code == 200
        again = await http.post(COMPONENTS, json=REPEATED)
        assert (again.status_code, again.json()["instance_uuid"]) == (200, was["instances"]["repeated"])
        ghost = await http.post(COMPONENTS, json=body("gone", instance_uuid=was["buried"]))
        assert (ghost.status_code, ghost.json()["error"]["reason"]) == (409, "stale_session")
        async with events(tekton.http + WATCH, **{"Last-Event-ID": was["token"]}) as watch:
            first, second = await watch.next(), await watch.next()
            assert first.data["revision"] == second.data["revision"] == "1"
            assert watch.last_id == was["token"].replace(".0", ".1")


async def test_after_a_restore_a_new_history_tells_old_tokens(cluster: Cluster, tmp_path: Path) -> None:
    """By the statement that docs/database.md gives."""
    page = (Path(__file__).parents[2] / "docs" / "database.md").read_text(encoding="utf-8")
    statement = next(line for line in page.splitlines() if "UPDATE histories" in line).strip()
    database, was = await old_database(cluster, OLD[-1]), expected(OLD[-1])
    connection = await asyncpg.connect(database.dsn)
    await connection.execute(statement)
    await connection.close()
    url = database.url.render_as_string(hide_password=False)
    async with (
        control_plane(url, tmp_path) as tekton,
        events(tekton.http + WATCH, **{"Last-Event-ID": was["token"]}) as watch,
    ):
        assert (await watch.next()).name == "reset"
        assert tekton.app.live.view.history_id != was["token"].partition(".")[0]


def with_step(folder: Path, sql: str) -> Path:
    """Copy the migrations and add one, which does something, waits a moment, and then this."""
    shutil.copytree(VERSIONS.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = max(VERSIONS.glob("*.py")).stem.partition("_")[0]
    done = ("ALTER TABLE components ADD COLUMN colour text", "SELECT pg_sleep(0.3)", sql)
    (folder / "versions" / "9998_next.py").write_text(
        f'from alembic import op\n\nrevision = "9998"\ndown_revision = "{head}"\n\n\ndef upgrade() -> None:\n'
        f"    for sql in {done}:\n        op.execute(sql)\n"
    )
    return folder


async def columns(database: Database) -> tuple[str, int]:
    """Give the revision of a schema and how often it has the new column."""
    connection = await asyncpg.connect(database.dsn)
    revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    found = await connection.fetchval("SELECT count(*) FROM information_schema.columns WHERE column_name = 'colour'")
    await connection.close()
    return revision, found


async def test_a_migration_that_fails_half_way_leaves_the_old_schema(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a transaction; and the next try, with what was wrong repaired, succeeds."""
    database = await old_database(cluster, OLD[-1])
    await migrate(database)
    before = await columns(database)
    broken, mended = with_step(tmp_path / "a", "SELECT 1/0"), with_step(tmp_path / "b", "SELECT 1")
    monkeypatch.setattr(migrations, "files", lambda package: broken)
    with pytest.raises(Exception, match=r"division by zero"):
        await migrate(database)
    assert await columns(database) == before
    async with opened(database.url, migrated=True) as live:
        assert live.view.revision == expected(OLD[-1])["revision"]
    monkeypatch.setattr(migrations, "files", lambda package: mended)
    await migrate(database)
    assert await columns(database) == ("9998", 1)


async def test_two_servers_that_migrate_old_data_at_once_do_it_once(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits, and finds nothing to do."""
    database = await old_database(cluster, OLD[0])
    mended = with_step(tmp_path / "b", "SELECT 1")
    monkeypatch.setattr(migrations, "files", lambda package: mended)
    await asyncio.gather(migrate(database), migrate(database), migrate(database))
    assert await columns(database) == ("9998", 1)
