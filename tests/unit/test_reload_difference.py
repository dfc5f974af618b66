"""What a server that was away makes of what it loads: the same, whatever it showed before."""

from __future__ import annotations

from typing import get_args

from tekton.core.view import Change, Definition, Instance, View
from tekton_server.live.reload import RECORDS, difference
from tests.unit.paper import HISTORY, NOON, a_definition, an_instance, put


def a_view(revision: int, *records: Definition | Instance) -> View:
    """A view that holds some records."""
    view = View(HISTORY, revision)
    for record in records:
        view.apply(put(record))
    return view


def test_no_kind_of_record_is_forgotten() -> None:
    """Of a new kind what was missed would be missing for ever."""
    assert set(RECORDS) == set(get_args(Change))


def test_the_difference_makes_one_view_the_other() -> None:
    """Put, replaced and removed; who lives at an address of before is found there, and nothing else changes."""
    same, address = an_instance(1), {"host": "10.0.0.1", "port": 1}
    former = an_instance(2, **address, leased=True)
    shown = a_view(5, a_definition(), same, former, a_definition("engram"), an_instance(3, "engram"))
    ended, successor = an_instance(2, **address, leased=False), an_instance(4, **address, leased=True)
    loaded = a_view(90, a_definition(component_name="B"), successor, same, ended)
    commit = difference(shown, loaded, NOON)
    assert same.instance_uuid not in {change.key for change in commit.changes}
    shown.fold(commit)
    assert (shown.revision, shown.instances) == (90, loaded.instances)
    assert {k: c.definition for k, c in shown.components.items()} == {"athena": a_definition(component_name="B")}
    assert successor.address is not None and shown.leased_at(successor.address) == successor
    assert difference(shown, loaded, NOON).changes == ()
