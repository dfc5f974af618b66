"""The OpenAPI document tells the truth: it is valid, and what the gateway answers is what it says."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.golden.corpus import CASES, Case, filled
from tests.golden.fleet import FLEET
from tests.support.control_plane import ControlPlane
from tests.support.launched import launching
from tests.support.postgres import Cluster

# What ends, and is JSON.
EXCHANGES = [case for case in CASES if not case.events and not case.holds]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that can launch what the corpus starts."""
    home = tmp_path_factory.mktemp("document")
    async with launching(cluster.new_database(), home, FLEET, timeout=600) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    """The document as it is served."""
    reply = await http.get("/api/openapi.json")
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/json"
    found: dict[str, Any] = reply.json()
    return found


def operation(document: dict[str, Any], verb: str, path: str) -> dict[str, Any]:
    """Find the operation that serves a path."""
    for template, verbs in document["paths"].items():
        # An id of a model has slashes and colons of its own.
        pattern = re.sub(r"\\\{[^}]+\\\}", "[^/:]+", re.escape(template).replace(r"\{model_id\}", ".+"))
        if re.fullmatch(pattern, path.partition("?")[0]) and verb.lower() in verbs:
            found: dict[str, Any] = verbs[verb.lower()]
            return found
    raise AssertionError(f"{verb} {path} is not in the document")


