"""What docker compose would run, run without Docker: the commands and settings of docker-compose.yml, as processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tekton.v1 import system_service_pb2 as system_pb
from tekton.v1 import system_service_pb2_grpc as system_grpc
from tests.deploy.pieces import Deployment, Piece
from tests.support.client import new_id, registration
from tests.support.ports import free_port
from tests.support.postgres import Cluster
from tests.support.processes import environment, run
from tests.support.sse import events

pytestmark = pytest.mark.timeout(60)

COMPONENTS = "/api/tekton/components"
UNREACHABLE = "The server cannot be reached now; nothing was done. Try again."


@pytest.fixture
def deployment(cluster: Cluster, tmp_path: Path) -> Deployment:
    """A deployment on a database of its own, without a schema yet."""
    return Deployment(cluster.new_database(), tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Whatever a test starts ends with it."""
    with ExitStack() as opened:
        yield opened


def body(**fields: Any) -> dict[str, Any]:
    """Make a registration as JSON."""
    return MessageToDict(registration(**fields), preserving_proto_field_name=True)


def test_a_schema_is_made_once_and_its_lack_is_told(deployment: Deployment) -> None:
    """Looking changes nothing; several at once are one that does it and others that find it done."""
    looked = deployment.run("--check")
    assert (looked.returncode, "no schema yet" in looked.stdout) == (1, True)
    assert deployment.run("--check").returncode == 1
    command, env = deployment.of("migrate")
    several = [Piece(command, env, deployment.home) for _ in range(3)]
    assert [one.ended() for one in several] == [0, 0, 0]
    assert sorted("nothing is to do" in one.lines[-1] for one in several) == [False, True, True]
    again = deployment.run("--check")
    assert (again.returncode, "nothing is to do" in again.stdout) == (0, True)


def test_what_cannot_be_migrated_is_told_apart(deployment: Deployment) -> None:
    """No database named, none there, a password that cannot be read: none of them is `something is to do`."""

    def ended(**env: str) -> tuple[int, str]:
        found = run("migrate", "--check", env=environment(deployment.home) | env, cwd=deployment.home)
        return found.returncode, found.stderr

    nowhere = f"postgresql://me@127.0.0.1:{free_port()}/x"
    code, said = ended()
    assert code == 2 and "set --database-url or TEKTON_DATABASE_URL" in said
    code, said = ended(TEKTON_DATABASE_URL=nowhere)
    assert code == 4 and "start it, or correct the address" in said
    code, said = ended(TEKTON_DATABASE_URL=nowhere, TEKTON_DATABASE_PASSWORD_FILE="/nowhere")
    assert code == 2 and "/nowhere cannot be read (No such file or directory)" in said
    secret = nowhere.replace("me@", "me:hunter2@")
    code, said = ended(TEKTON_DATABASE_URL=secret, TEKTON_DATABASE_PASSWORD_FILE=str(deployment.password))
    assert code == 2 and "leave one of them out" in said and "hunter2" not in said


async def test_the_composed_pieces_serve_together_and_outlive_a_dead_server(
    deployment: Deployment, stack: ExitStack
) -> None:
    """What is registered over REST is seen over SSE; while the server is gone the gateway answers 503, then goes on."""
    assert deployment.run().returncode == 0
    gateway = stack.enter_context(deployment.start("envoy"))
    refused = deployment.until(503).json()["error"]
    assert (refused["reason"], refused["message"]) == ("unavailable", UNREACHABLE)
    assert deployment.probe(f"127.0.0.1:{deployment.port}") == 4
    server = stack.enter_context(deployment.start("server"))
    deployment.until(200)
    assert deployment.probe(f"127.0.0.1:{deployment.port}") == 0
    assert deployment.probe(f"127.0.0.1:{deployment.server_port}") == 0

    kept, later = body(), body()
    async with events(f"{deployment.url}/events/tekton/registry?component_ids={kept['component_id']}") as stream:
        while (await stream.next()).name != "snapshot_end":
            pass
        async with httpx.AsyncClient(base_url=deployment.url) as http:
            assert (await http.post(COMPONENTS, json=kept)).status_code == 201
        assert (await stream.next()).data["definition"]["component_id"] == kept["component_id"]

    server.kill()
    refused = deployment.until(503).json()["error"]
    assert (refused["reason"], refused["message"]) == ("unavailable", UNREACHABLE)
    again = stack.enter_context(deployment.start("server"))
    deployment.until(200, f"{COMPONENTS}/{kept['component_id']}")
    async with httpx.AsyncClient(base_url=deployment.url) as http:
        assert (await http.post(COMPONENTS, json=later)).status_code == 201
        assert (await http.get(f"{COMPONENTS}/tekton_core")).json()["port"] == deployment.port

    assert again.stop() == 0 and again.said("stopped")
    assert gateway.process.poll() is None
    assert gateway.stop() == 0
    # Every line of both is an object, Envoy's too; and nothing was written to disk.
    assert all("message" in json.loads(line) for one in (again, gateway) for line in one.lines)
    assert os.listdir(deployment.home) == ["password"]


