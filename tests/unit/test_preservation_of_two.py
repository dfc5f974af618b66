"""Self-preservation where several servers share a database: each counts everybody, and each judges its own.

On a paper database and in virtual time; beats are due every 2 s, and leases are lost after 6 s.
"""

from __future__ import annotations

import asyncio

import pytest

from tekton.core.view import Instance
from tekton_server.domain.commands import RegisterComponent
from tekton_server.domain.preservation import Word
from tekton_server.live.sessions import Session
from tests.support.paper_server import PaperServer
from tests.unit.paper import uuid_of
from tests.unit.stage import TIMEOUT, Stage

STREAMS = 40


class Fleet:
    """Forty instances, each on a host and a stream of its own, the even ones at the first server."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.servers = [stage.server(), stage.server()]
        self.instances = [self._register(number) for number in range(STREAMS)]
        self.streams: dict[int, Session] = {}
        for number, instance in enumerate(self.instances):
            self.join(number, self.servers[number % 2], instance)
        self.run(2 * TIMEOUT)

    def join(self, number: int, server: PaperServer, instance: Instance) -> None:
        """Open a stream."""
        self.streams[number] = self.stage.session(server, instance)

    def vanish(self, *numbers: int) -> None:
        """Let streams break off."""
        for number in numbers:
            self.streams.pop(number).close()

    def run(self, seconds: float) -> None:
        """Let time pass; who has a stream beats every two seconds."""

        async def passes() -> None:
            for _ in range(int(seconds / 2)):
                for stream in self.streams.values():
                    stream.beat_batch([1], 0)
                await asyncio.sleep(2.0)

        self.stage.run(passes())

    @property
    def failed(self) -> list[int]:
        """Who holds no lease any more, as every server has it."""
        found = [
            [n for n, one in enumerate(self.instances) if one.instance_uuid not in server.leases]
            for server in self.servers
        ]
        assert all(one == found[0] for one in found)
        return found[0]

    @property
    def active(self) -> list[bool]:
        """Whether evictions are stopped at each server."""
        return [server.leases.judge.preservation.active for server in self.servers]

    def _register(self, number: int) -> Instance:
        command = RegisterComponent(
            component_id="athena", component_name="A", component_type="core", version="1.0.0", host=f"10.0.0.{number}",
            port=1, instance_uuid=uuid_of(number + 1),
        )  # fmt: skip
        granted: Instance = self.stage.run(self.servers[number % 2].writer.submit(command)).instance
        return granted


@pytest.fixture
def fleet(stage: Stage) -> Fleet:
    """The fleet, which has beaten for a while."""
    return Fleet(stage)


def test_streams_that_vanish_from_two_servers_are_counted_together(fleet: Fleet) -> None:
    """Eight here and seven there are too few for each alone, and too many for both.

    Nobody is failed for three timeouts, and then all fifteen are, by their own servers.
    """
    fleet.vanish(*range(15))
    fleet.run(2 * TIMEOUT)
    assert fleet.active == [True, True] and not fleet.failed
    fleet.run(TIMEOUT)
    assert not fleet.failed
    fleet.run(2 * TIMEOUT)
    assert fleet.active == [False, False] and fleet.failed == list(range(15))
    assert [server.leases.judge.preservation.times for server in fleet.servers] == [1, 1]


def test_one_death_at_each_server_is_seen_in_its_time(fleet: Fleet) -> None:
    """Two of forty are no reason to stop."""
    fleet.vanish(4, 5)
    fleet.run(TIMEOUT + 4)
    assert fleet.failed == [4, 5] and fleet.active == [False, False]


def test_streams_that_come_back_to_the_other_server_end_it_at_both(fleet: Fleet) -> None:
    """Their network was it; who did not come back is failed."""
    fleet.vanish(*range(15))
    fleet.run(2 * TIMEOUT)
    assert fleet.active == [True, True]
    for number in range(13):
        fleet.join(number, fleet.servers[(number + 1) % 2], fleet.instances[number])
    fleet.run(2 * TIMEOUT)
    assert fleet.active == [False, False] and fleet.failed == [13, 14]


def test_a_server_that_is_killed_with_half_of_the_streams_fails_nobody(fleet: Fleet) -> None:
    """They come back to the other within their timeout; it takes them for neither dead nor missing."""
    fleet.stage.run(fleet.servers[0].kill())
    gone = fleet.servers.pop(0)
    for number in range(0, STREAMS, 2):
        fleet.streams.pop(number)
    fleet.run(2)
    for number in range(0, STREAMS, 2):
        fleet.join(number, fleet.servers[0], fleet.instances[number])
    fleet.run(5 * TIMEOUT)
    assert not fleet.failed and fleet.active == [False]
    assert gone.server_id not in fleet.stage.database.servers
    assert not fleet.servers[0].leases.judge.preservation.times


def test_a_server_that_is_killed_and_whose_streams_do_not_come_back_is_no_mass_death_at_once(fleet: Fleet) -> None:
    """Twenty of forty are missing with it: the other stops evictions, for three timeouts at most."""
    fleet.stage.run(fleet.servers[0].kill())
    del fleet.servers[0]
    for number in range(0, STREAMS, 2):
        fleet.streams.pop(number)
    fleet.run(2 * TIMEOUT)
    assert fleet.active == [True] and not fleet.failed
    fleet.run(4 * TIMEOUT)
    assert fleet.failed == list(range(0, STREAMS, 2)) and fleet.active == [False]


def test_a_word_that_every_server_follows_holds_at_every_server(fleet: Fleet) -> None:
    """On: whoever owns a lease, it is kept; auto: it is failed by its owner."""
    for server in fleet.servers:
        server.leases.judge.preservation.say(Word.ON, None)
    fleet.vanish(4, 5)
    fleet.run(5 * TIMEOUT)
    assert not fleet.failed
    for server in fleet.servers:
        server.leases.judge.preservation.say(Word.AUTO, None)
    fleet.run(4)
    assert fleet.failed == [4, 5]
