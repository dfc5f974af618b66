"""The patience with a start: as much as is configured, more where the component asks for it, and an end to that."""

from __future__ import annotations

import math

import pytest

from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Cause, Commit, DefinitionChange, InstanceChange
from tekton_server.domain.startup import asked_for, deadline, evidence_of
from tekton_server.live.extensions import Extensions
from tests.unit.paper import NOON, a_definition, an_instance, uuid_of


def asking(seconds: object, state: State = State.STARTING) -> InstanceChange:
    """A change by which an instance asks for so many seconds."""
    return InstanceChange(None, an_instance(1, state=state), Cause("x", evidence={"extend_startup_seconds": seconds}))


def test_a_request_counts_from_when_it_is_made_and_never_takes_time_away() -> None:
    """As systemd has it: no sum, the latest of them."""
    assert deadline(100.0, 60.0, -math.inf) == 160.0
    assert deadline(100.0, 60.0, 135.0) == 160.0
    assert deadline(100.0, 60.0, 209.0) == 209.0


def test_all_requests_together_add_an_hour_at_most() -> None:
    assert deadline(0.0, 60.0, 9999.0) == 3660.0


@pytest.mark.parametrize("said", ["30", True, None, -1, 0, 3601, math.nan], ids=repr)
def test_what_is_no_request_means_nothing(said: object) -> None:
    """The same key may stand in a report's own metadata."""
    assert asked_for(asking(said)) is None


def test_changes_without_a_request_mean_nothing() -> None:
    assert asked_for(DefinitionChange(None, a_definition(), Cause("x", evidence=evidence_of(30.0)))) is None
    assert evidence_of(0.0) == {}


def test_requests_are_known_as_long_as_their_instance_starts() -> None:
    """By every server, since each follows the journal; the last one counts, where it reaches further."""
    now = 100.0
    extensions = Extensions(lambda: now)

    def heard(*changes: InstanceChange) -> float:
        extensions.on_commit(Commit(1, NOON, changes))
        return extensions.until(uuid_of(1))

    assert extensions.until(uuid_of(1)) == -math.inf
    assert heard(asking(30)) == 130.0
    now = 110.0
    assert heard(asking(5)) == 130.0 and heard(asking(40)) == 150.0
    assert heard(asking(None)) == 150.0
    assert heard(asking(None, State.READY)) == -math.inf
    assert heard(asking(1)) == 111.0
    assert heard(InstanceChange(an_instance(1), None, Cause("forgotten"))) == -math.inf
