"""The startup coordinator: each when what it needs is ready, once, in time, and never in a circle."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tekton.client import TektonClient, ValidationError
from tekton.core.component_lifecycle import ComponentRegistry, ReadinessCondition
from tekton.core.errors import (
    CircularDependencyError,
    DependencyError,
    NoLaunchSpecError,
    StartupError,
    TektonTimeoutError,
)
from tekton.core.lifecycle import ComponentRegistration
from tekton.core.startup_coordinator import EnhancedStartUpCoordinator
from tekton.utils.tekton_errors import ComponentError
from tests.sdk.fleet import component, eventually
from tests.sdk.server import ServerProcess

ECHO = Path(__file__).resolve().parents[2] / "examples" / "echo_component.py"
# Far longer than a start takes, and far shorter than a test may take.
LONG = 20.0
SHORT = 0.3


@pytest_asyncio.fixture
async def coordinator(client: TektonClient) -> AsyncIterator[EnhancedStartUpCoordinator]:
    """A coordinator on the server of the folder."""
    async with EnhancedStartUpCoordinator(ComponentRegistry(client=client), startup_timeout=LONG) as opened:
        yield opened


class Starts:
    """Start functions that say when they are called; names are made so that no other test has them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.name: dict[str, str] = {}

    def __getitem__(self, short: str) -> str:
        return self.name.setdefault(short, component(short).component_id)

    def func(self, short: str, then: Callable[[], Any] | None = None) -> Callable[[], Any]:
        """Make one that notes its call, and does something then."""

        async def start() -> Any:
            self.calls.append(short)
            answer = then() if then else None
            return await answer if asyncio.iscoroutine(answer) else answer

        return start

    def configs(self, **needs: str) -> dict[str, dict[str, Any]]:
        """Make the configurations of components that need what their texts name."""
        return {
            self[short]: {"start_func": self.func(short), "dependencies": [self[one] for one in text.split()]}
            for short, text in needs.items()
        }


@pytest.fixture
def starts() -> Starts:
    """The start functions of a test."""
    return Starts()


async def registered(client: TektonClient, name: str, state: str = "ready", **more: Any) -> ComponentRegistration:
    """Be a component that registers itself."""
    registration = component(component_id=name, **more)
    assert (await client.register_component(registration)).success
    client.start_heartbeat(name)
    await client.update_component_state(name, registration.instance_uuid, state)
    return registration


async def status(client: TektonClient, name: str) -> str:
    """Read the state of a component."""
    return str((await client.get_component_status(name))["status"])


async def fails() -> None:
    raise OSError("no such device")


async def raises_anything() -> None:
    raise ValueError("\0\udc80\u202e")


