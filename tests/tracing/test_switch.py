"""One setting: without it nothing is there, with it nothing can go wrong because of it."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.processes import Up, environment
from tests.tracing.test_traces import body


@pytest.fixture
def data_dir(short_tmp: Path) -> Path:
    """A data directory that does not exist yet."""
    return short_tmp / "data"


def test_without_the_setting_nothing_of_opentelemetry_is_loaded(data_dir: Path) -> None:
    """Python itself tells of each module that it imports."""
    env = environment(data_dir.parent, PYTHONPROFILEIMPORTTIME="1")
    with Up(data_dir, free_port(), env=env) as up:
        up.ready()
        answer = httpx.post(
            f"{up.url}/api/tekton/components", json=body(), headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        )
        assert answer.status_code == 201
        assert up.stop() == 0
        imported = [line for line in up.lines if line.startswith("import time:")]
        assert any("tekton_server.live.writer" in line for line in imported)
        assert not [line for line in imported if "opentelemetry" in line or "tekton_server.tracing" in line]
    assert not (data_dir / "logs" / "access.log").exists()


def test_a_collector_that_is_not_there_is_told_of_once_and_disturbs_nobody(data_dir: Path) -> None:
    """Calls succeed, the log has one warning, and the stop does not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    # A machine that is busy with other tests says so, too.
    config = data_dir.parent / "tekton.json"
    config.write_text('{"tekton": {"monitoring": {"cpu_threshold": null, "memory_threshold": null}}}')
    with Up(data_dir, free_port(), "--config", str(config), "--otlp-endpoint", nobody) as up:
        up.ready()
        until = time.monotonic() + 12
        while time.monotonic() < until:
            assert httpx.post(f"{up.url}/api/tekton/components", json=body()).status_code == 201
            time.sleep(0.1)
        began = time.monotonic()
        assert up.stop() == 0
        assert time.monotonic() - began < 6
    records: list[dict[str, Any]] = [
        json.loads(line) for line in (data_dir / "logs" / "tekton.log").read_text().splitlines()
    ]
    warnings = [record["message"] for record in records if record["level"] in ("warning", "error")]
    assert [text for text in warnings if "traces cannot be sent" in text and nobody in text] == warnings[:1]
    assert len(warnings) <= 2, warnings  # the second is of the stop


def test_without_the_packages_the_setting_is_refused_with_the_remedy(data_dir: Path) -> None:
    """In one sentence, before anything is started."""
    (data_dir.parent / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry'] = None\n")
    env = environment(data_dir.parent, PYTHONPATH=str(data_dir.parent), TEKTON_OTLP_ENDPOINT="http://127.0.0.1:4317")
    with Up(data_dir, free_port(), env=env) as up:
        assert up.wait() == 1
        assert "pip install 'tekton[otel]'" in up.text and "Traceback" not in up.text


@pytest.mark.parametrize("wrong", ["localhost:4317", "http://localhost", "http://localhost:99999", "ftp://a:1"])
def test_an_endpoint_that_is_none_is_refused(data_dir: Path, wrong: str) -> None:
    """With an example of a right one."""
    with Up(data_dir, free_port(), "--otlp-endpoint", wrong) as up:
        assert up.wait() == 2
        assert "--otlp-endpoint must be" in up.text and "http://localhost:4317" in up.text
