"""Dockerfile and docker-compose.yml, as far as they can be judged without Docker: nothing in them is made up."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from tekton_server.cli.commands import app
from tekton_server.config import ENVIRONMENT, load
from tests.deploy import composed
from tests.deploy.composed import ROOT, Service

SERVICES = composed.services()
OURS = [service for service in SERVICES.values() if service.is_ours]
VARIABLES = {variable for variables in ENVIRONMENT.values() for variable in variables}
# Of the compose specification, what the file makes use of: a misspelt key would be refused, or do nothing.
SERVICE_KEYS = {
    *("image", "build", "command", "hostname", "environment", "secrets", "cap_add", "cap_drop", "tmpfs", "shm_size"),
    *("volumes", "networks", "healthcheck", "restart", "stop_grace_period", "read_only", "security_opt", "logging"),
    *("depends_on", "ports"),
}
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "disable"}
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
DOCKERFILE = composed.instructions((ROOT / "Dockerfile").read_text())


def each(services: list[Service]) -> Any:
    return pytest.mark.parametrize("service", services, ids=lambda service: service.name)


def given(instruction: str) -> list[str]:
    return [rest for word, rest in DOCKERFILE if word == instruction]


def understood(words: list[str]) -> None:
    """Let the command line be read, and not run."""
    root: Any = get_command(app)
    command = root.commands[words[0]]
    with typer.Context(root, info_name="tekton") as parent:
        command.make_context(words[0], list(words[1:]), parent=parent)


def test_there_are_the_documented_services() -> None:
    """Their names are addresses, too."""
    assert list(SERVICES) == ["postgres", "migrate", "server", "envoy"]
    assert [service.command[0] for service in OURS] == ["migrate", "serve", "gateway"]


@each(list(SERVICES.values()))
def test_a_service_has_no_key_that_compose_does_not_know(service: Service) -> None:
    """And refers only to networks, volumes and secrets that are declared."""
    assert set(service.given) <= SERVICE_KEYS
    assert set(service.given.get("healthcheck", {})) <= HEALTH_KEYS
    whole = composed.read()
    assert set(service.given["networks"]) <= set(whole["networks"])
    assert set(service.given.get("secrets", ())) <= set(whole["secrets"])
    assert {one.partition(":")[0] for one in service.given.get("volumes", ())} <= set(whole["volumes"])


@each(OURS)
def test_every_command_and_health_check_is_one_of_the_command_line(service: Service) -> None:
    """With its options."""
    understood(service.command)
    if service.health_check:
        assert service.health_check[:2] == ["CMD", "tekton"]
        understood(service.health_check[2:])


@each(OURS)
def test_every_variable_is_a_setting_and_together_they_are_accepted(service: Service) -> None:
    """As the command would read them; a file of a password is a secret of that service."""
    assert set(service.environment) <= VARIABLES
    load({}, service.environment)
    file = service.environment.get("TEKTON_DATABASE_PASSWORD_FILE")
    assert file is None or file.removeprefix("/run/secrets/") in service.given["secrets"]


@each(list(SERVICES.values()))
def test_a_service_waits_only_for_what_will_come(service: Service) -> None:
    """For health where there is a health check, for an end where there is one."""
    for name, wait in service.given.get("depends_on", {}).items():
        other = SERVICES[name]
        match wait["condition"]:
            case "service_healthy":
                assert other.health_check
            case "service_completed_successfully":
                assert other.given["restart"] == "no"
            case condition:
                assert condition == "service_started"


@each(list(SERVICES.values()))
def test_a_container_can_do_little(service: Service) -> None:
    """It writes to its volumes and to memory, has no capability that it does not name, and cannot gain one."""
    assert service.given["read_only"] is True
    assert service.given["cap_drop"] == ["ALL"] and service.given["security_opt"] == ["no-new-privileges:true"]
    assert ("cap_add" in service.given) == (service.name == "postgres")


def test_the_ports_agree() -> None:
    """The gateway is published on the loopback alone, calls the server where it listens, and both are probed there."""
    server, envoy = SERVICES["server"], SERVICES["envoy"]
    assert envoy.given["ports"] == [f"127.0.0.1:8010:{envoy.environment['TEKTON_PORT']}"]
    assert [one for one in SERVICES.values() if "ports" in one.given] == [envoy]
    port = server.environment["TEKTON_GRPC_PORT"]
    assert envoy.command == ["gateway", "--upstream", f"server:{port}"]
    assert server.health_check[-1] == f"127.0.0.1:{port}"
    assert envoy.health_check[-1] == f"127.0.0.1:{envoy.environment['TEKTON_PORT']}"
    # In its registry Tekton is where the gateway is.
    assert server.environment["TEKTON_PORT"] == envoy.environment["TEKTON_PORT"]
    assert server.given["hostname"] in envoy.given["networks"]["fleet"]["aliases"]
    assert server.given["hostname"] in envoy.environment["TEKTON_ALLOWED_HOSTS"].split(",")


def test_only_the_server_and_the_migration_reach_the_database_and_only_the_gateway_the_server() -> None:
    """The networks keep the rest out: nobody else may be believed to be the gateway."""
    on = {name: {one for one in SERVICES if name in SERVICES[one].given["networks"]} for name in ("storage", "inside")}
    assert on == {"storage": {"postgres", "migrate", "server"}, "inside": {"server", "envoy"}}
    assert all(composed.read()["networks"][name] == {"internal": True} for name in on)


def test_the_database_is_the_one_that_postgres_makes() -> None:
    """The same user, name, port and password."""
    postgres, server = SERVICES["postgres"], SERVICES["server"]
    user, name = postgres.environment["POSTGRES_USER"], postgres.environment["POSTGRES_DB"]
    assert server.environment["TEKTON_DATABASE_URL"] == f"postgresql://{user}@postgres:5432/{name}"
    assert server.environment["TEKTON_DATABASE_PASSWORD_FILE"] == postgres.environment["POSTGRES_PASSWORD_FILE"]
    assert (ROOT / composed.read()["secrets"]["database_password"]["file"]).read_text().strip()


def test_the_image_is_small_unprivileged_and_stops_when_asked() -> None:
    """Slim, without pip, as a user of no privilege; the documented port, volume and settings."""
    assert set(given("FROM")) == {"${PYTHON} AS build", "${PYTHON}"} and given("ARG")[0] == "PYTHON=python:3.11-slim"
    final = DOCKERFILE[[word for word, _ in DOCKERFILE].index("FROM", 2) :]
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /opt/tekton /opt/tekton"]
    [user] = given("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert given("STOPSIGNAL") == ["SIGTERM"] and given("EXPOSE") == ["8010"] and given("VOLUME") == ['["/data"]']
    [variables] = given("ENV")
    set_there = dict(re.findall(r"(TEKTON_\w+)=(\S+)", variables))
    assert set_there == {"TEKTON_HOST": "0.0.0.0", "TEKTON_PORT": "8010", "TEKTON_DATA_DIR": "/data"}
    assert set(set_there) <= VARIABLES
    assert not re.search("(?i)password|secret|token", (ROOT / "Dockerfile").read_text())


def test_what_the_image_runs_is_a_command_of_ours() -> None:
    """The default is `tekton up`, the health check `tekton probe`."""
    assert given("ENTRYPOINT") == ['["tekton"]']
    understood(json.loads(given("CMD")[0]))
    understood(json.loads(given("HEALTHCHECK")[0].partition(" CMD ")[2])[1:])


def test_the_build_copies_what_there_is_and_sees_nothing_else() -> None:
    """All that is copied exists and is let in; a checkout, data or secrets are not."""
    sources = [source for rest in given("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert IGNORED[1] == "*"
    assert {line[1:] for line in IGNORED if line.startswith("!")} == set(sources)
    assert all((ROOT / source).exists() for source in sources)
    hidden = [line for line in IGNORED if line and line[0] not in "!#*"]
    assert not [source for source in sources for line in hidden if fnmatch.fnmatch(source, line)]
    wheel = (ROOT / "pyproject.toml").read_text()
    packages = re.findall(r'^    "((?:clients|server|gateway|migrations)/[\w/]+)",$', wheel, re.MULTILINE)
    assert packages and all(any(Path(one).is_relative_to(source) for source in sources) for one in packages)
