"""Self-preservation as a machine: when it begins, when it ends, and what it never does. Times are those of the test."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tekton_server.domain.preservation import LEAST, SHARE, WINDOWS, Preservation, Word

WINDOW = 30.0


def gone(mode: Preservation, now: float, *sessions: int) -> None:
    """Let sessions go missing."""
    for session in sessions:
        mode.missing(session, now)


def test_it_takes_ten_sessions_and_more_than_fifteen_percent() -> None:
    """Nine are not enough, however few there are; ten of 67 are 14.9 percent."""
    mode = Preservation()
    gone(mode, 1.0, *range(9))
    assert mode.look(2.0, 9, WINDOW) is None
    mode.missing(9, 2.0)
    assert mode.look(2.0, 67, WINDOW) is None
    assert mode.look(2.0, 66, WINDOW) == (True, "missing", (66, 10))
    assert mode.active


def test_sessions_that_go_one_by_one_over_a_longer_time_are_no_reason() -> None:
    """Ten are missing, and never so many within a window."""
    mode = Preservation()
    for number in range(10):
        gone(mode, number * 4.0, number)
        assert mode.look(number * 4.0, 20, WINDOW) is None


def test_it_ends_when_enough_are_back() -> None:
    """The rest are evicted: so few may have died."""
    mode = Preservation()
    gone(mode, 1.0, *range(15))
    mode.look(1.0, 40, WINDOW)
    for session in range(5):
        mode.back(session)
    assert mode.look(20.0, 40, WINDOW) is None and mode.active
    mode.back(5)
    assert mode.look(21.0, 40, WINDOW) == (False, "recovered", (40, 9))


def test_it_ends_after_three_windows_and_those_missing_then_never_start_it_again() -> None:
    """Others may: ten more, of those who are left."""
    mode = Preservation()
    gone(mode, 1.0, *range(15))
    mode.look(1.0, 40, WINDOW)
    assert mode.look(1.0 + WINDOWS * WINDOW - 0.1, 40, WINDOW) is None
    change = mode.look(1.0 + WINDOWS * WINDOW, 40, WINDOW)
    assert change is not None and (change.active, change.why) == (False, "time")
    gone(mode, 92.0, *range(15))
    assert mode.look(92.0, 40, WINDOW) is None
    gone(mode, 93.0, *range(20, 29))
    assert mode.look(93.0, 40, WINDOW) is None
    gone(mode, 94.0, 29)
    assert mode.look(94.0, 40, WINDOW) == (True, "missing", (25, 10))


def test_one_that_came_back_may_go_missing_anew() -> None:
    """It was written off, and beat again since."""
    mode = Preservation()
    gone(mode, 1.0, *range(15))
    mode.look(1.0, 40, WINDOW)
    mode.look(1.0 + WINDOWS * WINDOW, 40, WINDOW)
    for session in range(15):
        mode.back(session)
    gone(mode, 100.0, *range(15))
    change = mode.look(100.0, 40, WINDOW)
    assert change is not None and change.active


def test_the_evicted_count_until_the_window_is_over() -> None:
    """Nine die one after the other and are evicted; the tenth within the window is one too many."""
    mode = Preservation()
    for session in range(9):
        mode.missing(session, 1.0 + session)
        mode.evicted(session)
    mode.missing(9, 20.0)
    assert mode.look(20.0, 31, WINDOW) == (True, "missing", (40, 10))
    later = Preservation()
    for session in range(9):
        later.missing(session, 1.0)
        later.evicted(session)
    later.missing(9, 31.5)
    assert later.look(31.5, 31, WINDOW) is None


def test_an_operators_word_stands() -> None:
    """On lasts for ever; off ends it and keeps it from beginning; what was missing then is no reason afterwards."""
    mode = Preservation()
    assert mode.say(Word.ON, 1.0, 40) == (True, "operator", (40, 0))
    gone(mode, 2.0, *range(20))
    assert mode.look(10_000.0, 40, WINDOW) is None and mode.active
    assert mode.say(Word.OFF, 10_000.0, 40) == (False, "operator", (40, 20))
    gone(mode, 10_001.0, *range(20, 40))
    assert mode.look(10_001.0, 40, WINDOW) is None and not mode.active
    assert mode.say(Word.AUTO, 10_002.0, 40) is None
    assert mode.look(10_002.0, 40, WINDOW) is None and not mode.active


class AMode(RuleBasedStateMachine):
    """Sessions come, go missing, return, say goodbye and are evicted in any order; a plain model looks on."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = Preservation()
        self.now = 1.0
        self.alive = set(range(40))
        self.missing: dict[int, float] = {}
        self.evicted: list[float] = []
        self.written_off: set[int] = set()
        self.next = 40
        self.began: float | None = None

    @rule(seconds=st.floats(0.1, 40.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 12))
    def join(self, count: int) -> None:
        self.alive |= set(range(self.next, self.next + count))
        self.next += count

    @precondition(lambda self: self.alive)
    @rule(count=st.integers(1, 20))
    def go_missing(self, count: int) -> None:
        for session in sorted(self.alive)[:count]:
            self.alive.discard(session)
            self.missing[session] = self.now
            self.mode.missing(session, self.now)

    @precondition(lambda self: self.missing)
    @rule(count=st.integers(1, 20), goodbye=st.booleans())
    def come_back(self, count: int, goodbye: bool) -> None:
        for session in list(self.missing)[-count:]:
            del self.missing[session]
            self.written_off.discard(session)
            self.mode.back(session)
            if not goodbye:
                self.alive.add(session)

    @precondition(lambda self: self.missing and not self.mode.active)
    @rule(count=st.integers(1, 20))
    def evict(self, count: int) -> None:
        for session in list(self.missing)[:count]:
            since = self.missing.pop(session)
            if session not in self.written_off:
                self.evicted.append(since)
            self.written_off.discard(session)
            self.mode.evicted(session)

    @rule(word=st.sampled_from(Word))
    def say(self, word: Word) -> None:
        if word is not self.mode.word and word is not Word.ON:
            self._write_off()
        self.mode.say(word, self.now, len(self.alive) + len(self.missing))
        self.began = self.now if self.mode.active and self.began is None else self.began if self.mode.active else None

    @rule()
    def look(self) -> None:
        was, word = self.mode.active, self.mode.word
        change = self.mode.look(self.now, len(self.alive) + len(self.missing), WINDOW)
        assert (change is None) == (was == self.mode.active)
        if change is None:
            return
        assert word is Word.AUTO, "it changed against an operator's word"
        if change.active:
            self.began = self.now
            fresh, total = self._fresh()
            assert fresh >= LEAST and fresh > SHARE * total, "it began without a reason"
        else:
            assert change.why == "recovered" or self.now - (self.began or 0.0) >= WINDOWS * WINDOW
            self.began = None
            if change.why == "time":
                self._write_off()

    def _fresh(self) -> tuple[int, int]:
        first = self.now - WINDOW
        evicted = sum(since > first for since in self.evicted)
        lately = sum(since > first for one, since in self.missing.items() if one not in self.written_off)
        total = len(self.alive) + len(self.missing) - len(self.written_off & self.missing.keys()) + evicted
        return lately + evicted, total

    def _write_off(self) -> None:
        self.written_off |= self.missing.keys()
        self.evicted.clear()

    @invariant()
    def by_itself_it_does_not_outlast_three_windows(self) -> None:
        if self.mode.active and self.mode.word is Word.AUTO and self.now - (self.began or 0.0) >= WINDOWS * WINDOW:
            self.look()
            assert not self.mode.active


TestAMode = AMode.TestCase
TestAMode.settings = settings(max_examples=60, stateful_step_count=40)
