"""The way to Tekton: what an HTTP client such as curl meets on it, and who listens where."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import httpx

from tekton._channel import Target
from tekton.core.errors import CORE_COMPONENT
from tekton.core.ids import bracketed, is_loopback
from tekton_server.cli.doctor.finding import Finding, fail, ok, warn
from tekton_server.cli.doctor.sockets import listeners
from tekton_server.config import Settings

_PATIENCE = 1.5
# The documents' ports of the two that are most often taken for each other.
_DOCUMENTED = {"engram": 8000, "hermes": 8001}
_FORBIDDEN = 403


class Answer(NamedTuple):
    """What is behind a port. `component` is what it says it is; `trouble` why it says nothing."""

    listens: bool
    component: str = ""
    about: str = ""
    trouble: str = ""
    status: int = 0

    @property
    def is_tekton(self) -> bool:
        """Whether it is Tekton, even one that refuses the name by which it was called."""
        return self.component == CORE_COMPONENT or self.about == "tekton"


def is_here(host: str) -> bool:
    """Tell whether a host is this machine, as far as its name says."""
    return is_loopback(host.lower())


def way(target: Target) -> Iterator[Finding]:
    """Look at what is in between: names, addresses, proxies."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError:
        yield fail("name", f"there is no host named {target.host}", "correct --address or TEKTON_HOST")
        return
    answers = {str(address[0]): _connects(family, address) for family, _, _, _, address in found}
    told = ", ".join(f"{address} {'answers' if trouble is None else trouble}" for address, trouble in answers.items())
    if any(trouble is None for trouble in answers.values()):
        yield ok("name", f"{target.host} is {told}")
    else:
        yield fail("name", f"{target.host} is {told} on port {target.port}", "start Tekton there: `tekton up`")
    yield from _proxies(target)


def _connects(family: int, address: tuple[object, ...]) -> str | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PATIENCE)
            probe.connect(address)
    except TimeoutError:
        return "does not answer"
    except OSError as error:
        return f"says {os.strerror(error.errno)}" if error.errno else str(error)
    return None


def _proxies(target: Target) -> Iterator[Finding]:
    # curl takes http_proxy in lower case only, others take either.
    names = [name for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)]
    if names and not urllib.request.proxy_bypass(target.host):
        yield warn(
            "proxy",
            f"{names[0]} is set: curl asks the proxy for {target.host}, not Tekton",
            f"export no_proxy={target.host} (or curl --noproxy '*')",
        )


def ask(host: str, port: int) -> Answer:
    """Ask what is behind a port, as every component tells it."""
    try:
        reply = httpx.get(f"http://{bracketed(host)}:{port}/api/version", timeout=_PATIENCE, trust_env=False)
    except httpx.ConnectError as error:
        return Answer(False, trouble=str(error))
    except httpx.TimeoutException:
        return Answer(True, trouble="it takes connections and answers nothing")
    except httpx.HTTPError as error:
        return Answer(True, trouble=f"it does not speak HTTP ({error})")
    try:
        component = str(reply.json()["component"])
    except (ValueError, KeyError, TypeError):
        component = ""
    return Answer(True, component, reply.headers.get("server", ""), status=reply.status_code)


def listener(target: Target, answer: Answer) -> Iterator[Finding]:
    """Tell what listens at Tekton's address, and who that is where it is not Tekton."""
    what = "listener"
    who = listeners(target.port) if is_here(target.host) else ""
    by = f" ({who})" if who else ""
    if not answer.listens:
        yield fail(what, f"nothing listens on {target}", "start it with `tekton up`, or say where it is with --address")
    elif answer.status == _FORBIDDEN and answer.is_tekton:
        yield warn(
            what,
            f"Tekton listens on {target}, and refuses HTTP clients that call it {target.host}",
            f"add {target.host} to allowed_hosts in tekton.json, or call it localhost",
        )
    elif answer.is_tekton:
        yield ok(what, f"Tekton listens on {target}{by}")
    else:
        said = answer.component or answer.trouble or f"{answer.about or 'an HTTP server'}, status {answer.status}"
        yield fail(
            what,
            f"what listens on {target} is not Tekton but {said}{by}",
            "stop it, or give Tekton another port: `tekton up --port 8020`, and clients TEKTON_PORT=8020",
        )


def ports(settings: Settings, target: Target) -> Iterator[Finding]:
    """Tell whether the ports that the settings name are free."""
    wanted = (
        ("port", settings.port, "--port"),
        ("grpc_port", settings.grpc_port, "--grpc-port"),
        ("monitoring.metrics_port", settings.metrics_port, "monitoring.metrics_port"),
    )
    for name, port, option in wanted:
        if port is None or (port == target.port and is_here(target.host)):
            continue
        who = listeners(port)
        remedy = f"give `tekton up` another {option}, or stop it"
        yield warn("ports", f"{name} {port} is used by {who}", remedy) if who else ok("ports", f"{name} {port} is free")


def swapped() -> Iterator[Finding]:
    """Tell whether Engram and Hermes have each other's port, as one of the documents prints it."""
    what, wrong = "engram, hermes", []
    found = {name: ask("127.0.0.1", port).component for name, port in _DOCUMENTED.items()}
    for name, port in _DOCUMENTED.items():
        other = next(one for one in _DOCUMENTED if one != name)
        if found[name] == other:
            wrong.append(f"{other} answers on {port}, the port of {name}")
        url = os.environ.get(f"{name.upper()}_URL", "")
        if f":{_DOCUMENTED[other]}" in url:
            wrong.append(f"{name.upper()}_URL has the port of {other}, {_DOCUMENTED[other]}")
    if wrong:
        yield fail(what, "; ".join(wrong), "Engram is 8000 and Hermes is 8001")
        return
    told = [f"{port} {_occupant(found[name], port)}" for name, port in _DOCUMENTED.items()]
    yield ok(what, f"not swapped: {', '.join(told)}")


def _occupant(component: str, port: int) -> str:
    return f"is {component}" if component else f"is used by {who}" if (who := listeners(port)) else "is free"