async def test_many_start_in_dependency_order_and_are_registered_ready(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """In whatever order they are given; the registry then has them, and what they need."""
    configs = starts.configs(top="mid low", mid="low", low="", other="")
    results = await coordinator.start_components(component_configs=configs, resolve_dependencies=True)
    assert list(results) == list(configs)
    assert all(result == (True, None) and result for result in results.values())
    assert sorted(starts.calls) == ["low", "mid", "other", "top"]
    assert [one for one in starts.calls if one != "other"] == ["low", "mid", "top"]
    top = await client.get_component(starts["top"])
    assert (top["status"], top["dependencies"]) == ("ready", [starts["mid"], starts["low"]])


async def test_what_needs_nothing_of_each_other_starts_at_the_same_time(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """Both have to be under way before either returns; as many as allowed, and no more."""
    both = asyncio.Barrier(2)
    configs = {starts[one]: {"start_func": starts.func(one, both.wait)} for one in ("left", "right")}
    async with asyncio.timeout(LONG):
        assert all((await coordinator.start_components(configs)).values())
    under_way = most = 0

    async def counted() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1

    narrow = EnhancedStartUpCoordinator(coordinator.registry, at_once=2)
    many = {starts[f"many{n}"]: {"start_func": counted} for n in range(6)}
    assert all((await narrow.start_components(many)).values())
    assert most == 2
    await narrow.close()


async def test_starting_nothing_is_done_at_once(coordinator: EnhancedStartUpCoordinator) -> None:
    assert await coordinator.start_components({}) == {}


async def test_a_dependency_may_register_after_the_wait_began(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """That it exists is not enough: it has to be ready, or degraded."""
    start = coordinator.start_component(starts["top"], starts.func("top"), [starts["late"]])
    waiting = asyncio.create_task(start)
    late = await registered(client, starts["late"], "starting")
    assert not starts.calls and not waiting.done()
    await client.update_component_state(starts["late"], late.instance_uuid, "degraded")
    assert await waiting == (True, None)
    assert starts.calls == ["top"]


async def test_what_is_not_ready_in_time_is_named(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """With its state; nothing was started."""
    await registered(client, starts["sick"], "failed")
    needs = [starts["sick"], starts["gone"]]
    success, error = await coordinator.start_component(starts["top"], starts.func("top"), needs, timeout=SHORT)
    assert not success and isinstance(error, DependencyError)
    assert (error.number, error.failed_dependencies) == (1003, needs)
    assert str(error) == (
        f"{starts['top']} was not started, for what it needs is not ready after 0.3 s: "
        f"{starts['sick']} is failed (reported); {starts['gone']} is not registered"
    )
    assert starts.calls == [] and await coordinator.registry.get_component(starts["top"]) is None


def _never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def _cancels_itself() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("then", "kind", "words"),
    [
        (fails, StartupError, "was not started: OSError: no such device"),
        (raises_anything, StartupError, "was not started: ValueError: \x00\udc80\u202e"),
        (lambda: False, StartupError, "was not started: its start function returned False"),
        (lambda: (False, "the port is taken"), StartupError, "was not started: the port is taken"),
        (_cancels_itself, StartupError, "was not started: its start function was cancelled"),
        (lambda: asyncio.sleep(LONG), TektonTimeoutError, "was not ready within 0.3 s"),
    ],
)
async def test_a_failed_start_is_told_and_shown(
    coordinator: EnhancedStartUpCoordinator,
    client: TektonClient,
    starts: Starts,
    then: Callable[[], Any],
    kind: type[Exception],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As an error of the component; the registry has it as failed with the reason, until the next attempt."""
    # A lone surrogate in a captured log is more than the report of a parallel run can carry.
    caplog.set_level(logging.CRITICAL)
    name = starts["broken"]
    success, error = await coordinator.start_component(name, starts.func("broken", then), timeout=SHORT)
    assert not success and isinstance(error, kind) and isinstance(error, ComponentError)
    assert (str(error), error.component) == (f"{name} {words}", name)
    explained = await client.explain_component(name)
    shown = "".join(one if one.isprintable() else " " for one in str(error))
    assert explained["conditions"][0]["evidence"]["error"] == shown
    assert await status(client, name) == "failed"
    assert await coordinator.start_component(name, starts.func("broken"))
    assert await status(client, name) == "ready"
    assert starts.calls == ["broken", "broken"]


async def test_a_plain_function_may_block_and_does_not_stop_the_loop(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """It runs in a thread; one that gives a coroutine has that awaited here."""
    threads: list[threading.Thread] = []

    def blocks() -> None:
        time.sleep(SHORT)
        threads.append(threading.current_thread())

    ticks = 0
    starting = asyncio.create_task(coordinator.start_component(starts["plain"], blocks))
    while not starting.done():
        ticks += 1
        await asyncio.sleep(0.01)
    assert await starting and ticks > 5 and threads != [threading.main_thread()]
    assert await coordinator.start_component(starts["lambda"], lambda: starts.func("lambda")())
    assert starts.calls == ["lambda"]


async def test_nobody_is_started_behind_a_failure_and_everybody_else_is(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """Each of them is told the way down to it, and why that failed."""
    configs = starts.configs(top="mid", mid="low", low="", beside="")
    configs[starts["low"]]["start_func"] = fails
    results = await coordinator.start_components(configs)
    assert [short for short in ("top", "mid", "low", "beside") if results[starts[short]]] == ["beside"]
    error = results[starts["top"]].error
    assert isinstance(error, DependencyError)
    assert error.failed_dependencies == [starts["mid"]]
    assert error.details["chain"] == [starts["top"], starts["mid"], starts["low"]]
    assert str(error).endswith(f"needs {starts['low']}, and {results[starts['low']].error}")
    assert starts.calls == ["beside"]


async def test_what_they_need_and_nobody_named_is_started_where_its_handler_is_known(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """Or waited for where it is not; without resolving, it has to be ready now."""
    await coordinator.register_component_handler(starts["low"], starts.func("low"))
    configs = starts.configs(top="low outside")
    coming = asyncio.create_task(registered(client, starts["outside"]))
    results = await coordinator.start_components(configs)
    await coming
    assert (list(results), starts.calls) == ([starts["top"], starts["low"]], ["low", "top"])
    assert all(results.values())
    await coordinator.register_component_handler(starts["idle"], starts.func("idle"))
    results = await coordinator.start_components(starts.configs(alone="idle"), resolve_dependencies=False)
    assert results[starts["alone"]].error is not None and list(results) == [starts["alone"]]
    assert starts["idle"] in str(results[starts["alone"]].error) and "idle" not in starts.calls


async def test_a_cycle_is_refused_with_its_path_and_holds_up_nobody_else(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """Who needs one that is on it is refused too; whoever is started alone as well."""
    configs = starts.configs(hen="egg", egg="hen", farmer="hen", cat="")
    results = await coordinator.start_components(configs)
    assert starts.calls == ["cat"] and results[starts["cat"]]
    hen, egg, farmer = starts["hen"], starts["egg"], starts["farmer"]
    error = results[farmer].error
    assert isinstance(error, CircularDependencyError) and error.number == 1005
    assert error.details == {"cycle": [hen, egg, hen], "chain": [farmer, hen]}
    assert str(error).startswith(f"{farmer} was not started: {farmer} needs {hen} needs {egg} needs {hen}")
    success, alone = await coordinator.start_component(egg)
    assert not success and isinstance(alone, CircularDependencyError)
    assert alone.details["cycle"] == [egg, hen, egg]


async def test_a_start_function_that_starts_what_waits_for_it_is_no_deadlock(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """It is refused at once, for each other or for itself; starting something else from in there is fine."""
    told: list[Any] = []

    async def outer() -> None:
        told.append(await coordinator.start_component(starts["inner"], starts.func("inner"), [starts["outer"]]))
        told.append(await coordinator.start_component(starts["outer"]))
        told.append(await coordinator.start_component(starts["else"], starts.func("else")))

    began = time.monotonic()
    assert await coordinator.start_component(starts["outer"], outer)
    assert time.monotonic() - began < LONG / 2
    (inner, itself, other) = told
    assert isinstance(inner.error, CircularDependencyError) and isinstance(itself.error, CircularDependencyError)
    assert inner.error.details["cycle"] == [starts["inner"], starts["outer"], starts["inner"]]
    assert other == (True, None)
    assert await coordinator.start_component(starts["inner"])


async def test_starts_of_one_component_at_the_same_time_are_one_start(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """Whoever gives up waiting leaves it to the others; a later one finds it ready."""
    goes_on = asyncio.Event()
    start = starts.func("one", goes_on.wait)
    first, second = (asyncio.create_task(coordinator.start_component(starts["one"], start)) for _ in range(2))

    async def called() -> bool:
        return bool(starts.calls)

    await eventually(called)
    first.cancel()
    await asyncio.wait([first])
    goes_on.set()
    assert await second == (True, None)
    assert await coordinator.start_component(starts["one"].replace("_", "-"), start)
    assert starts.calls == ["one"]


async def test_a_start_that_nobody_waits_for_any_more_ends(
    coordinator: EnhancedStartUpCoordinator, starts: Starts
) -> None:
    """Its function is cancelled with it, and nothing is registered."""
    ended = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT):
            await coordinator.start_component(starts["one"], hangs)
    assert ended.is_set()
    assert await coordinator.registry.get_component(starts["one"]) is None


async def test_a_component_that_registers_itself_is_started_when_it_says_so(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """Not when its function returns; what it says of failing counts as well, and its instance is the only one."""
    name = starts["own"]

    async def start() -> None:
        await registered(client, name, "initializing")

    starting = asyncio.create_task(coordinator.start_component(name, start))

    async def initializing() -> str:
        found = await coordinator.registry.get_component(name)
        return found["instances"][0]["instance_uuid"] if found and found["status"] == "initializing" else ""

    instance_uuid = await eventually(initializing)
    assert not starting.done()
    await client.update_component_state(name, instance_uuid, "ready")
    assert await starting == (True, None)
    assert len((await client.get_component(name))["instances"]) == 1

    async def start_and_fail() -> None:
        registration = await registered(client, starts["ill"], "starting")
        await client.update_component_state(starts["ill"], registration.instance_uuid, "failed")

    _, error = await coordinator.start_component(starts["ill"], start_and_fail)
    assert str(error) == f"{starts['ill']} failed while it started: reported"


async def test_a_process_that_is_started_registers_itself(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, server: ServerProcess, starts: Starts
) -> None:
    """A function that gives the process is waited for so; one that ends instead is a failure at once."""
    name = starts["echo"]
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen([sys.executable, str(ECHO), "--id", name], env=server.environment))
        return processes[-1]

    try:
        assert await coordinator.start_component(name, start) == (True, None)
        assert (await client.find_component(name)).port > 0  # type: ignore[union-attr]
        # It hears the stop command, and another one is started.
        assert await coordinator.restart_component(name) == (True, None)
        assert [process.wait(5) if process is not processes[-1] else None for process in processes] == [0, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()

    async def dies() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(3)")

    _, error = await coordinator.start_component(starts["dies"], dies)
    assert str(error) == f"{starts['dies']} was not started: its process ended with 3"


async def test_what_stands_in_for_a_component_goes_when_that_registers_itself_and_at_the_end(
    client: TektonClient, starts: Starts
) -> None:
    """Until then it is kept alive for longer than a lease; a component that is announced is waited for instead."""
    registry = ComponentRegistry(client=client)
    name, other = starts["part"], starts["other"]
    async with EnhancedStartUpCoordinator(registry, startup_timeout=LONG) as coordinator:
        given = component("part", component_id=name, capabilities=["dreaming"], component_type="memory")
        await coordinator.register_component_handler(name, starts.func("part"), registration=given)
        assert await coordinator.start_component(name)
        assert await coordinator.start_component(other, starts.func("other"))
        (shown,) = await registry.get_components_by_capability("dreaming")
        assert (shown["component_type"], shown["port"]) == ("memory", given.port)
        own = await registered(client, name, component_type="memory")

        async def alone() -> bool:
            instances = (await client.get_component(name))["instances"]
            return [one["instance_uuid"] for one in instances if one["leased"]] == [own.instance_uuid]

        await eventually(alone)
        announced = starts["announced"]
        await coordinator.register_component_handler(announced, starts.func("announced"), registers_itself=True)
        starting = asyncio.create_task(coordinator.start_component(announced))
        await registered(client, announced, "starting")
        assert not starting.done()
        await registered(client, announced)
        assert await starting
    assert [await status(client, one) for one in (name, other)] == ["ready", "stopped"]


async def test_a_component_that_is_ready_is_not_started_again(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """Whoever runs it. What stands for Hermes in Tekton is no Hermes, and stays where the function registers none."""
    await registered(client, starts["up"])
    assert await coordinator.start_component(starts["up"], starts.func("up"), ["nobody_at_all"])
    assert await coordinator.start_component("hermes", starts.func("hermes"))
    assert starts.calls == ["hermes"]
    assert (await client.get_component("hermes"))["metadata"]["built_in"] is True


async def test_conditions_hold_a_component_back_until_they_hold(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """One that never does is a start that took too long."""
    warm, asked = False, 0

    def check() -> bool:
        nonlocal warm, asked
        asked += 1
        warm = asked > 2
        return warm

    coordinator.registry.add_readiness_condition(starts["warm"], ReadinessCondition("warm", check))
    assert await coordinator.start_component(starts["warm"], starts.func("warm"))
    assert asked == 3
    coordinator.registry.add_readiness_condition(starts["cold"], ReadinessCondition("warm", lambda: False))
    _, error = await coordinator.start_component(starts["cold"], starts.func("cold"), timeout=SHORT)
    assert isinstance(error, TektonTimeoutError)


async def test_a_component_may_be_started_degraded_without_what_it_needs(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """And who needs it can begin."""
    configs = starts.configs(half="nobody_at_all", top="half")
    await coordinator.register_component_handler(starts["half"], **configs[starts["half"]])
    start = starts.func("part")
    assert await coordinator.start_component_degraded(component_id=starts["half"], start_func=start) == (True, None)
    assert await status(client, starts["half"]) == "degraded"
    results = await coordinator.start_components({starts["top"]: configs[starts["top"]]})
    assert results == {starts["top"]: (True, None)} and starts.calls == ["part", "top"]


async def test_a_restart_stops_first_and_starts_what_is_broken_below(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """With the function that was given for it; the former instance has stopped in good order."""
    low, top = starts["low"], starts["top"]
    await coordinator.register_component_handler(low, starts.func("low"))
    await coordinator.register_component_handler(top, starts.func("top"), [low], stop_func=starts.func("stop top"))
    assert all((await coordinator.start_components({low: {}, top: {}})).values())
    was = await client.get_component(low)
    await client.deregister_component(low, was["instances"][0]["instance_uuid"])
    starts.calls.clear()
    assert await coordinator.restart_component(top) == (True, None)
    assert starts.calls == ["stop top", "low", "top"]
    assert [await status(client, one) for one in (low, top)] == ["ready", "ready"]


async def test_a_restart_does_not_run_a_second_copy_beside_one_that_does_not_stop(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    await registered(client, starts["deaf"])
    await coordinator.register_component_handler(starts["deaf"], starts.func("deaf"), timeout=SHORT)
    success, error = await coordinator.restart_component(starts["deaf"])
    assert not success and "give its handler a stop_func" in str(error) and starts.calls == []


async def test_what_nobody_knows_how_to_start_is_told_so(
    coordinator: EnhancedStartUpCoordinator, client: TektonClient, starts: Starts
) -> None:
    """And errors are raised where that is asked for."""
    assert isinstance((await coordinator.start_component(starts["who"])).error, NoLaunchSpecError)
    raising = EnhancedStartUpCoordinator(coordinator.registry, raise_errors=True)
    with pytest.raises(NoLaunchSpecError):
        await raising.restart_component(starts["who"])
    with pytest.raises(ComponentError, match="no such device"):
        await raising.start_component(starts["who"], fails)
    await raising.close()


@pytest.mark.parametrize(
    ("configs", "sentence"),
    [
        ([], "component_configs must be a dict by component id"),
        ({"a": None}, "component_configs['a'] must be a dict with a start_func, not None"),
        ({"a": {"dependancies": []}}, "component_configs['a'].dependancies is not known; did you mean dependencies?"),
        ({"a": {"start_func": 5}}, "component_configs['a'].start_func must be a function without arguments"),
        ({"a": {"dependencies": "b"}}, "component_configs['a'].dependencies must be a list of names, not one text"),
        ({"a": {"dependencies": ["a"]}}, "component_configs['a'].dependencies must not name a itself"),
        ({"a-b": {}, "a_b": {}}, "component_configs['a_b'] is the same component as a-b"),
        ({"a": {"timeout": 0}}, "component_configs['a'].timeout must be a number of seconds over 0, not 0"),
        ({5: {}}, "component_configs[5].component_id must be a text"),
        ({"a": {"registration": component("b")}}, "component_configs['a'].registration must be of a, not of b"),
    ],
)
async def test_wrong_configurations_are_named_and_start_nothing(
    coordinator: EnhancedStartUpCoordinator, configs: Any, sentence: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await coordinator.start_components(configs)
    assert str(caught.value).startswith(sentence)


async def test_a_coroutine_for_a_function_is_told_apart(coordinator: EnhancedStartUpCoordinator) -> None:
    """The brackets behind its name are one too many."""
    with pytest.raises(ValidationError, match="start_func must be a function, not a coroutine"):
        await coordinator.start_component("part", fails())  # type: ignore[arg-type]
