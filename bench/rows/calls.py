"""Unary calls: the echo, a read directly and as REST, and durable registration alone and in batches."""

from __future__ import annotations

from bench.bodies import Body, Constant, Registrations
from bench.http1 import RestLoad
from bench.model import Goal, Result
from bench.rows.row import Row, absolute, compared, rate
from bench.stage import SUBJECT, Load, Side, Stage
from bench.unary import UnaryLoad
from tekton.v1 import registry_service_pb2 as registry_pb

CALLERS = 32
REGISTERING = 64
CONNECTIONS = 4
BATCH = 1000
BATCHING = 4
_SERVICE = "/tekton.v1.RegistryService"
_READ = Constant(registry_pb.GetComponentRequest(component_id=SUBJECT).SerializeToString())


def _unary(stage: Stage, side: Side, method: str, body: Body, callers: int, connections: int = CONNECTIONS) -> Load:
    return UnaryLoad(side.grpc, f"{_SERVICE}/{method}", body, callers, connections, stage.options.window)


def _echo(stage: Stage, result: Result) -> None:
    rounds = range(stage.options.rounds)
    samples = [stage.sample(stage.bare, _unary(stage, stage.bare, "Echo", _READ, CALLERS)) for _ in rounds]
    result.bare = rate(samples, "/s")


def _read(stage: Stage, result: Result) -> None:
    compared(result, stage.alternate(lambda side, _: _unary(stage, side, "GetComponent", _READ, CALLERS)))


def _rest(stage: Stage, result: Result) -> None:
    path = f"/api/tekton/components/{SUBJECT}"
    compared(result, stage.alternate(lambda side, _: RestLoad(side.rest, path, CALLERS, stage.options.window)))


def _register(stage: Stage, result: Result) -> None:
    before = stage.tekton.metrics()

    def load(side: Side, number: int) -> Load:
        return _unary(stage, side, "RegisterComponent", Registrations(f"one-{number}"), REGISTERING)

    compared(result, stage.alternate(load))
    after = stage.tekton.metrics()
    commits = after["tekton_journal_commits_total"] - before["tekton_journal_commits_total"]
    batches = after["tekton_journal_batch_commits_count"] - before["tekton_journal_batch_commits_count"]
    result.details["commits_per_batch"] = round(commits / max(batches, 1), 1)
    result.notes.append(f"{result.details['commits_per_batch']} in one transaction")


def _batch(stage: Stage, result: Result) -> None:
    def load(side: Side, number: int) -> Load:
        body = Registrations(f"many-{number}", BATCH)
        path = f"{_SERVICE}/BatchRegisterComponents"
        return UnaryLoad(side.grpc, path, body, BATCHING, BATCHING, stage.options.window, scale=BATCH)

    samples = stage.repeat(load)
    absolute(result, samples, " instances/s")
    told = ", ".join(f"{part} {spent:.1f}" for part, spent in samples[-1].cpu_us.items() if spent >= 0.05)
    result.notes.append(f"CPU µs an instance: {told}; {BATCHING} callers, {BATCH:,} in a call")


ROWS = (
    Row("echo", "bare grpc.aio echo, the floor", None, _echo),
    Row("read", "unary read over gRPC (GetComponent)", Goal(0.80, "of bare"), _read),
    Row("rest", "REST read through Envoy", Goal(0.80, "of bare"), _rest),
    Row("register", f"durable registration, {REGISTERING} callers", Goal(0.50, "of bare"), _register, alone=True),
    Row("batch", "batch registration", Goal(30_000, "instances/s"), _batch, alone=True),
)
