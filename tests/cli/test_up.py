"""`tekton up` as a process: it comes up in order, says where, stops in order, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from grpc import aio

from tekton.v1 import registry_service_pb2 as pb
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tests.support.ports import free_port
from tests.support.postgres import Cluster, running_cluster
from tests.support.processes import Up, environment

pytestmark = pytest.mark.timeout(60)

ANSI = "\x1b"
COMPONENTS = "/api/tekton/components"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for the tests of this module, one after the other: each start also proves the stop before."""
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    return free_port()


def register(up: Up, name: str, port: int = 9000) -> httpx.Response:
    """Register a component."""
    body = {
        "component_id": name,
        "component_name": name,
        "version": "1.0.0",
        "component_type": "service",
        "instance_uuid": str(uuid4()),
        "host": "localhost",
        "port": port,
        "capabilities": [],
        "dependencies": [],
    }
    return httpx.post(f"{up.url}{COMPONENTS}", json=body, timeout=20)


def names(up: Up) -> set[str]:
    """Give the components there are."""
    rows = httpx.get(f"{up.url}{COMPONENTS}", timeout=10).json()["components"]
    return {row["component_id"] for row in rows}


def failed(up: Up) -> str:
    """Wait for a failure; give the one sentence it ends with."""
    assert up.wait() == 1
    assert "Traceback" not in up.text
    assert up.lines[-1].startswith("tekton: "), up.text
    return up.lines[-1].removeprefix("tekton: ")


def test_the_phases_come_in_order_then_the_addresses_and_a_command_to_try(data_dir: Path, port: int) -> None:
    """Piped, it is plain text: every step on a line of its own, no colours, no spinner, nothing on the next line."""
    with Up(data_dir, port) as up:
        before = set()
        while (status := up.status()) != 200 and up.running and time.monotonic() - up.began < 20:
            before.add(status)
            time.sleep(0.01)
        up.ready()
        assert "uvloop" in Path(f"/proc/{up.pid}/maps").read_text()
        # Only the last phase makes it ready; before, nobody answers or 503 does.
        assert before <= {None, 503}
        assert "ready        serving" in up.until("5/5")
        phases = re.findall(r"(?m)^ +\d+\.\d\ds  (\d)/5 (\w+) ", up.text)
        assert list(dict.fromkeys(phases)) == [
            ("1", "environment"),
            ("2", "dependencies"),
            ("3", "startup"),
            ("4", "verification"),
            ("5", "ready"),
        ]
        assert ANSI not in up.text and "\r" not in up.text
        assert f"Tekton is ready  {up.url}" in up.text
        up.until(f"data         {data_dir}")
        curl = up.until("curl http").partition("curl ")[2]
        assert httpx.get(curl).status_code == 200
        assert up.stop() == 0
        assert up.lines[-2:] == ["stopping (once more to force it)", "stopped"]


def test_a_second_start_is_ready_within_three_seconds_of_the_stop(data_dir: Path, port: int) -> None:
    """Measured from the signal; one in eight tries must do it, for other programs may hold the machine."""
    with Up(data_dir, port) as up:
        up.ready()
        register(up, "kept")
        taken = []
        running = up
        with ExitStack() as stack:
            for _ in range(8):
                began = time.monotonic()
                assert running.stop(signal.SIGTERM) == 0
                running = stack.enter_context(Up(data_dir, port))
                running.answers()
                taken.append(time.monotonic() - began)
                if taken[-1] < 3:
                    break
            assert min(taken) < 3, taken
            assert "kept" in names(running)
            assert running.stop() == 0


def test_kill_9_leaves_nothing_and_the_next_start_works_at_once(data_dir: Path, port: int) -> None:
    """The same port and the same data, with no pause between."""
    with Up(data_dir, port) as first:
        first.ready()
        assert register(first, "survivor", 9010).status_code == 201
        first.send(signal.SIGKILL)
        with Up(data_dir, port) as second:
            second.ready()
            # Those of the first are gone; what works on the directory now is the second's.
            assert "survivor" in names(second)
            assert second.stop() == 0
        first.nothing_is_left()


@pytest.mark.parametrize("moment", ["1/5", "creating the database", "starting the gateway", 0.3])
def test_a_stop_during_the_start_leaves_nothing(tmp_path: Path, port: int, moment: str | float) -> None:
    """Whatever it is about to start then."""
    with Up(tmp_path / "data", port) as up:
        if isinstance(moment, str):
            up.until(moment)
        else:
            time.sleep(moment)
        # Before it has anything to stop, the signal may simply end it.
        assert up.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
        assert "Traceback" not in up.text


