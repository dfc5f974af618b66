"""Who starts and who stops, in which order, and what cannot be: pure, for any fleet."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta

import pytest

from tekton.core.errors import (
    CircularDependencyError,
    ComponentNotFoundError,
    NoLaunchSpecError,
    RegistrationError,
)
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Cause, Launch, LaunchChange, LaunchPhase, View
from tekton_server.domain import built_in
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.fleet_plan import Plan, plan_start, plan_stop
from tekton_server.domain.inventory import inventory
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.live.lifecycle.cycles import refuse_cycles
from tests.support import documented
from tests.unit.paper import HISTORY, NOON, a_definition, an_instance, put, uuid_of

NEEDS = {name: " ".join(needs) for name, needs in documented.GRAPH.items()}


def of_file(**needs: str) -> Mapping[str, FleetComponent]:
    """Make a components.json that launches each, with what it needs."""
    return {
        name.replace("-", "_"): FleetComponent(
            component_id=name,
            component_name=name,
            component_type="service",
            dependencies=tuple(text.split()),
            spec=LaunchSpec(command=("true",)),
        )
        for name, text in needs.items()
    }


def registered(**needs: str) -> View:
    """A view in which each component needs what its text names; its first word is its state, "none" for no instance."""
    view = View(HISTORY)
    for number, (name, text) in enumerate(needs.items(), 1):
        state, *others = text.split()
        view.apply(put(a_definition(name, dependencies=tuple(others))))
        if state != "none":
            leased = state not in ("failed", "stopped")
            view.apply(put(an_instance(number, name, state=State(state), leased=leased)))
    return view


def to_start(view: View, launchable: Mapping[str, FleetComponent], *component_ids: str, resolve: bool = True) -> Plan:
    """Plan a start."""
    return plan_start(inventory(view, launchable), component_ids, resolve=resolve)


def to_stop(view: View, launchable: Mapping[str, FleetComponent], *component_ids: str, resolve: bool = False) -> Plan:
    """Plan a stop."""
    return plan_stop(inventory(view, launchable), component_ids, resolve=resolve)


def launched(view: View, component_id: str, phase: LaunchPhase) -> None:
    """Have a launch of a component in the journal."""
    launch = Launch(
        component_id=component_id, epoch=1, instance_uuid=uuid_of(99), server_id="", host="", phase=phase,
        since=NOON, revision=9,
    )  # fmt: skip
    view.apply(LaunchChange(None, launch, Cause("started")))


def test_everything_that_can_be_launched_starts_in_the_documented_order() -> None:
    """Though nothing of it is registered yet, and whatever the order of the file."""
    plan = to_start(View(HISTORY), of_file(**NEEDS))
    assert plan.waves == (("hermes",), ("engram",), ("rhetor", "athena"), ("ergon", "api_gateway"))
    assert list(plan.begins) == [name for wave in plan.waves for name in wave]
    assert plan.begins["api_gateway"] == ("hermes", "engram", "rhetor")
    assert not plan.skipped and not plan.missing and not plan.cycles and plan.complete and plan.done == ()
    assert plan.asked == NEEDS.keys()


def test_of_one_component_only_what_it_needs_and_is_not_ready_is_started() -> None:
    """What is ready (or degraded) is not looked behind."""
    view = registered(engram="degraded hermes", hermes="failed")
    plan = to_start(view, of_file(**NEEDS), "athena")
    assert plan.waves == (("hermes",), ("athena",))
    assert plan.done == ("engram",)
    view = registered(engram="ready hermes", hermes="ready")
    plan = to_start(view, of_file(**NEEDS), "athena", "engram")
    assert (plan.waves, plan.done) == ((("athena",),), ("engram", "hermes"))


def test_who_needs_whom_is_what_the_file_and_the_component_say_together() -> None:
    """Each once, "-" and "_" equal."""
    view = registered(**{"web-app": "stopped data-base cache"})
    plan = to_start(view, of_file(web_app="data_base queue", data_base="", cache="", queue=""))
    assert plan.begins["web-app"] == ("data_base", "queue", "cache")


def test_what_is_needed_and_not_launched_by_tekton_is_waited_for() -> None:
    """It, and not what it needs itself, is in the way of who needs it."""
    view = registered(model="starting gpu", gpu="none")
    plan = to_start(view, of_file(app="model"))
    assert plan.waves == (("gpu",), ("model",), ("app",)) and plan.free == {"model", "gpu"}
    plan = to_start(registered(model="starting nobody"), of_file(app="model"))
    assert (plan.waves, plan.missing, plan.skipped) == ((("model",), ("app",)), {"nobody": ("model",)}, {})


def test_a_component_that_is_named_and_cannot_be_launched_is_refused_unless_it_is_ready() -> None:
    view = registered(model="starting", other="ready")
    with pytest.raises(NoLaunchSpecError, match=r"Tekton does not launch model: components\.json") as caught:
        to_start(view, of_file(app=""), "app", "other", "model")
    assert caught.value.details == {"component_id": "model", "components": ["model"]}
    assert to_start(view, {}, "other").done == ("other",)


def test_a_component_that_nobody_knows_is_not_found() -> None:
    for plan in (to_start, to_stop):
        with pytest.raises(ComponentNotFoundError, match="there is no component ghost"):
            plan(View(HISTORY), of_file(app=""), "app", "ghost")


def test_who_needs_something_missing_is_skipped_with_the_way_to_it_and_the_rest_starts() -> None:
    plan = to_start(View(HISTORY), of_file(web="api", api="db Ghost", db="", cron="db"))
    assert plan.waves == (("db",), ("cron",))
    assert plan.skipped == {"api": ("api", "Ghost"), "web": ("web", "api", "Ghost")}
    assert plan.missing == {"Ghost": ("api",)}


def test_a_cycle_is_told_with_its_path_and_refuses_the_whole_start() -> None:
    plan = to_start(View(HISTORY), of_file(a="b", b="c", c="a", needy="a", fine=""))
    assert plan.waves == (("fine",),)
    assert plan.cycles == (("a", "b", "c", "a"),)
    assert plan.skipped["needy"] == ("needy", "a") and plan.skipped["b"] == ("a", "b", "c", "a")
    with pytest.raises(CircularDependencyError, match="nothing was started: a needs b needs c needs a;") as caught:
        plan.check()
    assert caught.value.details["cycle"] == ["a", "b", "c", "a"]
    to_start(View(HISTORY), of_file(a="b", b="c", c="a", fine=""), "fine").check()


def test_a_long_cycle_fits_into_the_error_of_one_start_as_into_that_of_many() -> None:
    """Without its middle: of more than an error holds nothing at all would be told."""
    names = [f"component_{at:03}_of_a_very_long_cycle" for at in range(500)]
    fleet = of_file(**dict(zip(names, [*names[1:], names[0]], strict=True)))
    with pytest.raises(CircularDependencyError) as caught:
        refuse_cycles(View(HISTORY), fleet, names[0])
    with pytest.raises(CircularDependencyError) as of_many:
        to_start(View(HISTORY), fleet).check()
    assert caught.value.details["cycle"] == of_many.value.details["cycle"]
    assert caught.value.details["cycle"][0] == caught.value.details["cycle"][-1]
    assert len(json.dumps(caught.value.details)) < 4096 and len(caught.value.message) < 1024


def test_a_cycle_behind_what_runs_is_in_nobodys_way() -> None:
    plan = to_start(registered(a="ready b", b="ready a"), of_file(web="a"))
    plan.check()
    assert plan.waves == (("web",),)


def test_without_resolving_nothing_else_is_started_and_who_needs_it_is_skipped() -> None:
    view = registered(up="ready")
    fleet = of_file(web="api up", api="db", db="", cron="db")
    plan = to_start(view, fleet, "web", "api", "db", resolve=False)
    assert plan.waves == (("db",), ("api",), ("web",)) and plan.done == ("up",)
    plan = to_start(view, fleet, "web", "api", resolve=False)
    assert plan.waves == () and plan.missing == {}
    assert plan.skipped == {"api": ("api", "db"), "web": ("web", "api", "db")}


def test_a_named_component_counts_once_however_it_is_written() -> None:
    plan = to_start(View(HISTORY), of_file(**{"web-app": ""}), "web_app", "web-app", "web-app")
    assert plan.waves == (("web-app",),) and plan.asked == {"web_app"}


def test_what_is_being_stopped_serves_nobody_though_it_says_still_that_it_is_ready() -> None:
    view = registered(db="ready", web="stopped db")
    launched(view, "db", LaunchPhase.STOPPING)
    assert to_start(view, of_file(db="", web="db"), "web").waves == (("db",), ("web",))
    view = registered(db="ready", web="stopped db")
    plan = plan_start(inventory(view, of_file(db="", web="db"), stopping={"db"}), ["web"], resolve=True)
    assert plan.waves == (("db",), ("web",))
    assert list(plan_stop(inventory(view, of_file(web="db"), starting={"web"}), [], resolve=False).begins) == ["web"]


def test_a_stop_goes_the_other_way_round() -> None:
    """Each as soon as nothing runs that needs it; what does not run is done."""
    view = registered(
        hermes="ready",
        engram="ready hermes",
        rhetor="starting hermes engram",
        athena="failed hermes",
        ergon="none hermes",
    )
    plan = to_stop(view, of_file(**NEEDS))
    assert plan.waves == (("rhetor",), ("engram",), ("hermes",))
    assert plan.begins["hermes"] == ("engram", "rhetor")
    assert set(plan.done) == {"athena", "ergon", "api_gateway"}


def test_a_stop_of_everything_is_of_what_tekton_launches_or_has_launched() -> None:
    """What is not in the file any more too, and what would be started again."""
    view = registered(ours="ready", gone="ready", foreign="ready", crashing="failed", over="failed")
    for component_id, phase in (("gone", "running"), ("crashing", "backoff"), ("over", "gave_up")):
        launched(view, component_id, LaunchPhase(phase))
    plan = to_stop(view, of_file(ours=""))
    assert list(plan.begins) == ["ours", "gone", "crashing"] and plan.done == ("over",)
    assert list(to_stop(view, of_file(ours=""), "foreign").begins) == ["foreign"]


def test_what_needs_the_named_is_stopped_too_only_where_that_is_asked_for() -> None:
    view = registered(db="ready", api="ready db", web="ready api", cron="ready db", far="ready")
    assert to_stop(view, {}, "db").waves == (("db",),)
    assert to_stop(view, {}, "db", resolve=True).waves == (("web", "cron"), ("api",), ("db",))


def test_components_on_a_cycle_stop_together_and_in_their_place() -> None:
    """A stop is never refused for it; the cycle is told along the dependencies."""
    view = registered(base="ready", a="ready b base", b="ready c", c="ready a", top="ready a")
    plan = to_stop(view, of_file(base="", a="", b="", c="", top=""))
    assert [sorted(wave) for wave in plan.waves] == [["top"], ["a", "b", "c"], ["base"]]
    assert plan.cycles == (("a", "b", "c", "a"),) and not plan.skipped


def test_a_part_of_tekton_is_ready_to_whoever_needs_it_and_is_not_stopped() -> None:
    view = View(HISTORY)
    for definition, instance in built_in.records("localhost", 8010, "1.0.0", NOON - timedelta(hours=1)):
        view.build_in(definition, instance)
    assert to_start(view, of_file(app="tekton_core"), "app", "hermes").done == ("hermes", "tekton_core")
    assert to_stop(view, of_file(app="hermes")).begins == {}
    with pytest.raises(RegistrationError, match="hermes is built into Tekton"):
        to_stop(view, {}, "hermes")


def test_of_ten_thousand_components_with_fifty_thousand_needs_the_plan_takes_less_than_a_second() -> None:
    """DESIGN §10; a chain of thousands is told shortened, each in the same time."""
    needs = {
        f"c{n}": " ".join(sorted({f"c{(n * 7 + k) % n}" for k in range(5)})) if n else "ghost" for n in range(10_000)
    }
    fleet = of_file(**{name: text for name, text in needs.items() if name != "c0"}, c0="")
    began = time.process_time()
    plan = to_start(View(HISTORY), fleet)
    assert time.process_time() - began < 1.0
    assert len(plan.begins) == 10_000
    line = of_file(c0="ghost", **{f"c{n}": f"c{n - 1}" for n in range(1, 5000)})
    plan = to_start(View(HISTORY), line)
    assert len(plan.skipped["c4999"]) == 100 and plan.skipped["c4999"][-2:] == ("c0", "ghost")
