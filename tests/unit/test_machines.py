"""The loopback is a different host on every machine: who is called localhost where."""

from __future__ import annotations

import ipaddress

import pytest

from tekton.core.errors import AlreadyExistsError
from tekton.core.ids import is_loopback
from tekton.core.view import address_of
from tekton_server.services.caller import CLIENT_ADDRESS, machine_of
from tests.unit.paper import Paper, a_registration

LOOPBACK = ["localhost", "localhost.", "db.localhost", "127.0.0.1", "127.1", "127.8.8.8", "::1", "0.0.0.0", "::"]
OTHERS = ["10.0.0.7", "example", "127.0.0.1.example", "127.example", "localhost.example", "128.0.0.1", "2001:db8::1"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_all_names_of_the_loopback_are_one_host_on_one_machine(host: str) -> None:
    assert is_loopback(host)
    assert address_of(host, 1) == address_of("localhost", 1)
    assert address_of(host, 1, "10.0.0.7") == address_of("localhost", 1, "10.0.0.7")


@pytest.mark.parametrize("host", OTHERS)
def test_every_other_host_is_the_same_from_everywhere(host: str) -> None:
    assert not is_loopback(host)
    assert address_of(host, 1, "10.0.0.7") == address_of(host, 1) != address_of("localhost", 1)


def test_the_loopbacks_of_two_machines_are_two_hosts() -> None:
    found = {address_of("localhost", 1, machine) for machine in ("", "10.0.0.7", "10.0.0.8")}
    assert len(found) == 3


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "[::1]", "::ffff:127.0.0.1", ""])
def test_components_of_two_machines_may_both_be_on_localhost(host: str) -> None:
    """On one machine they may not, whatever they call it."""
    paper = Paper()
    paper.do(a_registration("athena", host=host))
    paper.do(a_registration("engram", uuid=2, host=host, machine="10.0.0.7"))
    paper.do(a_registration("rhetor", uuid=3, host=host, machine="10.0.0.8"))
    assert [paper.instance(n).machine for n in (1, 2, 3)] == ["", "10.0.0.7", "10.0.0.8"]
    for machine in ("", "10.0.0.7", "10.0.0.8"):
        paper.refuses(AlreadyExistsError, a_registration("sophia", uuid=4, host="localhost", machine=machine))


def test_an_address_that_means_the_same_everywhere_is_held_wherever_the_call_comes_from() -> None:
    paper = Paper()
    paper.do(a_registration("athena", host="10.0.0.9", machine="10.0.0.7"))
    assert paper.instance().machine == ""
    paper.refuses(AlreadyExistsError, a_registration("engram", uuid=2, host="10.0.0.9"))


def test_a_restart_supersedes_on_its_own_machine_only() -> None:
    """The same component on another machine is a second instance."""
    paper = Paper()
    for number, machine in enumerate(("", "10.0.0.7", "10.0.0.7"), 1):
        paper.do(a_registration(uuid=number, machine=machine))
    assert [paper.instance(n).leased for n in (1, 2, 3)] == [True, False, True]


def test_a_registration_that_is_sent_again_from_elsewhere_is_the_same() -> None:
    """A client with two addresses does not choose the one it calls from."""
    paper = Paper()
    paper.do(a_registration(machine="10.0.0.7"))
    answer = paper.changes_nothing(a_registration(machine="10.0.0.8"))
    assert (answer.created, answer.instance.machine) == (False, "10.0.0.7")


@pytest.mark.parametrize(
    ("peer", "machine"),
    [
        ("ipv4:127.0.0.1:5000", ""),
        ("ipv4:127.3.2.1:5000", ""),
        ("ipv4:10.0.0.7:5000", "10.0.0.7"),
        ("ipv6:[::1]:5000", ""),
        ("ipv6:%5B::1%5D:5000", ""),
        ("ipv6:%5B2001:db8::7%5D:5000", "2001:db8::7"),
        ("ipv6:[fe80::7%25eth0]:5000", "fe80::7"),
        ("ipv6:[::ffff:10.0.0.7]:5000", "10.0.0.7"),
        ("ipv6:[::ffff:127.0.0.1]:5000", ""),
        ("something else", ""),
    ],
)
def test_a_direct_caller_is_where_its_connection_comes_from(peer: str, machine: str) -> None:
    """Whatever it says in a header."""
    assert machine_of(peer, ()) == machine
    assert machine_of(peer, [(CLIENT_ADDRESS, "203.0.113.9")]) == machine


TRUSTED = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8", "127.0.0.1")))


@pytest.mark.parametrize(
    ("peer", "told", "machine"),
    [
        ("ipv4:10.0.0.7:5000", "203.0.113.9", "203.0.113.9"),
        ("ipv6:%5Bfd00::7%5D:5000", "2001:db8::7", "2001:db8::7"),
        ("ipv6:[::ffff:10.0.0.7]:5000", "203.0.113.9", "203.0.113.9"),
        ("ipv4:127.0.0.1:5000", "203.0.113.9", "203.0.113.9"),
        ("ipv4:127.0.0.1:5000", "127.0.0.1", ""),
        # Its own loopback is its own machine, and what it does not say it is itself.
        ("ipv4:10.0.0.7:5000", "127.0.0.1", "10.0.0.7"),
        ("ipv4:10.0.0.7:5000", "nonsense", "10.0.0.7"),
        ("ipv4:10.0.0.7:5000", "", "10.0.0.7"),
        # Nobody else is believed.
        ("ipv4:192.0.2.7:5000", "203.0.113.9", "192.0.2.7"),
        ("ipv4:127.0.0.2:5000", "203.0.113.9", ""),
        ("something else", "203.0.113.9", ""),
    ],
)
def test_over_tcp_only_a_trusted_gateway_is_believed(peer: str, told: str, machine: str) -> None:
    """By the network that its connection comes from."""
    assert machine_of(peer, [(CLIENT_ADDRESS, told)], TRUSTED) == machine


@pytest.mark.parametrize(
    ("told", "machine"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("nonsense", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("peer", ["unix:", "unix:/run/server.sock"])
def test_through_the_gateway_it_is_what_the_gateway_saw(peer: str, told: str, machine: str) -> None:
    """Only the gateway has the Unix socket."""
    assert machine_of(peer, [(CLIENT_ADDRESS, told), ("x-forwarded-for", "203.0.113.9")]) == machine
    assert machine_of(peer, ()) == ""