async def read_events(up: Up, opened: asyncio.Semaphore) -> str:
    """Read a stream of events to its end."""
    last = ""
    address = f"{up.url}/events/tekton/registry"
    async with httpx.AsyncClient(timeout=None) as client, client.stream("GET", address) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                last = line
            if line == "event: snapshot_end":
                opened.release()
    return last


async def read_watch(up: Up, opened: asyncio.Semaphore) -> str:
    """Read a gRPC watch to its end."""
    async with aio.insecure_channel(up.url.removeprefix("http://")) as channel:
        async for message in registry_grpc.RegistryServiceStub(channel).WatchRegistry(pb.WatchRegistryRequest()):
            if message.phase == pb.WatchRegistryResponse.PHASE_SNAPSHOT_END:
                opened.release()
    return "OK"


async def read_until_stopped(up: Up, count: int) -> list[str]:
    """Open streams of both kinds, have it stop, and give how each ended."""
    opened = asyncio.Semaphore(0)
    readers = [asyncio.create_task(read(up, opened)) for read in (read_events, read_watch) for _ in range(count)]
    for _ in readers:
        await asyncio.wait_for(opened.acquire(), 20)
    up.send(signal.SIGTERM)
    return await asyncio.gather(*readers)


def test_open_streams_hear_the_end_and_do_not_hold_the_stop_up(data_dir: Path, port: int) -> None:
    """20 readers of events and 20 gRPC watches."""
    with Up(data_dir, port) as up:
        up.ready()
        ends = asyncio.run(read_until_stopped(up, 20))
        began = time.monotonic()
        assert up.wait() == 0
        assert time.monotonic() - began < 8
        assert ends == ["event: end"] * 20 + ["OK"] * 20


def test_the_stop_has_a_deadline_and_then_kills(data_dir: Path, port: int) -> None:
    """A child that does not react any more cannot hold it up."""
    with Up(data_dir, port) as up:
        up.ready()
        for child in ("postgres", "envoy"):
            up.child(child).suspend()
        began = time.monotonic()
        assert up.stop() == 0
        assert time.monotonic() - began < 12


def test_a_second_signal_forces_the_end(data_dir: Path, port: int) -> None:
    """For whoever will not wait; the same press passed on twice does not count."""
    with Up(data_dir, port) as up:
        up.ready()
        up.child("postgres").suspend()
        up.meet_family()
        up.send(signal.SIGINT)
        up.send(signal.SIGTERM)
        up.until("stopping")
        time.sleep(0.5)
        assert up.status() != 200
        began = time.monotonic()
        assert up.stop() == 128 + signal.SIGINT
        assert time.monotonic() - began < 4


def test_in_json_every_line_is_an_object(data_dir: Path, port: int) -> None:
    """The start, the addresses and the stop too: what reads the log reads all of it."""
    with Up(data_dir, port, "--log-format", "json") as up:
        up.ready()
        assert up.stop() == 0
        records = [json.loads(line) for line in up.lines]
        assert {"message", "level", "timestamp", "logger"} <= set.intersection(*(set(record) for record in records))
        assert [record["step"] for record in records if "step" in record][-1] == 5
        assert next(record for record in records if "url" in record)["url"] == up.url
    log = (data_dir / "logs" / "tekton.log").read_text()
    assert "start-up 5/5 ready: serving" in log


def test_in_json_a_failure_is_an_object_too(data_dir: Path, port: int) -> None:
    """So that nothing has to be parsed by eye."""
    with socket.create_server(("127.0.0.1", port)), Up(data_dir, port, "--log-format", "json") as up:
        assert up.wait() == 1
        last = [json.loads(line) for line in up.lines][-1]
        assert last["level"] == "error" and last["message"].startswith(f"127.0.0.1:{port} is taken")


def test_in_json_a_part_that_is_started_again_is_told(data_dir: Path, port: int) -> None:
    """With what happened, and when it runs again."""
    with Up(data_dir, port, "--log-format", "json") as up:
        up.ready()
        up.child("envoy").kill()
        up.until("the gateway (Envoy) runs again")
        told = [json.loads(line)["message"] for line in up.lines]
        assert any(one.startswith("the gateway (Envoy) ended unexpectedly (killed by signal 9") for one in told)
        assert up.stop() == 0


