"""TektonClient: being a component on top of reading what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from tekton import _convert
from tekton._channel import Target
from tekton._heart import heart_of
from tekton._heartbeat_task import HeartbeatTask, on_this_loop
from tekton._lease import KeptLease, LeaseLost, Phase
from tekton._reader import Reader
from tekton._results import RegistrationResult
from tekton.core.errors import StaleSessionError, TektonError, TektonTimeoutError, UnavailableError, ValidationError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.lifecycle import ComponentRegistration, ComponentState
from tekton.v1 import heartbeat_service_pb2, lifecycle_service_pb2, registry_service_pb2


class TektonClient(Reader):
    """A connection to Tekton for one event loop. Making it does nothing yet; the first call connects.

    host, port: where Tekton is; TEKTON_HOST and TEKTON_PORT by default, then localhost:8010.
    timeout: the longest a call may take in seconds, its retries included.

    Every call raises the class of error that the server raised, UnavailableError when Tekton could not be asked, and
    TektonTimeoutError when it did not answer in time.
    """

    def __init__(self, host: str | None = None, port: int | None = None, *, timeout: float = 10.0) -> None:
        super().__init__(Target.of(host, port), timeout)
        self._heart = heart_of(self.target)
        self._registered: dict[str, KeptLease] = {}
        self._heartbeats: list[HeartbeatTask] = []

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
        heartbeats, self._heartbeats = self._heartbeats, []
        await asyncio.gather(*(heartbeat.stop() for heartbeat in heartbeats))
        for lease in [lease for lease in self._registered.values() if lease.phase is Phase.IDLE]:
            self._forget(lease)
        await super().close()

    async def register_component(self, registration: ComponentRegistration) -> RegistrationResult:
        """Register an instance: `success, uuid = await client.register_component(registration)`.

        The result also has message, fencing_token, lease and error. A refusal gives (False, None) with the error; where
        nobody could be asked it raises. Registering again with the same instance_uuid gives the same instance; once
        that has ended, it becomes a new one and `registration.instance_uuid` changes.

        Raises:
            UnavailableError, TektonTimeoutError: Tekton did not answer within the timeout.
        """
        try:
            request = _convert.register_request(registration)
            answer = await self._register(request)
        except TektonError as error:
            if not _is_refusal(error):
                raise
            return RegistrationResult.refused(error)
        registration.instance_uuid = answer.instance_uuid
        lease = self._heart.leases.add(KeptLease(answer.component_id, answer.instance_uuid))
        lease.granted(request, answer)
        self._registered[lookup_key(answer.component_id)] = lease
        return RegistrationResult(
            answer.instance_uuid, answer.message, fencing_token=answer.fencing_token, lease=lease.terms
        )

    async def _register(
        self, request: registry_service_pb2.RegisterComponentRequest
    ) -> registry_service_pb2.RegisterComponentResponse:
        # The uuid makes the call safe to repeat.
        request.instance_uuid = request.instance_uuid or new_uuid()
        try:
            return await self._calls.ask(lambda stubs: stubs.registry.RegisterComponent, request)
        except StaleSessionError:
            request.instance_uuid = new_uuid()
            return await self._calls.ask(lambda stubs: stubs.registry.RegisterComponent, request)

    def start_heartbeat(
        self,
        component_id: str,
        interval: float = 10,
        *,
        state: str | ComponentState | None = None,
        metrics: Mapping[str, float] | None = None,
        on_lease_lost: Callable[[LeaseLost], object] | None = None,
    ) -> HeartbeatTask:
        """Keep a component alive that this client registered; `await task.stop()` says goodbye.

        interval: the longest time between two beats in seconds; the server may want shorter ones.
        state: the state to report with the first beat. metrics: figures to send with every beat.
        on_lease_lost: called on this event loop when the lease is over for good, because a newer instance took its
            place or a new registration was refused. A lease lost otherwise is registered again without a word.

        Raises:
            ValueError: this client did not register such a component, or its lease is over.
            ValidationError: there is no such state, or the interval or a metric is no finite number.
        """
        limit = _convert.interval(interval)
        lease = self._registered.get(lookup_key(component_id))
        if lease is None or lease.phase is Phase.ENDED:
            raise ValueError(f"{component_id!r} is not registered through this client; call register_component first")
        self._heart.keep(
            lease,
            limit=limit,
            state=_convert.state_text(state),
            metrics=_convert.figures(metrics),
            on_lost=on_this_loop(on_lease_lost),
        )
        heartbeat = HeartbeatTask(self._heart, lease)
        self._heartbeats.append(heartbeat)
        return heartbeat

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
            ValidationError: there is no such state, or a metric is no finite number.
        """
        lease = self._heart.leases.find(instance_uuid)
        if lease is None and known_only:
            return
        self._heart.keep(
            lease or KeptLease(component_id, instance_uuid),
            state=_convert.state_text(state),
            metrics=None if metrics is None else _convert.figures(metrics),
        )

    async def send_heartbeat(
        self,
        component_id: str,
        instance_uuid: str,
        state: str | ComponentState | None = None,
        metrics: Mapping[str, float] | None = None,
        health: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send one beat; it is not repeated, since the next one is as good.

        Gives {success, message, status, state_error, next_heartbeat_in, lease, commands}; `state_error` says why the
        state was not recorded, the beat counts all the same.

        Raises:
            ComponentNotFoundError, StaleSessionError, ValidationError: the beat did not count.
        """
        lease = self._heart.leases.find(instance_uuid)
        figures = _convert.figures(metrics)
        request = heartbeat_service_pb2.SendHeartbeatRequest(
            component_id=component_id,
            instance_uuid=lease.instance_uuid if lease else instance_uuid,
            state=_convert.state_text(state),
            metrics=figures,
            health=_convert.words(health),
            fencing_token=lease.fencing_token if lease else "",
        )
        answer = await self._calls.ask(lambda stubs: stubs.heartbeat.SendHeartbeat, request, retry=False)
        if lease is not None:
            lease.acknowledged(_convert.state_name(answer.status))
            self._heart.report(lease, metrics=figures or None, health=_convert.words(health) or None)
        return _convert.plain(answer)

    async def update_component_state(
        self,
        component_id: str,
        instance_uuid: str,
        state: str | ComponentState,
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Move an instance to a state; states on the way there are passed through.

        Gives {success, message, status, previous_status, revision}.

        Raises:
            InvalidTransitionError: the state cannot be reached; `details.allowed` lists those that can.
            ComponentNotFoundError, StaleSessionError, ValidationError: as they say.
        """
        lease = self._heart.leases.find(instance_uuid)
        request = lifecycle_service_pb2.UpdateComponentStateRequest(
            component_id=component_id,
            instance_uuid=lease.instance_uuid if lease else instance_uuid,
            state=_convert.state_text(state),
            metadata=_convert.struct("metadata", metadata),
            fencing_token=lease.fencing_token if lease else "",
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.UpdateComponentState, request)
        if lease is not None:
            lease.state = _convert.state_name(answer.status)
            if lease.state == ComponentState.STOPPED.value:
                self._heart.release(lease)
                self._forget(lease)
        return _convert.plain(answer)

    async def deregister_component(self, component_id: str, instance_uuid: str) -> None:
        """End an instance: it walks to `stopped`, and its heartbeat ends first.

        Raises:
            ComponentNotFoundError, StaleSessionError, ValidationError: as they say.
        """
        if not instance_uuid:
            # The server would take this for the whole component.
            raise ValidationError.of("instance_uuid", "is required", "required")
        lease = self._heart.leases.find(instance_uuid)
        if lease is not None:
            self._heart.release(lease)
        request = registry_service_pb2.DeregisterComponentRequest(
            component_id=component_id,
            instance_uuid=lease.instance_uuid if lease else instance_uuid,
            fencing_token=lease.fencing_token if lease else "",
        )
        await self._calls.ask(lambda stubs: stubs.registry.DeregisterComponent, request)
        if lease is not None:
            self._forget(lease)

    def _forget(self, lease: KeptLease) -> None:
        self._heart.leases.forget(lease)
        key = lookup_key(lease.component_id)
        if self._registered.get(key) is lease:
            del self._registered[key]


def _is_refusal(error: TektonError) -> bool:
    """Whether Tekton judged the request, rather than failed at it."""
    return not isinstance(error, UnavailableError | TektonTimeoutError) and error.grpc_status != "INTERNAL"
