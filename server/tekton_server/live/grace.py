"""Our outage is not their death: a lease is pardoned once, and again only when it was healthy for a full timeout.

A pardon gives a full timeout from now. That it is not given again before the lease has proved itself is what lets real
deaths be seen while something of ours comes and goes every few seconds.
"""

from __future__ import annotations

from tekton_server.live.lease import Lease


def pardon(lease: Lease, now: float) -> bool:
    """Give a lease one full timeout, if it may have one; tell whether."""
    prove(lease)
    if lease.pardoned:
        return False
    lease.pardoned, lease.proved = now, 0.0
    return True


def prove(lease: Lease) -> None:
    """Look at a lease that is not silent: once it has beaten for a full timeout it may have another pardon."""
    if not lease.pardoned or lease.beat_seconds <= lease.pardoned:
        return
    if not lease.proved:
        lease.proved = lease.beat_seconds
    elif lease.beat_seconds - lease.proved >= lease.terms.timeout:
        lease.pardoned = lease.proved = 0.0


def relapse(lease: Lease) -> None:
    """A lease fell silent: what it has proved so far does not count."""
    lease.proved = 0.0