def closed(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Make a validator that takes no field which the document does not name: what is replied must be documented."""
    strict = copy.deepcopy(document)
    for message in strict["components"]["schemas"].values():
        if "properties" in message:
            message["additionalProperties"] = False
    whole = {**schema, "components": strict["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


async def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    """By a validator of its own, the schemas included."""
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.parametrize("case", EXCHANGES, ids=[case.name for case in EXCHANGES])
async def test_every_exchange_of_the_corpus_is_as_the_document_says(
    http: httpx.AsyncClient, document: dict[str, Any], kept: dict[str, str], case: Case
) -> None:
    """Request, status, content type, and every field of the reply."""
    asked = filled(case, kept)
    reply = await http.request(asked.method, asked.path, headers=asked.headers, json=asked.body)
    kept |= {name: reply.json()[field] for name, field in asked.keep.items()}
    error = {"$ref": "#/components/schemas/ErrorBody"}
    if not case.rpc:  # no operation can say this: there is none for it
        return closed(document, error).validate(reply.json())
    found = operation(document, case.method, case.path)
    response = found["responses"][str(reply.status_code)]
    content = response["content"][reply.headers["content-type"].partition(";")[0]]
    closed(document, content["schema"]).validate(reply.json())
    if asked.body is not None and reply.is_success:
        body = found["requestBody"]["content"]["application/json"]["schema"]
        closed(document, body).validate(asked.body)
    if not reply.is_success:
        assert reply.json()["error"]["reason"] in content["examples"]
    return None


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    """What earlier exchanges gave, for those that follow."""
    return {}


async def test_a_registration_is_described_in_full(document: dict[str, Any]) -> None:
    """Body, both statuses of success, the errors with their codes, and the texts of the contract."""
    found = document["paths"]["/api/tekton/components"]["post"]
    assert found["tags"] == ["RegistryService"] and found["x-grpc-method"].endswith("/RegisterComponent")
    assert found["summary"] == "RegisterComponent registers an instance of a component and grants it a lease"
    assert {"200", "201", "400", "403", "409", "413", "422", "431", "500", "503", "504"} <= set(found["responses"])
    assert "`already_exists` (1011)" in found["responses"]["409"]["description"]
    body = document["components"]["schemas"]["RegisterComponentRequest"]
    assert body["properties"]["port"]["type"] == "integer" and "1 to 65535" in body["properties"]["port"]["description"]
    assert body["properties"]["metadata"]["type"] == "object" and "required" not in body
    assert body["properties"]["expected_revision"]["type"] == "string", "64-bit numbers are text"


async def test_path_query_and_body_share_out_the_fields(document: dict[str, Any]) -> None:
    """What is in the path is not in the body; what is in neither is a query parameter."""
    state = document["paths"]["/api/tekton/components/{component_id}/state"]["put"]
    assert [(p["name"], p["in"], p["required"]) for p in state["parameters"]] == [("component_id", "path", True)]
    body = state["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert "component_id" not in body and {"instance_uuid", "state", "metadata"} <= set(body)
    listing = document["paths"]["/api/tekton/components"]["get"]
    assert {p["name"] for p in listing["parameters"] if p["in"] == "query"} >= {"status", "type", "page_size"}
    assert "requestBody" not in listing


async def test_the_root_is_documented_with_where_it_sends_a_browser(document: dict[str, Any]) -> None:
    """200 with a body, and 303 with a Location and none."""
    found = document["paths"]["/"]["get"]["responses"]
    assert list(found["200"]["content"]) == ["application/json"]
    assert "content" not in found["303"] and "Location" in found["303"]["headers"]


async def test_json_types_are_the_gateway_s(document: dict[str, Any]) -> None:
    """Enums by name, times, maps, and messages by reference."""
    schemas = document["components"]["schemas"]
    status = schemas["GetComponentStatusResponse"]["properties"]
    assert status["status"]["$ref"] == "#/components/schemas/ComponentState.Value"
    assert schemas["ComponentState.Value"]["enum"][4] == "ready"
    assert status["last_heartbeat"]["format"] == "date-time"
    assert status["metrics"]["additionalProperties"]["type"] == "number"
    assert schemas["Component"]["properties"]["instances"]["items"]["$ref"] == "#/components/schemas/Instance"


async def test_event_streams_are_described_as_such(document: dict[str, Any]) -> None:
    """text/event-stream, and the header that resumes where the stream can be resumed."""
    for name, resumes in (("registry", True), ("state", True), ("heartbeat", False)):
        found = document["paths"][f"/events/tekton/{name}"]["get"]
        assert list(found["responses"]["200"]["content"]) == ["text/event-stream"]
        headers = [p["name"] for p in found.get("parameters", ()) if p["in"] == "header"]
        assert headers == (["Last-Event-ID"] if resumes else [])


async def test_content_types_of_text_are_what_is_served(http: httpx.AsyncClient, document: dict[str, Any]) -> None:
    """The metrics, the document itself and the page."""
    for path in ("/metrics", "/api/openapi.json", "/docs"):
        documented = list(document["paths"][path]["get"]["responses"]["200"]["content"])
        assert documented == [(await http.get(path)).headers["content-type"]]


class Page(HTMLParser):
    """Gathers what a page refers to and what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.references += [value or "" for name, value in attrs if name in ("href", "src", "action", "srcset")]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""


async def test_the_page_needs_nothing_but_this_server(http: httpx.AsyncClient) -> None:
    """No address of anybody else in it, and a policy that would not let it call one."""
    text = (await http.get("/docs")).text
    page = Page()
    page.feed(text)
    assert not re.findall(r"//[A-Za-z0-9]+\.|@import|\burl\(", text)
    assert set(page.references) == {"data:,", "#top", "api/openapi.json"} and not page.handlers
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["connect-src"] == "'self'"
    assert all(rules[kind].startswith("'sha256-") for kind in ("script-src", "style-src"))


async def test_the_page_runs_its_own_script_and_style_and_no_other(http: httpx.AsyncClient) -> None:
    """The policy's digests are of exactly what the page holds, so that nothing slipped into it would run."""
    text = (await http.get("/docs")).text
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        (held,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(held.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in text
    assert "innerHTML" not in text, "what the document says goes into the page as text"
    assert not re.findall(r"\{\{[A-Z]+\}\}", text), "no place was left empty"


async def test_the_page_reads_only_what_the_document_has(http: httpx.AsyncClient, document: dict[str, Any]) -> None:
    """The fields of the document that its script goes by."""
    script = (await http.get("/docs")).text
    for name in re.findall(r'"(x-[a-z-]+)"', script):
        assert f'"{name}"' in json.dumps(document), name
    assert {"info", "tags", "paths", "components"} <= set(document)
    assert set(document["components"]) == {"schemas", "examples"}
