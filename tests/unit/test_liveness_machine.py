"""Leases, sessions and states together, on two servers with one database, against a simple model in virtual time.

Everything that judges is real: leases, judge, sessions, pulses, ownership, takeover, writer and decisions. The database
is on paper. Clients connect, beat, stop, come back and move; servers and the database fail. Whatever happens:

* who lives and beats is never failed;
* who stops beating is failed in its time, unless something of ours was in the way;
* what is fenced changes nothing;
* session epochs and fencing tokens grow, and a lease has one holder.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tekton_server.domain.commands import RegisterComponent
from tekton_server.domain.preservation import Word
from tests.unit.liveness_model import KNOWN, TIMEOUT
from tests.unit.liveness_scene import COMPONENTS, DRAINED, FENCES, Scene
from tests.unit.paper import uuid_of

servers = st.integers(0, 1)
picks = st.integers(0, 50)
states = st.sampled_from(["", "", "ready", "degraded", "starting", "stopping"])
fences = st.sampled_from(FENCES)
lives = st.sampled_from(["", "by a stream", "by calls"])


class Liveness(Scene, RuleBasedStateMachine):
    """Two servers, some instances, and everything that can happen to them."""

    @initialize(ahead=st.sampled_from([0.0, 0.0, 20.0, -20.0]))
    def begin(self, ahead: float) -> None:
        self.open(ahead)
        for number in range(2):
            self._start(number)
        self.run(self._wait(KNOWN))
        for port in COMPONENTS:
            self.register(port % 2, port, "by a stream" if port == 1 else "")
        self.connect(0, [1, 2], [])

    def teardown(self) -> None:
        """Let everybody stop, and see that each who holds a lease is failed."""
        if not hasattr(self, "loop"):
            return
        try:
            self._rest()
        finally:
            self.end()

    # Clients.

    @rule(number=servers, port=st.sampled_from(list(COMPONENTS)), lives=lives)
    def register(self, number: int, port: int, lives: str) -> None:
        """A new instance; at an address that is held it supersedes."""
        server = self._server(number)
        self.registered += 1
        uuid = uuid_of(self.registered)
        command = RegisterComponent(
            component_id=COMPONENTS[port], component_name="A", component_type="core", version="1.0.0",
            host="10.0.0.1", port=port, instance_uuid=uuid,
        )  # fmt: skip
        self.run(self._submit(server, command))
        if lives and uuid in self.truth.known:
            self.run(self._beat_for_ever(self.truth.known[uuid], calls=lives == "by calls"))

    @rule(number=servers, right=st.lists(picks, max_size=3), wrong=st.lists(picks, max_size=1))
    def connect(self, number: int, right: list[int], wrong: list[int]) -> None:
        """A new stream claims leases."""
        self.run(self._connect(self._server(number), right, wrong))

    @precondition(lambda self: self.open_streams)
    @rule(stream=picks, right=st.lists(picks, max_size=2), wrong=st.lists(picks, max_size=1))
    def claim_more(self, stream: int, right: list[int], wrong: list[int]) -> None:
        """A stream claims more, or again what it has."""
        chosen = self._stream(stream)
        chosen.hello(self._some(right), self._some(wrong))
        self.run(self._wait(0.01))

    @precondition(lambda self: self.open_streams)
    @rule(stream=picks, handle=picks, state=states, old=st.booleans())
    def beat(self, stream: int, handle: int, state: str, old: bool) -> None:
        """A beat for a lease that the stream has, or had; or one that others have overtaken."""
        chosen = self._stream(stream)
        if chosen.had:
            handles = sorted(chosen.had)
            self.run(self._beat(chosen, handles[handle % len(handles)], state, old))

    @precondition(lambda self: self.open_streams)
    @rule(stream=picks)
    def beat_for_all(self, stream: int) -> None:
        """One message for all leases that a stream has had."""
        chosen = self._stream(stream)
        chosen.batch(sorted(chosen.had))
        self.run(self._wait(0.01))

    @precondition(lambda self: self.truth.known)
    @rule(number=servers, pick=picks, fence=fences, state=states)
    def beat_by_call(self, number: int, pick: int, fence: str, state: str) -> None:
        """The unary twin, at any server."""
        self.run(self._unary(self._server(number), self._one(pick), fence, state))

    @precondition(lambda self: self.open_streams)
    @rule(stream=picks)
    def close(self, stream: int) -> None:
        """A stream breaks off: that ends nothing."""
        self.run(self._stream(stream).close())
        self.run(self._wait(0.01))

    @precondition(lambda self: self.open_streams)
    @rule(stream=picks, handle=picks)
    def goodbye(self, stream: int, handle: int) -> None:
        """A lease is given up; one that the stream has lost is not."""
        chosen = self._stream(stream)
        handles = sorted(chosen.had)
        if not handles:
            return
        chosen_one = handles[handle % len(handles)]
        if chosen_one in chosen.holds:
            chosen.goodbye([chosen_one])
            self.run(self._wait(0.01))
        elif chosen.idle:
            self.run(self._changes_nothing(chosen.server, chosen.had[chosen_one], chosen.say_goodbye(chosen_one)))

    @precondition(lambda self: self.truth.known)
    @rule(number=servers, pick=picks, fence=fences)
    def deregister(self, number: int, pick: int, fence: str) -> None:
        """An instance ends, if it is its own word."""
        self.run(self._change(self._server(number), self._one(pick), fence, end=True))

    @precondition(lambda self: self.truth.known)
    @rule(number=servers, pick=picks, fence=fences)
    def report(self, number: int, pick: int, fence: str) -> None:
        """An instance tells its state by a call."""
        self.run(self._change(self._server(number), self._one(pick), fence, end=False))

    # Time, and what may happen to us.

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 4.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.run(self._wait(seconds))

    @rule(seconds=st.sampled_from([4.0, 5.5, 7.0, 9.0]))
    def pass_much_time(self, seconds: float) -> None:
        """Time passes, so that some may die."""
        self.run(self._wait(seconds))

    @precondition(lambda self: any(known.leased and not known.beats for known in self.truth.known.values()))
    @rule(pick=picks, number=servers, fence=st.sampled_from([*FENCES, "hello", "nothing"]), decided=st.booleans())
    def beat_while_judged(self, pick: int, number: int, fence: str, decided: bool) -> None:
        """An expiry waits for the journal's lock, or is decided and waits for its commit, when a beat comes."""
        dying = [known for known in self.truth.known.values() if known.leased and not known.beats]
        self.run(self._race(dying[pick % len(dying)], number, fence, decided))

    @rule(seconds=st.sampled_from([1.0, 7.0, 15.0]))
    def be_without_gateway(self, seconds: float) -> None:
        """Who beats through it cannot; who comes to the servers' own ports is judged as ever."""
        self.calm()
        # Who was pardoned lately is not pardoned again.
        self.run(self._wait(2 * TIMEOUT + KNOWN))
        self.run(self._gateway(False))
        self.run(self._wait(seconds))
        self.the_dead_are_failed_in_time()
        self.run(self._gateway(True))
        self.run(self._wait(KNOWN))

    @rule(
        what=st.sampled_from(
            ["the lock is held", "the database is down", "still", "killed", "evictions stop", "nothing is stored"]
        ),
        number=servers,
        seconds=st.sampled_from([0.7, 3.0, 13.0]),
    )
    def disturb(self, what: str, number: int, seconds: float) -> None:
        """Something of ours fails, for a while or until it is mended."""
        if what == "still":
            self._stand_still(seconds)
            self.run(self._wait(1.0))
            # Once more, before anybody has proved that he is well.
            self._stand_still(seconds)
        elif what == "killed":
            self._kill(number)
        elif what == "evictions stop":
            self._say(Word.ON)
        elif what == "the database is down" and not self.database.down:
            self.down_since = self.truth.now
            self.database.stop()
        elif what == "nothing is stored":
            # By one of the servers.
            self.down_since = self.down_since if self.database.down else self.truth.now
            self.database.stuck |= {server.server_id for server in [self.servers[number]] if server is not None}
        elif not self.database.down:
            # By another program.
            self.database.held = True
        self.run(self._wait(0.01))

    @rule(what=st.sampled_from(["the lock", "the database", "a server", "evictions", "everything"]), number=servers)
    def mend(self, what: str, number: int) -> None:
        """It works again."""
        if what in ("the lock", "everything"):
            self.database.held = False
            self.database.stuck.clear()
        if what in ("the database", "everything"):
            self.database.start()
        if what in ("evictions", "everything"):
            self._say(Word.AUTO)
        for one in range(2) if what == "everything" else [number] if what == "a server" else ():
            self._start_again(one)
        self.run(self._wait(0.01))

    @rule()
    def calm(self) -> None:
        """Without disturbance everybody agrees soon."""
        self.mend("everything", 0)
        self.run(self._wait(DRAINED + 2 * KNOWN))
        self.run(self._agree())

    def _rest(self) -> None:
        """And in the end who does not beat is failed."""
        self.calm()
        self.run(self._wait(TIMEOUT + DRAINED + 2 * KNOWN))
        self.run(self._agree())
        left = {known.instance_uuid for known in self.truth.known.values() if known.leased}
        assert left == {known.instance_uuid for known in self.truth.known.values() if known.beats}

    # What always holds.

    @invariant()
    def the_dead_are_failed_in_time(self) -> None:
        if hasattr(self, "truth"):
            database = self.database
            if database.down or database.held or database.stuck or self.truth.evictions_stopped or not self.living:
                self.truth.disturbed()
            self.truth.check_the_dead()

    @invariant()
    def a_lease_is_carried_by_one_stream_of_a_server(self) -> None:
        for server in getattr(self, "servers", ()):
            for session in () if server is None else server.sessions:
                for lease in session._leases.values():
                    assert lease.session is session

    @invariant()
    def who_owns_how_many_is_counted_right(self) -> None:
        for server in getattr(self, "servers", ()):
            if server is not None:
                owners = Counter(lease.owner for lease in server.leases._leases.values())
                assert server.leases.ownership._owners == owners
                assert server.leases.owned == sum(lease.mine for lease in server.leases._leases.values())

    @invariant()
    def every_part_works(self) -> None:
        for error in self.truth.wrong if hasattr(self, "truth") else ():
            raise error
        for server in getattr(self, "servers", ()):
            if server is not None:
                server.assert_well()
        for beater in getattr(self, "beaters", ()):
            if beater.task.done():
                beater.task.result()


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Any:
    """Thousands of outages are nothing to tell."""
    loggers = [logging.getLogger("tekton_server"), logging.getLogger("asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


TestLiveness = Liveness.TestCase
TestLiveness.settings = settings(max_examples=30, stateful_step_count=40)
