"""The corpus is whole: every call with a REST path, every documented failure of it, and every error there is."""

from __future__ import annotations

import pytest

from tekton.core.errors import BY_REASON
from tekton_gateway import contract
from tekton_gateway.contract import Method
from tekton_server.services.openapi import failures
from tekton_server.services.openapi.source import Source
from tests.golden import bindings
from tests.golden.corpus import CASES, Case

# What no request brings about; tests/services/test_every_error.py has these over gRPC and REST.
NEED_TROUBLE = {
    "internal_error": "a fault of Tekton",
    "unavailable": "a database that is down, or a Tekton that starts",
    "timeout": "a server that is late",
    "rate_limited": "more writes than can wait",
    "slow_watcher": "a watcher that does not read",
    "compacted": "it is told as a reset, which the corpus has",
}
NOT_RAISED_YET = {"missing_token", "invalid_token"}
# What only a fleet, or a catalogue, of tens of thousands brings about; tests/services/test_dependencies.py and
# tests/unit/test_model_messages.py have these.
NEED_MANY = {
    "RoutingService.ListCapabilities": {"too_large"},
    "LifecycleService.GetDependencyGraph": {"too_large"},
    "LifecycleService.GetComponentDependencies": {"too_large"},
    "LifecycleService.PlanStart": {"too_large"},
}


# What only an answer brings about that somebody gives meanwhile; tests/services/starting has these.
NEED_AN_ANSWER = {
    "LifecycleService.StartComponents": {"conflict"},
    "LifecycleService.StopComponents": {"conflict"},
    "LifecycleService.StartComponent": {"conflict"},
    "LifecycleService.StopComponent": {"conflict"},
    "LifecycleService.RestartComponent": {"conflict"},
}
# What only a setting brings about; tests/services/test_metrics_port.py has it.
NEED_A_SETTING = {"SystemService.Exposition": {"unknown_path"}}
ELSEWHERE = (NEED_MANY, NEED_AN_ANSWER, NEED_A_SETTING)
SOURCE = Source()


def name_of(method: Method) -> str:
    """Give service and method as the corpus has them, of what streams and not of its twin for REST."""
    service = method.service.rpartition(".")[2]
    if not method.sse:
        return f"{service}.{method.name}"
    bare = method.name.removeprefix("Stream")
    return f"{service}.{bare if bare in bindings.SERVICES[service].methods_by_name else f'Watch{bare}'}"


def cases_of(method: Method) -> list[Case]:
    """Give the cases that make a call."""
    return [case for case in CASES if any(one.rpc == name_of(method) for one in case.exchanges())]


ON_REST = [method for method in contract.methods() if method.rest]


@pytest.mark.parametrize("method", ON_REST, ids=name_of)
def test_every_call_with_a_rest_path_has_a_case_that_succeeds(method: Method) -> None:
    """Every watch one with events."""
    assert [case for case in cases_of(method) if (case.events if method.sse else case.status < 300)]


@pytest.mark.parametrize("method", ON_REST, ids=name_of)
def test_every_documented_failure_of_a_call_has_a_case(method: Method) -> None:
    """As its comment in the contract names them, but for those that need trouble."""
    _, errors = failures.split(SOURCE.comment(method.path.removeprefix("/").replace("/", ".")))
    documented = {cls.default_reason for cls in failures.named(errors)}
    elsewhere = {reason for one in ELSEWHERE for reason in one.get(name_of(method), ())}
    assert documented - {case.reason for case in cases_of(method)} - elsewhere <= set(NEED_TROUBLE)
    assert not documented & NOT_RAISED_YET


def test_every_error_that_a_request_can_provoke_has_a_case() -> None:
    """The others are listed above, with what they need."""
    provoked = {case.reason for case in CASES if case.reason}
    assert provoked == set(BY_REASON) - set(NEED_TROUBLE) - NOT_RAISED_YET


@pytest.mark.parametrize("case", [case for case in CASES if case.reason], ids=[c.name for c in CASES if c.reason])
def test_an_error_has_the_codes_of_the_table(case: Case) -> None:
    """What is written in the corpus is what the contract says of the reason."""
    known = BY_REASON[case.reason]
    assert (case.reply["error"]["code"], case.status) == (known.number, known.http_status)
    assert case.rest_only or case.grpc == known.grpc_status


def test_names_are_told_apart_and_what_is_for_rest_only_says_why() -> None:
    """A case is found by its name."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.rest_only for case in CASES if not case.rpc or case.headers)


def test_the_request_of_an_rpc_is_what_the_path_the_query_and_the_body_say() -> None:
    """Each in its place, as google.api.http has it."""
    made = {case.name: bindings.request_of(case) for case in CASES if case.rpc and "parameter" not in case.name}
    assert made["the same request with another patch is a mismatch"] == {
        "component_id": "vault", "request_id": "first", "patch": {"component_name": "Other"}
    }  # fmt: skip
    assert made["whatever it is called"] == {"component_id": 'bücher "\\\n%'}
    assert made["what leaves a filter is removed for its watcher"] == {"capabilities": ["recall", "divine"]}
    assert made["a state is reported"].keys() >= {"component_id", "instance_uuid", "state", "metadata"}
    assert made["it tells since when it serves"] == {}