def test_a_closed_stdin_and_a_reader_that_leaves_change_nothing(data_dir: Path, port: int) -> None:
    """Descriptors 0 and 1 must not become a lock's, and nobody has to read."""
    # The first line is read and then nobody reads any more.
    script = 'exec 0<&- ; "$@" 2>&1 >&- | head -n 1'
    with Up(data_dir, port, before=["bash", "-c", script, "bash"]) as up:
        up.answers()
        assert len(up.lines) == 1
        (tekton,) = (one for one in up._family if "up" in one.cmdline() and one.name() != "bash")
        tekton.terminate()
        up.wait()


@pytest.mark.parametrize("colours", [True, False], ids=["colours", "NO_COLOR"])
def test_on_a_terminal_it_has_colours_unless_they_are_declined(data_dir: Path, port: int, colours: bool) -> None:
    """A terminal is told by being one."""
    env = environment(data_dir.parent, TERM="xterm-256color", **({} if colours else {"NO_COLOR": "1"}))
    with Up(data_dir, port, env=env, terminal=True) as up:
        up.ready()
        assert up.stop() == 0
    coloured = re.findall("\x1b\\[[0-9;]*3[1-7]m", up.text)
    assert bool(coloured) == colours


def test_a_failure_half_way_stops_what_was_started(data_dir: Path, port: int) -> None:
    """The gateway cannot write its files, after PostgreSQL and the server are up."""
    blocked = data_dir / "gateway" / "envoy.json"
    with Up(data_dir, port) as up:
        up.ready()
        assert up.stop() == 0
    blocked.unlink()
    blocked.mkdir()
    try:
        with Up(data_dir, port) as up:
            sentence = failed(up)
            assert "starting the gateway" in up.text
            assert "unexpected" in sentence and str(data_dir / "logs" / "tekton.log") in sentence
    finally:
        blocked.rmdir()
    assert "IsADirectoryError" in (data_dir / "logs" / "tekton.log").read_text()


@pytest.mark.parametrize("which", ["--port", "--grpc-port"])
def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path, port: int, which: str) -> None:
    """With the option that chooses another."""
    with closing(socket.create_server(("127.0.0.1", 0))) as holder:
        taken = holder.getsockname()[1]
        with Up(tmp_path / "data", port, which, str(taken)) as up:
            sentence = failed(up)
    assert sentence.startswith(f"127.0.0.1:{taken} is taken by another process")
    assert f"({which} or TEKTON_{which.strip('-').replace('-', '_').upper()})" in sentence
    assert "dependencies" not in up.text
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_taken_port_of_the_metrics_is_told_with_its_setting(tmp_path: Path, port: int) -> None:
    """Before anything is started too."""
    with closing(socket.create_server(("127.0.0.1", 0))) as holder:
        taken = holder.getsockname()[1]
        env = environment(tmp_path, TEKTON_MONITORING_METRICS_PORT=str(taken))
        with Up(tmp_path / "data", port, env=env) as up:
            sentence = failed(up)
    assert sentence.startswith(f"127.0.0.1:{taken} is taken by another process")
    assert "(monitoring.metrics_port in tekton.json, or TEKTON_MONITORING_METRICS_PORT)" in sentence
    assert "dependencies" not in up.text and not (tmp_path / "data" / "postgres").exists()


def test_a_locked_data_directory_names_its_owner(data_dir: Path, port: int) -> None:
    """And the one that has it goes on undisturbed."""
    with Up(data_dir, port) as first:
        first.ready()
        with Up(data_dir, free_port()) as second:
            assert second._process.wait(20) == 1
            second._reader.join(5)
            assert f"in use by another Tekton (pid {first.pid})" in second.lines[-1]
            assert "--data-dir" in second.lines[-1]
        assert first.status() == 200
        assert first.stop() == 0


def test_a_direct_grpc_port_serves_beside_the_gateway(data_dir: Path, port: int) -> None:
    """Only when it is asked for."""

    async def health(target: str) -> None:
        async with aio.insecure_channel(target) as channel:
            await registry_grpc.RegistryServiceStub(channel).ListComponents(pb.ListComponentsRequest(), timeout=10)

    direct = free_port()
    with Up(data_dir, port, "--grpc-port", str(direct)) as up:
        up.ready()
        up.until(f"direct gRPC  127.0.0.1:{direct}")
        asyncio.run(health(f"127.0.0.1:{direct}"))
        assert up.stop() == 0


def test_every_address_is_shown_as_one_that_can_be_called(data_dir: Path, port: int) -> None:
    """0.0.0.0 is an address to listen on only."""
    with Up(data_dir, port, "--host", "0.0.0.0", "--insecure") as up:
        up.ready()
        assert f"Tekton is ready  http://127.0.0.1:{port}" in up.text
        up.until("by others, at 0.0.0.0, without authentication")
        assert up.stop() == 0


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL that is not Tekton's own."""
    with running_cluster(tmp_path_factory.mktemp("pg")) as running:
        yield running


