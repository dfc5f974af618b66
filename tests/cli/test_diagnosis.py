"""`tekton doctor` and `tekton config`: what is wrong here, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane
from tests.support.ports import free_port
from tests.support.processes import environment, run


def doctor(home: Path, *arguments: str, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run it, and give its exit code and the checks by name, the last of each."""
    done = run("doctor", "-o", "json", *arguments, env=environment(home, **more), cwd=home)
    return done.returncode, {one["check"]: one for one in json.loads(done.stdout)["checks"]}


@contextmanager
def component(name: str) -> Iterator[int]:
    """Run what answers /api/version as a component does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"component": name, "version": "1.0.0"}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


async def test_all_is_well_with_a_running_tekton(tekton: ControlPlane, tmp_path: Path) -> None:
    """Every part has its line, and the database is looked at itself."""
    assert tekton.settings.database_url is not None
    more = {"TEKTON_PORT": str(tekton.port), "TEKTON_DATABASE_URL": tekton.settings.database_url}
    code, checks = await asyncio.to_thread(doctor, tmp_path, **more)
    assert code == 0, checks
    for name in ("versions", "settings", "name", "listener", "gRPC", "server version", "ready", "clock"):
        assert checks[name]["status"] == "ok", checks[name]
    assert "connections used" in checks["PostgreSQL"]["message"] and "PostgreSQL 1" in checks["PostgreSQL"]["message"]
    assert checks["data directory"]["status"] == "ok" and "free" in checks["data directory"]["message"]


def test_nothing_listens(tmp_path: Path) -> None:
    """The cause and the remedy, and what does not depend on it is looked at all the same."""
    code, checks = doctor(tmp_path, TEKTON_PORT=str(free_port()))
    assert code == 1 and checks["listener"]["status"] == "fail" and "tekton up" in checks["listener"]["remedy"]
    assert "gRPC" not in checks and checks["data directory"]["status"] == "ok"


def test_something_else_listens(tmp_path: Path) -> None:
    """It is named by what it says it is and by its process."""
    with component("hermes") as port:
        code, checks = doctor(tmp_path, TEKTON_PORT=str(port))
    assert code == 1
    assert "is not Tekton but hermes" in checks["listener"]["message"] and "pid" in checks["listener"]["message"]


def test_what_listens_says_nothing(tmp_path: Path) -> None:
    """A port that takes connections and never answers does not hold anything up."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        code, checks = doctor(tmp_path, TEKTON_PORT=str(silent.getsockname()[1]))
    assert code == 1 and "answers nothing" in checks["listener"]["message"]


def test_a_proxy_that_curl_would_ask_is_told(tmp_path: Path) -> None:
    """Without the credentials in its address."""
    more = {"TEKTON_PORT": str(free_port()), "http_proxy": "http://me:secret@proxy:1", "no_proxy": "", "NO_PROXY": ""}
    _, checks = doctor(tmp_path, **more)
    assert checks["proxy"]["status"] == "warn" and "no_proxy=localhost" in checks["proxy"]["remedy"]
    assert "secret" not in json.dumps(checks)


def test_swapped_engram_and_hermes_are_told(tmp_path: Path) -> None:
    """One of the documents prints them so."""
    more = {"HERMES_URL": "http://localhost:8000/api", "ENGRAM_URL": "http://localhost:8001/api"}
    code, checks = doctor(tmp_path, TEKTON_PORT=str(free_port()), **more)
    assert code == 1 and "Engram is 8000 and Hermes is 8001" in checks["engram, hermes"]["remedy"]


def test_a_port_of_the_metrics_that_somebody_else_has_is_told(tmp_path: Path) -> None:
    """By its setting: it has no option."""
    with closing(socket.create_server(("127.0.0.1", 0))) as holder:
        taken = holder.getsockname()[1]
        more = {"TEKTON_PORT": str(free_port()), "TEKTON_MONITORING_METRICS_PORT": str(taken)}
        _, checks = doctor(tmp_path, **more)
    assert f"monitoring.metrics_port {taken} is used by" in checks["ports"]["message"]
    assert "another monitoring.metrics_port" in checks["ports"]["remedy"]


def test_a_data_directory_that_others_may_look_into(tmp_path: Path) -> None:
    """And one that is none."""
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "file").touch()
    _, checks = doctor(tmp_path, "--data-dir", str(tmp_path / "data"))
    assert checks["data directory"]["message"].count("free") == 1
    findings = run("doctor", "--data-dir", str(tmp_path / "data"), env=environment(tmp_path), cwd=tmp_path).stdout
    assert f"-> chmod 700 {tmp_path / 'data'}" in findings
    _, checks = doctor(tmp_path, "--data-dir", str(tmp_path / "file"))
    assert checks["data directory"]["status"] == "fail" and "is no directory" in checks["data directory"]["message"]


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    """Its password is in no line."""
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/tekton"
    code, checks = doctor(tmp_path, TEKTON_DATABASE_URL=url)
    assert code == 1 and checks["PostgreSQL"]["status"] == "fail" and "secret" not in json.dumps(checks)


