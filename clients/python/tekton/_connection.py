"""The connection of a heart: its channel, the one stream on it, and when to try for another."""

from __future__ import annotations

import time

import grpc

from tekton._channel import Target, thread_channel
from tekton._heart_stream import Ended, Heard, HeartStream
from tekton._lease import KeptLeases
from tekton.core.backoff import full_jitter, shuffled

# A restarted Tekton gives every lease one timeout from its start, so reconnecting takes a part of that at most: so many
# seconds between two streams, and between two attempts to connect.
_RECONNECT_CEILING, _RECONNECT_SHARE = 5.0, 1 / 6
_REDIAL_CEILING, _REDIAL_SHARE = 3.0, 1 / 10


class Connection:
    """Used by the heart's thread only. `attempt` counts the streams since the last acknowledgement."""

    def __init__(self, target: Target, leases: KeptLeases, heard: Heard, ended: Ended) -> None:
        self.stream: HeartStream | None = None
        self.connect_at = 0.0
        self.attempt = 0
        self._target = target
        self._leases = leases
        self._heard = heard
        self._ended = ended
        self._channel: grpc.Channel | None = None
        # So that the processes of a fleet spread over several servers.
        self._addresses = shuffled(target.addresses)

    def channel(self) -> grpc.Channel:
        """Give the channel."""
        if self._channel is None:
            self._channel = thread_channel(self._addresses[0], self._bounded(_REDIAL_CEILING, _REDIAL_SHARE))
        return self._channel

    def connect(self, now: float) -> None:
        """Open a stream, if there is none and it is time."""
        if self.stream is None and now >= self.connect_at:
            self.stream = HeartStream(self.channel(), self._target, now, heard=self._heard, ended=self._ended)
            # Counted down by an acknowledgement only: a server that welcomes and hangs up gets longer pauses.
            self.attempt += 1

    def silent(self, now: float) -> bool:
        """Whether the server has said nothing for longer than it may."""
        return self.stream is not None and now - self.stream.heard > self.stream.patience

    def disconnect(self, after: float | None = None, *, hang_up: bool = False) -> None:
        """End the stream; the next may be opened after so many seconds, by default after a pause that grows.

        `hang_up` gives the connection up, too: a direction of it may be lost, and another stream would be as silent.
        """
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()
            self._turn_to_next()
        if hang_up:
            self._close_channel()
        for lease in self._leases.active():
            lease.unbind()
        if after is None:
            ceiling = self._bounded(_RECONNECT_CEILING, _RECONNECT_SHARE)
            after = full_jitter(self.attempt, base=0.1, ceiling=ceiling)
        self.connect_at = time.monotonic() + after

    def close(self) -> None:
        """Close stream and channel; both come back when they are needed."""
        self.disconnect(after=0.0)
        self._close_channel()

    def _turn_to_next(self) -> None:
        """Whatever ended a stream, another server may be better off than this one."""
        if len(self._addresses) > 1:
            self._addresses.append(self._addresses.pop(0))
            self._close_channel()

    def _close_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _bounded(self, ceiling: float, share: float) -> float:
        timeouts = [lease.terms.timeout for lease in self._leases.active()]
        return min(ceiling, max(0.1, min(timeouts, default=ceiling / share) * share))
