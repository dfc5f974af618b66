"""Several servers of one Tekton: calls and heartbeats turn to the next where one does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tekton._channel import Target
from tekton.client import TektonClient, UnavailableError
from tests.sdk.fake import FakeTekton, dropped, fake_tekton, registered
from tests.support.ports import free_port

Two = list[tuple[FakeTekton, Callable[[], None]]]


@pytest.fixture
def two() -> Iterator[Two]:
    """Two servers, each with what ends it."""
    with ExitStack() as stack:
        servers = []
        for _ in range(2):
            own = stack.enter_context(ExitStack())
            servers.append((own.enter_context(fake_tekton()), own.close))
        yield servers


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("a", "a:8010"),
        ("a:1", "a:1"),
        ("a:1,b:2", "a:1, b:2"),
        (" a , b:2, [::1]:3 ,[::2],::3", "a:8010, b:2, [::1]:3, [::2]:8010, [::3]:8010"),
        ("a,a:8010,b", "a:8010, b:8010"),
        ("0.0.0.0:1,[::]:2", "localhost:1, [::1]:2"),
    ],
)
def test_several_addresses_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, host: str, shown: str) -> None:
    """As an argument and as TEKTON_HOST; who names no port has the common one."""
    assert str(Target.of(host, 8010)) == shown
    monkeypatch.setenv("TEKTON_HOST", host)
    monkeypatch.setenv("TEKTON_PORT", "8010")
    assert str(Target.of()) == shown
    assert [str(one) for one in Target.of().addresses] == shown.split(", ")


@pytest.mark.parametrize("host", ["a,", ",a", "a,,b", ",", "a:0", "a:x", "a:70000,b", ":8010"])
def test_what_is_no_list_of_addresses_is_refused(host: str) -> None:
    """At once, and not by a call that fails."""
    with pytest.raises(ValueError, match="Tekton"):
        Target.of(host, 8010)


@pytest.mark.parametrize("dead_first", [True, False])
async def test_a_server_that_is_down_is_passed_over(fake: FakeTekton, dead_first: bool) -> None:
    """Whichever is tried first, a first call gets through, and so does the heart."""
    addresses = [f"localhost:{free_port()}", f"127.0.0.1:{fake.port}"]
    client = TektonClient(",".join(addresses))
    for tried in (client._calls._addresses, client._heart._keeper._connection._addresses):
        tried.sort(key=lambda address: (address.port == fake.port) is dead_first)
    name, _ = await registered(client)
    client.start_heartbeat(name)
    await fake.until(lambda: fake.all("beat"))
    await dropped(client)


async def test_calls_and_heartbeats_move_on_when_their_server_ends(two: Two) -> None:
    """Without a new registration: the lease is the same on every server."""
    (first, end_first), (second, _) = two
    client = TektonClient(f"127.0.0.1:{first.port},127.0.0.1:{second.port}")
    for tried in (client._calls._addresses, client._heart._keeper._connection._addresses):
        tried.sort(key=lambda address: address.port != first.port)
    name, uuid = await registered(client)
    client.start_heartbeat(name)
    await first.until(lambda: first.all("beat"))
    await asyncio.to_thread(end_first)
    await second.until(lambda: second.all("beat"))
    assert second.all("hello")[0].leases[0].instance_uuid == uuid
    answers = await asyncio.gather(*(client.update_component(name, {}) for _ in range(3)), return_exceptions=True)
    # The fake knows no updates, but it answers.
    assert not any(isinstance(answer, UnavailableError) for answer in answers)
    await registered(client)
    assert (len(first.registered), len(second.registered)) == (1, 1)
    await dropped(client)


async def test_where_nobody_answers_the_error_names_all_that_were_asked() -> None:
    """Soon, as with one."""
    one, two = free_port(), free_port()
    async with TektonClient(f"localhost:{one},localhost:{two}", connect_timeout=0.5) as client:
        with pytest.raises(UnavailableError, match=f"localhost:{one}, localhost:{two}"):
            await client.get_component("athena")
