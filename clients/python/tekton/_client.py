"""TektonClient: being a component on top of reading and registering."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from tekton import _convert, _free_form, _given
from tekton._calls import CONNECT_TIMEOUT
from tekton._channel import Target
from tekton._commands import Command
from tekton._heartbeat_task import HeartbeatTask, Shutdown, on_this_loop, running_loop
from tekton._lease import Care, InFlight, KeptLease, LeaseLost, Phase
from tekton._operator import Operator
from tekton._routing import RoutingCalls
from tekton.core.errors import ValidationError
from tekton.core.ids import is_uuid, lookup_key, new_uuid
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandKind
from tekton.v1 import heartbeat_service_pb2, lifecycle_service_pb2


class TektonClient(Operator, RoutingCalls):
    """A connection to Tekton for one event loop. Making it does nothing yet; the first call connects.

    host, port: where Tekton is; TEKTON_HOST and TEKTON_PORT by default, then localhost:8010. Several servers of one
        Tekton are separated by commas, each with a port of its own if need be (`a:8010,b:8010`): where one does not
        answer, calls, watches and heartbeats turn to the next.
    timeout: the longest a call may take in seconds, its retries included.
    connect_timeout: how long, in seconds and at most `timeout`, a client that Tekton has never answered tries again
        where nobody listens. One that was answered once rides out a restart of Tekton for the whole timeout instead.

    Every call raises the class of error that the server raised, UnavailableError when Tekton could not be asked, and
    TektonTimeoutError when it did not answer in time. A watch of a client that Tekton has never answered ends like a
    call; otherwise watches and heartbeats try again for ever, with jitter.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        timeout: float = 10.0,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        Operator.__init__(self, Target.of(host, port), timeout, connect_timeout)
        RoutingCalls.__init__(self)
        # By their ids, which stay theirs while they are here; those whose lease is over drop out.
        self._heartbeats: dict[int, HeartbeatTask] = {}

    def __repr__(self) -> str:
        return f"<TektonClient of {self.target}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Say goodbye for what `start_heartbeat` keeps alive, end the watch and close the channel."""
        heartbeats = list(self._heartbeats.values())
        self._heartbeats.clear()
        await asyncio.gather(*(heartbeat.stop() for heartbeat in heartbeats))
        for lease in [lease for lease in self._registered.values() if lease.phase is Phase.IDLE]:
            self._forget(lease)
        await self._tell_rest()
        await super().close()

    def start_heartbeat(
        self,
        component_id: str,
        interval: float = 10,
        *,
        state: str | ComponentState | None = None,
        metrics: Mapping[str, float] | None = None,
        in_flight: InFlight | None = None,
        on_lease_lost: Callable[[LeaseLost], object] | None = None,
        on_command: Callable[[Command], object] | None = None,
        instance_uuid: str | None = None,
    ) -> HeartbeatTask:
        """Keep a component alive that this client registered; `await task.stop()` says goodbye.

        interval: the longest time between two beats in seconds; the server may want shorter ones.
        state: the state to report with the first beat. metrics: figures to send with every beat.
        on_lease_lost: called on this event loop when the lease is over for good, because a newer instance took its
            place or a new registration was refused. A lease lost otherwise is registered again without a word.
        in_flight: how many pieces of work are in hand, or a function that gives it. It is called on the heartbeat's
            thread before each beat, so it has to be quick and must not wait: `in_flight=lambda: len(jobs)`.
        on_command: called on this event loop with each stop, restart and reload command, once. Without it, and without
            `listen_for_shutdown`, they are refused.
        instance_uuid: which instance, where this process registered several of the component; the last by default.

        The beats tell how late this event loop runs. When it is blocked for longer than Tekton bears, the instance is
        shown as degraded with the reason `event_loop_blocked`, and as ready again when it is not; it is never failed
        for that.

        Raises:
            ValueError: this client did not register such a component or instance, or its lease is over.
            ValidationError: there is no such state, the interval or a metric is no finite number, or an argument has a
                wrong type.
        """
        limit = _given.interval(interval)
        _given.callback("on_lease_lost", on_lease_lost)
        _given.callback("on_command", on_command)
        key = lookup_key(_given.text("component_id", component_id))
        lease = self._registered.get(key)
        if instance_uuid is not None:
            lease = self._heart.leases.find(_given.text("instance_uuid", instance_uuid))
        if lease is None or lease.phase is Phase.ENDED or lookup_key(lease.component_id) != key:
            raise ValueError(f"{component_id!r} is not registered through this client; call register_component first")
        self._heart.keep(
            lease,
            care=Care(limit, on_this_loop(on_lease_lost), on_this_loop(on_command), running_loop()),
            state=_given.state_text(state),
            metrics=_given.figures(metrics),
            in_flight=_given.in_flight(in_flight),
        )
        heartbeat = HeartbeatTask(self._heart, lease)
        self._heartbeats[id(heartbeat)] = heartbeat
        lease.ended.add_done_callback(partial(_drop, self._heartbeats, id(heartbeat)))
        return heartbeat

    def component_of(self, instance_uuid: str) -> str:
        """Give the component of an instance that this process registered or keeps alive.

        Raises:
            ValueError: there is none.
        """
        lease = self._heart.leases.find(_given.text("instance_uuid", instance_uuid))
        if lease is None:
            raise ValueError(f"this process registered no instance {instance_uuid[:64]!r}")
        return lease.component_id

    def keep_alive(
        self,
        component_id: str,
        instance_uuid: str,
        *,
        state: str | ComponentState | None = None,
        metrics: Mapping[str, float] | None = None,
        known_only: bool = False,
    ) -> None:
        """Beat for an instance from the process's heart until it is deregistered; it outlives this client.

        An instance that was registered elsewhere is kept too, but cannot be registered again when its lease is lost;
        `known_only` leaves it alone.

        Raises:
            ValidationError: there is no such state, a metric is no finite number, or these are no id and no uuid.
        """
        lease = self._heart.leases.find(_given.text("instance_uuid", instance_uuid))
        if lease is None and known_only:
            return
        if lease is None and not is_uuid(instance_uuid):
            # The server would refuse the stream that all leases of the process share.
            raise ValidationError.of("instance_uuid", "must be a uuid in lower case", "format")
        self._heart.keep(
            lease or KeptLease(_given.text("component_id", component_id), instance_uuid),
            care=Care(loop=running_loop()),
            state=_given.state_text(state),
            metrics=None if metrics is None else _given.figures(metrics),
        )

    async def listen_for_shutdown(
        self, component_id: str, instance_uuid: str, shutdown_event: asyncio.Event | threading.Event
    ) -> bool:
        """Set an event when Tekton asks an instance to stop or to restart; it is kept alive meanwhile.

        A command that came before anybody listened counts until its deadline. Gives True once the event is set, and
        False when the lease ended otherwise. Cancelling ends the listening.

        Raises:
            ValidationError: these are no id and no uuid, or this is no event.
        """
        if not isinstance(shutdown_event, asyncio.Event | threading.Event):
            message = f"must be an asyncio.Event or a threading.Event, not {_given.shown(shutdown_event)}"
            raise ValidationError.of("shutdown_event", message, "type")
        self.keep_alive(component_id, instance_uuid)
        lease = self._heart.leases.find(instance_uuid)
        if lease is None:
            return False
        shutdown = Shutdown(shutdown_event)
        self._heart.hear(lease, shutdown.heard)
        try:
            return await shutdown.asked
        finally:
            self._heart.unhear(lease, shutdown.heard)

    async def send_heartbeat(
        self,
        component_id: str,
        instance_uuid: str,
        state: str | ComponentState | None = None,
        metrics: Mapping[str, float] | None = None,
        health: Mapping[str, str] | None = None,
        in_flight: int = 0,
    ) -> dict[str, Any]:
        """Send one beat; it is not repeated, since the next one is as good.

        Commands in the answer also reach who listens for them in this process, once.

        Gives {success, message, status, state_error, next_heartbeat_in, lease, commands}; `state_error` says why the
        state was not recorded, the beat counts all the same.

        Raises:
            ComponentNotFoundError, StaleSessionError, ValidationError: the beat did not count.
        """
        lease = self._heart.leases.find(_given.text("instance_uuid", instance_uuid))
        figures = _given.figures(metrics)
        request = heartbeat_service_pb2.SendHeartbeatRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=lease.instance_uuid if lease else instance_uuid,
            state=_given.state_text(state),
            metrics=figures,
            health=_given.words(health),
            fencing_token=lease.fencing_token if lease else "",
            loop_lag_seconds=lease.lag(time.monotonic()) if lease else 0.0,
            in_flight=_given.count("in_flight", in_flight),
        )
        answer = await self._calls.ask(lambda stubs: stubs.heartbeat.SendHeartbeat, request, retry=False)
        if lease is not None:
            lease.word = request.state or lease.word
            for command in answer.commands:
                self._heart.command(lease, command)
            lease.acknowledged(_convert.state_name(answer.status))
            self._heart.report(lease, metrics=figures or None, health=_given.words(health) or None)
        return _convert.plain(answer)

    async def update_component_state(
        self,
        component_id: str,
        instance_uuid: str,
        state: str | ComponentState,
        metadata: Mapping[str, Any] | None = None,
        *,
        extend_startup: float | None = None,
    ) -> dict[str, Any]:
        """Move an instance to a state; states on the way there are passed through.

        `extend_startup` asks for more time to start: so many seconds from now, 3,600 at most; asked again, again, up to
        an hour beyond the start-up timeout.

        Gives {success, message, status, previous_status, revision}.

        Raises:
            InvalidTransitionError: the state cannot be reached; `details.allowed` lists those that can.
            ComponentNotFoundError, StaleSessionError, ValidationError: as they say.
        """
        lease = self._heart.leases.find(_given.text("instance_uuid", instance_uuid))
        request = lifecycle_service_pb2.UpdateComponentStateRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=lease.instance_uuid if lease else instance_uuid,
            state=_given.state_text(state),
            metadata=_free_form.struct("metadata", metadata),
            fencing_token=lease.fencing_token if lease else "",
            extend_startup_seconds=(
                0.0 if extend_startup is None else _given.seconds("extend_startup", extend_startup)
            ),
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.UpdateComponentState, request)
        if lease is not None:
            lease.state = lease.word = _convert.state_name(answer.status)
            if lease.state == ComponentState.STOPPED.value:
                self._heart.release(lease)
                self._forget(lease)
        return _convert.plain(answer)

    async def send_command(
        self,
        component_id: str,
        kind: str | CommandKind,
        *,
        instance_uuid: str = "",
        arguments: Mapping[str, Any] | None = None,
        deadline: float = 30.0,
    ) -> list[dict[str, Any]]:
        """Tell one instance, or every leased one of a component, to `stop`, `restart`, `reload` or answer a `probe`.

        deadline: after how many seconds, 1 to 3,600, the command loses its meaning. A retry within the call posts once.

        Gives the posted commands as `get_command` does, each pending; what became of one is told there.

        Raises:
            ComponentNotFoundError, RegistrationError, StaleSessionError, ValidationError: it was posted to nobody.
            RateLimitedError: too many commands wait for an instance.
        """
        request = lifecycle_service_pb2.PostCommandRequest(
            component_id=_given.text("component_id", component_id),
            kind=str(_given.text("kind", kind)),
            instance_uuid=_given.text("instance_uuid", instance_uuid),
            arguments=_free_form.struct("arguments", arguments),
            deadline_seconds=_given.within("deadline", deadline, 1, 3600),
            request_id=new_uuid(),
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.PostCommand, request)
        return [_convert.plain(command) for command in answer.commands]

    async def get_command(self, component_id: str, command_id: str) -> dict[str, Any]:
        """Read what became of a command.

        Gives {command_id, component_id, instance_uuid, kind, state, message, issued_at, deadline, revision}; `state` is
        pending, accepted, refused or expired.

        Raises:
            ComponentNotFoundError: there is no such command, or it is forgotten: an hour after its deadline.
        """
        request = lifecycle_service_pb2.GetCommandRequest(
            component_id=_given.text("component_id", component_id), command_id=_given.text("command_id", command_id)
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.GetCommand, request)
        return _convert.plain(answer)


def _drop(kept: dict[int, HeartbeatTask], key: int, _: object) -> None:
    kept.pop(key, None)
