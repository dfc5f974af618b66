"""The patience with a start: as much as is configured, more where the component asks for it, and an end to that."""

from __future__ import annotations

import pytest

from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Cause, DefinitionChange, InstanceChange
from tekton_server.domain.startup import StartupClock, asked_for, evidence_of
from tests.unit.paper import a_definition, an_instance


def asking(seconds: object) -> InstanceChange:
    """A change by which an instance asks for so many seconds."""
    return InstanceChange(
        None, an_instance(1, state=State.STARTING), Cause("x", evidence={"extend_startup_seconds": seconds})
    )


def test_a_request_counts_from_when_it_is_made_and_never_takes_time_away() -> None:
    """As systemd has it: the sum of nothing, but the latest of all."""
    clock = StartupClock(began=100.0, timeout=60.0)
    clock.heard(asking(30), now=105.0)
    assert clock.ends == 160.0
    clock.heard(asking(30), now=150.0)
    assert clock.ends == 180.0
    clock.heard(asking(30), now=179.0)
    assert clock.ends == 209.0


def test_all_requests_together_add_an_hour_at_most() -> None:
    clock = StartupClock(began=0.0, timeout=60.0)
    for now in range(0, 10_000, 50):
        clock.heard(asking(60), now=float(now))
    assert clock.ends == 3660.0


@pytest.mark.parametrize("said", ["30", True, None, -1, 0, 3601, float("nan")], ids=repr)
def test_what_is_no_request_means_nothing(said: object) -> None:
    """The same key may stand in a report's own metadata."""
    assert asked_for(asking(said)) is None


def test_changes_without_a_request_mean_nothing() -> None:
    assert asked_for(DefinitionChange(None, a_definition(), Cause("x", evidence=evidence_of(30.0)))) is None
    assert evidence_of(0.0) == {}
