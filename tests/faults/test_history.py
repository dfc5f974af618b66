"""The checker of histories finds each thing that can be wrong, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.history import Attempt, Beater, History, Outcome, Read, Row, Watch, violations

JOURNAL = [
    Row(1, "component", "a"),
    Row(1, "instance", "uuid-a", "register a", "", "registering"),
    Row(2, "component", "a", "update a"),
    Row(3, "instance", "uuid-a", "", "registering", "starting"),
    Row(3, "instance", "uuid-a", "state a", "starting", "ready"),
]
Change = Callable[[History, list[Row]], None]


async def healthy() -> History:
    """What everybody sees when nothing is wrong."""
    history = History()
    history.attempts += [
        Attempt("register a", 0.0, 0.5, Outcome.UNKNOWN),
        Attempt("register a", 0.6, 1.0, Outcome.ACKNOWLEDGED, 1),
        Attempt("update a", 2.0, 3.0, Outcome.ACKNOWLEDGED, 2),
        Attempt("state a", 4.0, 5.0, Outcome.ACKNOWLEDGED, 3),
        Attempt("register b", 4.0, 5.0, Outcome.REFUSED, said="unavailable"),
    ]
    history.reads += [Read("one", 1.5, 1.6, 1), Read("one", 5.5, 5.6, 3)]
    everything, late, states = Watch("everything"), Watch("late"), Watch("states", states=True)
    history.watches += [everything, late, states]
    await everything.began(0)
    await everything.saw(1, ("a", "uuid-a"))
    await everything.saw(2, ("a",))
    await everything.saw(3, ("uuid-a", "uuid-a"))
    await late.began(2)
    await late.saw(3, ("uuid-a", "uuid-a"))
    await states.began(0)
    await states.saw(1, ("uuid-a registering",))
    await states.saw(3, ("uuid-a starting", "uuid-a ready"))
    history.beaters.append(Beater("a", "uuid-a", 3))
    return history


async def test_a_history_in_which_all_is_well_has_no_violation() -> None:
    """Unknown outcomes, late watchers and refusals included."""
    assert violations(await healthy(), JOURNAL) == []


def lost(history: History, journal: list[Row]) -> None:
    history.attempts.append(Attempt("register c", 6.0, 7.0, Outcome.ACKNOWLEDGED, 4))


def twice(history: History, journal: list[Row]) -> None:
    journal.append(Row(4, "instance", "uuid-2", "register a", "", "registering"))


def refused_and_done(history: History, journal: list[Row]) -> None:
    journal.append(Row(4, "instance", "uuid-b", "register b", "", "registering"))


def another_revision(history: History, journal: list[Row]) -> None:
    history.attempts[2] = replace(history.attempts[2], revision=3)


def skipped_revision(history: History, journal: list[Row]) -> None:
    journal.append(Row(5, "component", "a"))


def out_of_order(history: History, journal: list[Row]) -> None:
    history.attempts.append(Attempt("update a", 6.0, 7.0, Outcome.ACKNOWLEDGED, 2))
    del history.attempts[2]


def read_back_in_time(history: History, journal: list[Row]) -> None:
    history.reads.append(Read("one", 5.7, 5.8, 2))


def stale_read(history: History, journal: list[Row]) -> None:
    history.reads.append(Read("another", 5.7, 5.8, 2))


def missed(history: History, journal: list[Row]) -> None:
    del history.watches[0].seen[1]


def seen_twice(history: History, journal: list[Row]) -> None:
    history.watches[0].seen.insert(1, history.watches[0].seen[0])


def seen_in_another_order(history: History, journal: list[Row]) -> None:
    history.watches[0].seen[1:] = reversed(history.watches[0].seen[1:])


def half_a_revision(history: History, journal: list[Row]) -> None:
    history.watches[1].seen[0] = (3, ("uuid-a",))


def invented(history: History, journal: list[Row]) -> None:
    history.watches[1].seen.append((4, ("uuid-a",)))


def state_missed(history: History, journal: list[Row]) -> None:
    del history.watches[2].seen[0]


def began_earlier_again(history: History, journal: list[Row]) -> None:
    history.watches[1].beginnings.insert(0, 3)


def never_began(history: History, journal: list[Row]) -> None:
    history.watches[1].beginnings.clear()


def failed_falsely(history: History, journal: list[Row]) -> None:
    journal.append(Row(4, "instance", "uuid-a", "", "ready", "failed"))


def told_lost(history: History, journal: list[Row]) -> None:
    history.beaters[0].told_lost.append("stale_session")


def surprised(history: History, journal: list[Row]) -> None:
    history.surprises.append("component_not_found during an outage")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lost, "was acknowledged and is lost"),
        (twice, "was done 2 times"),
        (refused_and_done, "was refused every time (unavailable) and happened"),
        (another_revision, "was acknowledged as 3 and is 2"),
        (skipped_revision, "not 1..N"),
        (out_of_order, "update a got 2 after 3 was acknowledged"),
        (read_back_in_time, "one read 2 after 3"),
        (stale_read, "another read 2 after 3 was acknowledged"),
        (missed, "everything missed [2]"),
        (seen_twice, "everything saw 1 after 1"),
        (seen_in_another_order, "everything saw 2 after 3"),
        (half_a_revision, "late saw ('uuid-a',) at 3"),
        (invented, "late saw ('uuid-a',) at 4, and the journal holds None"),
        (state_missed, "states missed [1]"),
        (began_earlier_again, "late began at [3, 2], going back"),
        (never_began, "late never began"),
        (failed_falsely, "a kept beating and was failed at [4]"),
        (told_lost, "a kept beating and was told ['stale_session']"),
        (surprised, "component_not_found during an outage"),
    ],
)
async def test_each_violation_is_found(change: Change, words: str) -> None:
    """One thing is changed, and the checker says what is wrong with it."""
    history, journal = await healthy(), list(JOURNAL)
    change(history, journal)
    found = violations(history, journal)
    assert any(words in sentence for sentence in found), found


async def test_with_several_servers_a_read_may_lag_behind_another_servers_write() -> None:
    """Positive answers come from the view at once; on one connection they still never go back."""
    history = await healthy()
    stale_read(history, JOURNAL)
    assert violations(history, JOURNAL, one_server=False) == []


async def test_what_a_watcher_saw_before_it_was_told_to_begin_anew_does_not_count() -> None:
    """A reset is told, so nothing is missed in silence."""
    history = await healthy()
    watch = history.watches[0]
    missed(history, JOURNAL)
    await watch.began(3)
    assert violations(history, JOURNAL) == []