async def test_behind_one_gateway_calls_go_on_when_one_of_two_servers_dies(
    deployment: Deployment, stack: ExitStack
) -> None:
    """Not one unary call fails, natively or over REST; the dead one is left out, and taken in again once it serves."""
    assert deployment.run().returncode == 0
    other = free_port()
    first = stack.enter_context(deployment.start("server"))
    second = stack.enter_context(deployment.start("server", other))
    more = ["--upstream", f"127.0.0.1:{other}"]
    stack.enter_context(deployment.start("envoy", more=more))
    deployment.until(200)
    ids = [new_id() for _ in range(3)]
    async with (
        httpx.AsyncClient(base_url=deployment.url) as http,
        grpc.aio.insecure_channel(f"127.0.0.1:{deployment.port}") as channel,
    ):
        registry = registry_grpc.RegistryServiceStub(channel)

        async def all_is_well(count: int) -> None:
            for _ in range(count):
                assert (await http.get(COMPONENTS)).status_code == 200
                await registry.ListComponents(registry_pb.ListComponentsRequest(), timeout=5)

        for killed, component_id in zip((first, second), ids, strict=False):
            assert (await http.post(COMPONENTS, json=body(component_id=component_id))).status_code == 201
            killed.kill()
            await all_is_well(20)
            assert (await http.get(f"{COMPONENTS}/{component_id}")).status_code == 200
            if killed is first:
                stack.enter_context(deployment.start("server"))
        assert (await http.post(COMPONENTS, json=body(component_id=ids[-1]))).status_code == 201


def test_each_of_several_servers_is_scraped_itself(deployment: Deployment, stack: ExitStack) -> None:
    """Without a gateway, each on a port of its own."""

    def serve(scraped: int, direct: int) -> Piece:
        command, env = deployment.of("server", direct)
        return Piece(command, env | {"TEKTON_MONITORING_METRICS_PORT": str(scraped)}, deployment.home).until("runs at")

    def calls(scraped: int) -> float:
        """How many calls of one method a server has answered."""
        reply = httpx.get(f"http://127.0.0.1:{scraped}/metrics")
        assert reply.status_code == 200 and "\ntekton_ready 1.0\n" in reply.text
        asked = {"service": "tekton.v1.SystemService", "method": "Health", "code": "OK"}
        samples = (one for family in text_string_to_metric_families(reply.text) for one in family.samples)
        return sum(one.value for one in samples if one.name == "tekton_calls_total" and one.labels == asked)

    ports = [(free_port(), free_port()) for _ in range(2)]
    servers = [stack.enter_context(serve(*pair)) for pair in ports]
    told = json.loads(next(line for line in servers[0].lines if "runs at" in line))
    assert told["metrics"] == f"http://127.0.0.1:{ports[0][0]}/metrics"
    with grpc.insecure_channel(f"127.0.0.1:{ports[1][1]}") as channel:
        system_grpc.SystemServiceStub(channel).Health(system_pb.HealthRequest(), timeout=5)
    assert [calls(scraped) for scraped, _ in ports] == [0, 1]
    assert [one.stop() for one in servers] == [0, 0]
    both = free_port()
    command, env = deployment.of("server", both)
    refused = Piece(command, env | {"TEKTON_MONITORING_METRICS_PORT": str(both)}, deployment.home)
    assert refused.ended() == 2 and "monitoring.metrics_port must differ from grpc_port" in "\n".join(refused.lines)


def test_a_server_alone_stops_in_order_at_either_signal(deployment: Deployment, stack: ExitStack) -> None:
    """With exit code 0; it made its own schema, and has no gateway and no database to leave behind."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = stack.enter_context(deployment.start("server"))
        assert server.stop(number) == 0
        assert json.loads(server.lines[-1])["message"] == "stopped"


def test_the_rendered_bootstrap_is_complete(deployment: Deployment) -> None:
    """For an Envoy of somebody's own, such as the official image: it names no file of ours."""
    rendered = deployment.run("--render", name="envoy")
    assert rendered.returncode == 0
    bootstrap = json.loads(rendered.stdout)
    assert [one["name"] for one in bootstrap["static_resources"]["clusters"]] == ["tekton_streams", "tekton_unary"]
    assert "tekton.binpb" not in rendered.stdout and str(deployment.home) not in rendered.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["serve"], "a server alone needs a database"),
        (["serve", "--host", "0.0.0.0"], "there is no authentication"),
        (["serve", "--trusted-proxy", "proxy"], "--trusted-proxy must be a list of networks"),
        (["gateway"], "missing option '--upstream'"),
        (["gateway", "--upstream", "server"], "--upstream must be HOST:PORT"),
        (["gateway", "--upstream", "http://server:8011"], "--upstream must be HOST:PORT"),
        (["gateway", "--upstream", "server:8011", "--host", "0.0.0.0"], "there is no authentication"),
        (["gateway", "--upstream", "server:8011", "--allowed-host", "a:1"], "allowed_hosts has 'a:1': name hosts only"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(command: list[str], said: str, tmp_path: Path) -> None:
    """With the exit code of a wrong command line."""
    found = run(*command, env=environment(tmp_path), cwd=tmp_path)
    assert found.returncode == 2
    assert said in found.stderr and "Traceback" not in found.stderr