def config_file(home: Path, **settings: Any) -> Path:
    """Write a file of settings."""
    path = home / "tekton.json"
    path.write_text(json.dumps({"tekton": settings}))
    return path


def test_every_setting_is_shown_with_where_it_is_from(tmp_path: Path) -> None:
    """Flag, environment, file, default."""
    path = config_file(tmp_path, port=8020, log_level="debug", host="127.0.0.1", components={"heartbeat_timeout": 40})
    more = environment(tmp_path, TEKTON_PORT="8030", TEKTON_CONFIG_FILE=str(path))
    done = run("config", "show", "--log-level", "error", "-o", "json", env=more, cwd=tmp_path)
    found = {one["name"]: one for one in json.loads(done.stdout)["settings"]}
    assert (found["log_level"]["value"], found["log_level"]["source"]) == ("error", "flag")
    assert (found["port"]["source"], found["port"]["where"]) == ("environment", "TEKTON_PORT")
    assert (found["host"]["source"], found["grpc_port"]["source"]) == ("file", "default")
    assert (found["components.heartbeat_timeout"]["value"], found["components.heartbeat_timeout"]["source"]) == (
        40,
        "file",
    )
    assert found["components.heartbeat_interval"]["source"] == "default"
    assert "TEKTON_PORT" in run("config", "show", env=more, cwd=tmp_path).stdout


def test_an_option_that_may_be_repeated_and_is_not_given_hides_nothing(tmp_path: Path) -> None:
    """Not the environment, and not the default."""
    more = environment(tmp_path, TEKTON_ALLOWED_HOSTS="a.example,b.example")
    done = run("config", "show", "--trusted-proxy", "10.0.0.0/8", "-o", "json", env=more, cwd=tmp_path)
    found = {one["name"]: one for one in json.loads(done.stdout)["settings"]}
    assert (found["allowed_hosts"]["value"], found["allowed_hosts"]["source"]) == (
        ["a.example", "b.example"],
        "environment",
    )
    assert (found["trusted_proxies"]["value"], found["trusted_proxies"]["source"]) == (["10.0.0.0/8"], "flag")
    plain = run("config", "show", "-o", "json", env=environment(tmp_path), cwd=tmp_path)
    sources = {one["name"]: one["source"] for one in json.loads(plain.stdout)["settings"]}
    assert set(sources.values()) <= {"default", "environment"} and sources["allowed_hosts"] == "default"


def test_a_start_tells_every_setting_that_is_wrong(tmp_path: Path) -> None:
    """And `tekton config show` ends with the same exit code, which is that of a wrong call."""
    path = config_file(tmp_path, port=0, log_level="loud")
    up = run("up", "--config", str(path), "--grpc-port", "x", env=environment(tmp_path), cwd=tmp_path)
    assert up.returncode == 2
    for words in (f"{path}:1:21: port must be", ": log_level must be", "--grpc-port must be"):
        assert words in up.stderr
    shown = run("config", "show", "--config", str(path), env=environment(tmp_path), cwd=tmp_path)
    assert shown.returncode == 2 and "loud" in shown.stdout


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@db/tekton",
        "postgresql://me:s3@cret/s3cret@db/tekton",
        "postgresql://db/tekton?user=me&password=s3cret",
        "host=db password=s3cret",
    ],
)
def test_a_password_is_never_shown(tmp_path: Path, url: str) -> None:
    """Wherever in the address it stands."""
    for form in ("table", "json", "yaml"):
        done = run("config", "show", "-o", form, env=environment(tmp_path, TEKTON_DATABASE_URL=url), cwd=tmp_path)
        assert "cret" not in done.stdout.replace("secret", "") + done.stderr and "***" in done.stdout


def test_check_tells_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    """Each in a sentence, misspelt keys with what was meant; exit code 2."""
    path = config_file(tmp_path, prot=1, port=0, log_level="loud", components={"heartbeat_timeuot": 1})
    done = run("config", "check", str(path), env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    for words in ("did you mean port?", ": port must", ": log_level must", "mean components.heartbeat_timeout?"):
        assert words in done.stderr
    good = config_file(tmp_path, port=8020)
    fine = run("config", "check", str(good), env=environment(tmp_path), cwd=tmp_path)
    assert fine.returncode == 0 and fine.stdout == f"ok: {good}\n"
    assert run("config", "check", "nosuch.json", env=environment(tmp_path), cwd=tmp_path).returncode == 2
