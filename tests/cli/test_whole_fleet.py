"""`tekton up` with a fleet: started with Tekton and stopped with it where that is configured, otherwise left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.launched import files_of, kill_all, launch, left, small, write_fleet
from tests.support.ports import free_port
from tests.support.processes import Up


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A directory for the files and the data of one Tekton; of what it launched nothing is left after the test."""
    made = tmp_path / "t"
    made.mkdir(mode=0o700)
    yield made
    kill_all(made / "data")


def up(home: Path, fleet: dict[str, dict[str, Any]], port: int, **components: Any) -> Up:
    """Run a Tekton with a fleet, by a configuration file as an operator writes it."""
    write_fleet(home, fleet)
    (home / "tekton.json").write_text(json.dumps({"tekton": {"components": components}}))
    return Up(home / "data", port, "--config", str(home / "tekton.json"))


@pytest.fixture
def port() -> int:
    """A port, which a Tekton keeps from start to start: its components come back to it."""
    return free_port()


def states(running: Up) -> dict[str, str]:
    """Ask for the state of each component."""
    rows = httpx.get(f"{running.url}/api/tekton/components", timeout=10).json()["components"]
    return {row["component_id"]: row["status"] for row in rows}


def test_everything_is_started_before_tekton_is_ready_and_stopped_with_it(home: Path, port: int) -> None:
    """In order, by REST through the gateway that is not ready for others yet; what fails keeps nobody out."""
    fleet = {
        "low": small("low", number=1, env={"SLOW": "0.5"}),
        "top": small("top", "low", number=2),
        "hung": launch(),
    }
    with up(home, fleet, port, autostart=True, startup_timeout=1.5, on_stop="stop", stop_within=0.5) as running:
        before = set()
        while (status := running.status()) != 200 and running.running and time.monotonic() - running.began < 20:
            before.add(status)
            time.sleep(0.02)
        assert before == {None, 503}
        assert states(running) | {"low": "ready", "top": "ready"} == states(running)
        running.until("Tekton is ready")
        assert "2 components are ready; not hung: see tekton why" in running.text
        assert "hung was not ready within 1.5 s" in running.text
        assert running.text.index("starting 3 components") < running.text.index("4/5 verification")
        assert running.stop(deadline=15) == 0
        assert left(home / "data") == []


def test_components_run_on_when_tekton_stops_and_the_next_goes_on_with_them(home: Path, port: int) -> None:
    """That is what happens where nothing is configured; a second autostart starts nothing twice."""
    fleet = {"low": small("low", number=1), "top": small("top", "low", number=2)}
    with up(home, fleet, port, autostart=True) as running:
        running.ready()
        processes = sorted(left(home / "data"))
        assert running.leave() == 0
    assert sorted(left(home / "data")) == processes
    with up(home, fleet, port, autostart=True) as again:
        again.ready()
        assert "nothing" not in again.text
        assert [len(files_of(home / "data", name)) for name in fleet] == [1, 1]
        assert again.leave() == 0
    assert sorted(left(home / "data")) == processes