def test_an_external_database_may_restart(external: Cluster, tmp_path: Path, port: int) -> None:
    """Reads go on meanwhile; writes are refused with a hint when to come back, and recover by themselves."""
    url = external.new_database()
    with Up(tmp_path / "data", port, "--database-url", url) as up:
        up.ready()
        up.until("database     postgresql://tekton@")
        assert {one.name() for one in up._family} & {"postgres", "envoy"} == {"envoy"}
        assert register(up, "before").status_code == 201
        external.call(external._postgres.stop())
        refused = register(up, "during", 9001)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["reason"] == "unavailable"
        assert "before" in names(up)
        assert up.status() == 503 and up.status("/api/health") == 200
        external.call(external._postgres.start())
        until = time.monotonic() + 10
        while (answer := register(up, "after", 9002)).status_code == 503 and time.monotonic() < until:
            time.sleep(0.1)
        assert answer.status_code in (200, 201), answer.text
        assert up.stop() == 0
        assert "Traceback" not in up.text
    with Up(tmp_path / "data", port, "--database-url", url) as up:
        up.ready()
        assert {"before", "after"} <= names(up)
        assert up.stop() == 0


def test_a_stop_while_the_database_is_down_is_in_time(external: Cluster, tmp_path: Path, port: int) -> None:
    """What cannot be stored any more does not hold it up."""
    with Up(tmp_path / "data", port, "--database-url", external.new_database()) as up:
        up.ready()
        register(up, "one")
        external.call(external._postgres.stop())
        try:
            began = time.monotonic()
            assert up.stop() == 0
            assert time.monotonic() - began < 8
        finally:
            external.call(external._postgres.start())


def test_a_database_of_a_newer_tekton_is_refused(external: Cluster, tmp_path: Path, port: int) -> None:
    """Its schema is not known here, and is left alone."""
    url = external.new_database()
    sql = "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('9999')"

    async def advance() -> None:
        connection = await external._postgres._connect(url.partition("?")[0].rpartition("/")[2])
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    external.call(advance())
    with Up(tmp_path / "data", port, "--database-url", url) as up:
        assert failed(up).startswith("the database has schema 9999, which this Tekton does not know")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "cannot be used ([Errno 111] Conn"),
        ("postgres://u:hunter2@127.0.0.1:1/x", "start it, or leave database_url out"),
        ("postgresql://u:hunter2@nosuch.invalid/x", "cannot be used ("),
        ("postgresql://u:hunter2@127.0.0.1:99999/x", "the port 99999 in the database URL is none; use "),
        ("mysql://u:hunter2@h/x", "must start with postgresql://"),
        ("postgresql://u:hunter2@h:abc/x", "use postgresql://user:password@host:5432/name"),
        ("hunter2", "use postgresql://user:password@host:5432/name"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, port: int, url: str, words: str
) -> None:
    """Neither on the console nor in the log."""
    with Up(tmp_path / "data", port, env=environment(tmp_path, TEKTON_DATABASE_URL=url)) as up:
        assert words in failed(up)
    logs = [path.read_text() for path in (tmp_path / "data").glob("logs/*.log")]
    assert not any("hunter2" in text for text in (up.text, *logs))


def test_a_database_that_does_not_know_us_says_so(external: Cluster, tmp_path: Path, port: int) -> None:
    """In the database's own words."""
    url = external.new_database()
    missing = re.sub(r"/test_\d+\?", "/nosuch?", url)
    with Up(tmp_path / "data", port, "--database-url", missing) as up:
        assert 'does not let Tekton in (database "nosuch" does not exist)' in failed(up)


def test_it_ends_with_its_terminal_unless_it_was_told_not_to(data_dir: Path, port: int) -> None:
    """SIGHUP is a stop in order."""
    with Up(data_dir, port) as up:
        up.ready()
        assert up.stop(signal.SIGHUP) == 0
        assert up.lines[-1] == "stopped"
    with Up(data_dir, port, before=["nohup"]) as up:
        up.ready()
        up.send(signal.SIGHUP)
        time.sleep(0.3)
        assert up.status() == 200
        assert up.stop() == 0


def test_no_output_at_all_is_no_obstacle(data_dir: Path, port: int) -> None:
    """All three standard streams are closed."""
    with Up(data_dir, port, before=["bash", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "bash"]) as up:
        up.answers()
        assert up.stop() == 0
