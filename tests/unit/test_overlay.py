"""The overlay: the view as it will be, for the commands of a batch that are decided after others.

That it answers like a view which folded the same changes, for any sequence of commands, is tested in test_decisions.
"""

from __future__ import annotations

import pytest

from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import View
from tekton_server.domain.overlay import Overlay
from tests.unit.paper import HISTORY, a_definition, an_instance, forget, put

ADDRESS = ("localhost", 8000)
FIRST = an_instance(1, host="localhost", port=8000)
SECOND = an_instance(2)


@pytest.fixture
def base() -> View:
    """Athena with instance 1, which holds the address, and instance 2; at revision 7."""
    view = View(HISTORY, 7)
    for record in (a_definition(), FIRST, SECOND):
        view.apply(put(record))
    return view


def test_an_untouched_overlay_answers_as_its_view_does(base: View) -> None:
    overlay = Overlay(base)
    assert overlay.history_id == HISTORY
    assert overlay.definition("athena") == base.definition("athena")
    assert overlay.instances_of("athena") == [FIRST, SECOND]
    assert overlay.leased_at(ADDRESS) == FIRST


def test_each_command_that_changed_something_takes_the_next_revision(base: View) -> None:
    overlay = Overlay(base)
    assert overlay.revision == 8
    overlay.accept((put(FIRST), put(SECOND)))
    assert overlay.revision == 9


def test_the_view_itself_is_left_alone(base: View) -> None:
    """The batch may still fail."""
    Overlay(base).accept((forget(FIRST), forget(SECOND), forget(a_definition())))
    assert base.instances_of("athena") == [FIRST, SECOND]
    assert base.revision == 7


def test_a_changed_instance_keeps_its_place_in_the_order_of_registration(base: View) -> None:
    """The view orders by registration; the overlay must not order by who moved last."""
    overlay = Overlay(base)
    moved = an_instance(1, state=State.DEGRADED)
    overlay.accept((put(moved, FIRST),))
    assert overlay.instances_of("athena") == [moved, SECOND]


def test_an_instance_that_went_and_came_back_is_the_newest(base: View) -> None:
    """Whether the view knew it or the batch had added it."""
    overlay, third = Overlay(base), an_instance(3)
    overlay.accept((put(third), forget(FIRST), forget(third), put(an_instance(4)), put(third), put(FIRST)))
    assert [i.granted for i in overlay.instances_of("athena")] == [2, 4, 3, 1]


def test_a_uuid_that_moved_to_another_component_is_listed_there_alone(base: View) -> None:
    overlay, third = Overlay(base), an_instance(3)
    elsewhere = [an_instance(number, "hermes") for number in (1, 3)]
    overlay.accept((put(a_definition("hermes")), put(third), forget(third), forget(FIRST), *map(put, elsewhere)))
    assert overlay.instances_of("athena") == [SECOND]
    assert overlay.instances_of("hermes") == elsewhere


def test_an_address_is_free_once_its_holder_lost_its_lease_in_the_batch(base: View) -> None:
    """And held again by whoever came next."""
    overlay = Overlay(base)
    lost = an_instance(1, host="localhost", port=8000, leased=False)
    overlay.accept((put(lost, FIRST),))
    assert overlay.leased_at(ADDRESS) is None
    third = an_instance(3, host="127.0.0.1", port=8000)
    overlay.accept((put(third),))
    assert overlay.leased_at(ADDRESS) == third
    overlay.accept((forget(third),))
    assert overlay.leased_at(ADDRESS) is None
