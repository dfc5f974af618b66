"""A Tekton as the commands ask it: reached fast or refused in one sentence, and every failure an exit code."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, NoReturn

import typer

# gRPC's core writes to stderr by itself.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from tekton import _convert, _watch
from tekton._channel import Target
from tekton._client import TektonClient
from tekton._results import RegistryEvent
from tekton.core.errors import CORE_COMPONENT, ComponentNotFoundError, TektonError, UnavailableError
from tekton.core.ids import lookup_key
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import resource_service_pb2 as resource_pb
from tekton.v1 import system_service_pb2 as system_pb
from tekton.v1.system_service_pb2_grpc import SystemServiceStub
from tekton_server.cli import output
from tekton_server.cli.address import parse_address
from tekton_server.cli.exits import ExitCode, code_of

TIMEOUT = 5.0
_CONNECT = 1.5
# What the system says of a file or a disk that takes no more.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Remote(TektonClient):
    """A Tekton to ask: the SDK's client, and what the SDK leaves out: Tekton itself, and removing whole components."""

    async def reach(self) -> None:
        """Find out that something listens there and speaks as Tekton does.

        Raises:
            UnavailableError: it does not; the sentence says what was found and what to do.
        """
        host, port = self.target.host, self.target.port
        try:
            async with asyncio.timeout(_CONNECT):
                if self.target.is_socket:
                    _, writer = await asyncio.open_unix_connection(host.removeprefix("unix:"))
                else:
                    _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except TimeoutError:
            _refuse(f"nothing answers at {self.target} within {_CONNECT:g} s: is that the right machine")
        except socket.gaierror:
            _refuse(f"there is no host named {host}: say where Tekton is")
        except OSError as error:
            if not isinstance(error, ConnectionRefusedError) and error.errno is not None:
                _refuse(f"{self.target} cannot be reached ({os.strerror(error.errno)}): say where Tekton is")
            _refuse(f"nothing listens on {self.target}: start it with `tekton up`, or say where it is")
        try:
            async with asyncio.timeout(_CONNECT):
                await self._calls._stubs().channel.channel_ready()
        except TimeoutError:
            raise UnavailableError(
                f"what listens on {self.target} does not speak gRPC, so it is not Tekton; `tekton doctor` says what"
            ) from None

    async def health(self) -> dict[str, Any]:
        """Ask how the parts are."""
        return _convert.plain(await self._system("Health", system_pb.HealthRequest()))

    async def readiness(self) -> dict[str, Any]:
        """Ask since when it serves."""
        return _convert.plain(await self._system("Ready", system_pb.ReadyRequest()))

    async def version(self) -> dict[str, Any]:
        """Ask which version it is."""
        return _convert.plain(await self._system("Version", system_pb.VersionRequest()))

    async def metrics(self) -> dict[str, Any]:
        """Ask how busy it is."""
        return _convert.plain(await self._system("Metrics", system_pb.MetricsRequest()))

    async def self_preservation(self, mode: str | None = None) -> dict[str, Any]:
        """Ask how self-preservation stands, after saying an operator's word if one is given."""
        if mode is None:
            return _convert.plain(await self._system("GetSelfPreservation", system_pb.GetSelfPreservationRequest()))
        return _convert.plain(
            await self._system("SetSelfPreservation", system_pb.SetSelfPreservationRequest(mode=mode))
        )

    async def missed(self, error: ComponentNotFoundError) -> ComponentNotFoundError:
        """Complete the error of a component that is not there: who needs it all the same."""
        wanted = lookup_key(str(error.details.get("component_id", "")))
        try:
            missing = (await self.get_dependency_graph())["missing"]
        except TektonError:
            return error
        needed_by = [name for one in missing if lookup_key(one["component_id"]) == wanted for name in one["needed_by"]]
        if not needed_by:
            return error
        return ComponentNotFoundError(f"{error}, and {', '.join(needed_by)} need{'s' * (len(needed_by) == 1)} it")

    async def register(self, request: registry_pb.RegisterComponentRequest) -> dict[str, Any]:
        """Register one instance."""
        answer = await self._calls.ask(lambda s: s.registry.RegisterComponent, request, retry=False)
        return _convert.plain(answer)

    async def register_many(self, requests: list[registry_pb.RegisterComponentRequest]) -> list[dict[str, Any]]:
        """Register many instances, each decided on its own."""
        batch = registry_pb.BatchRegisterComponentsRequest(components=requests)
        answer = await self._calls.ask(lambda s: s.registry.BatchRegisterComponents, batch, retry=False)
        return [_convert.plain(result) for result in answer.results]

    async def deregister(self, component_id: str, instance_uuid: str) -> str:
        """End an instance, or with no uuid remove the whole component; gives what the server says of it."""
        request = registry_pb.DeregisterComponentRequest(component_id=component_id, instance_uuid=instance_uuid)
        answer = await self._calls.ask(lambda s: s.registry.DeregisterComponent, request, retry=False)
        return answer.message

    async def follow(
        self, request: registry_pb.WatchRegistryRequest, note: Callable[[str], None] | None = output.note
    ) -> AsyncGenerator[list[RegistryEvent], None]:
        """Watch the registry message by message; it reconnects, tells `note` so once, and does not end.

        Raises:
            TektonError: the connection is lost, and there is no `note`.
        """
        cut = False

        def lost(error: TektonError) -> None:
            nonlocal cut
            if note is None:
                raise error
            if not cut:
                note(f"the connection to {self.target} is lost; trying again")
            cut = True

        phase, snapshot = 0, registry_pb.WatchRegistryResponse.PHASE_SNAPSHOT
        async with aclosing(_watch.registry_messages(self._calls, request, lost)) as messages:
            async for message in messages:
                if message is None:
                    if phase == snapshot:
                        yield [RegistryEvent("reset", 0)]
                    continue
                if cut and note is not None:
                    note(f"connected to {self.target} again")
                    cut = False
                phase = message.phase
                yield list(_watch.events_of(message))

    def watch_figures(self, lost: Callable[[TektonError], None]) -> AsyncGenerator[resource_pb.ResourceEvent, None]:
        """Watch everything that is used; it reconnects, tells `lost` why each time, and does not end."""
        return self._resource_events(resource_pb.WatchResourcesRequest(figures=True), lost)

    async def used_by_machine(self, seconds: float) -> resource_pb.SystemResources:
        """Ask what the machine has used since so many seconds."""
        request = resource_pb.GetSystemResourcesRequest(history_seconds=seconds)
        return await self._calls.ask(lambda s: s.resources.GetSystemResources, request)

    async def used_by(self, component_id: str, seconds: float) -> resource_pb.ComponentResources:
        """Ask what a component has used since so many seconds."""
        request = resource_pb.GetComponentResourcesRequest(component_id=component_id, history_seconds=seconds)
        return await self._calls.ask(lambda s: s.resources.GetComponentResources, request)

    async def _system(self, method: str, request: Any) -> Any:
        return await self._calls.ask(lambda s: getattr(SystemServiceStub(s.channel), method), request, retry=False)


def _refuse(what: str) -> NoReturn:
    raise UnavailableError(f"{what} with --address (or TEKTON_HOST and TEKTON_PORT)") from None


def talk(
    address: str | None, job: Callable[[Remote], Awaitable[ExitCode | None]], timeout: float = TIMEOUT
) -> NoReturn:
    """Do something with a Tekton and end: with what the job gives, or with the sentence and the code of its failure."""
    try:
        target = Target.of(*parse_address(address))
    except ValueError as error:
        output.note(str(error))
        raise typer.Exit(ExitCode.USAGE) from None
    raise typer.Exit(_ended(lambda: asyncio.run(_talk(target, job, timeout))))


async def _talk(target: Target, job: Callable[[Remote], Awaitable[ExitCode | None]], timeout: float) -> ExitCode:
    remote = Remote(target.host, target.port, timeout=timeout)
    try:
        await remote.reach()
        return await job(remote) or ExitCode.OK
    finally:
        await remote.close()


def _ended(run: Callable[[], ExitCode]) -> ExitCode:
    try:
        code = run()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read has had enough, as `head` has.
        _write_nothing_more()
        return ExitCode.OK
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        _write_nothing_more()
        output.note(f"the output could not be written: {error.strerror}")
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except TektonError as error:
        output.note(sentence(error))
        return code_of(error)


def _write_nothing_more() -> None:
    """Python must not find once more, at its end, that it cannot write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def sentence(error: TektonError) -> str:
    """Give what went wrong in one sentence, and who says so where it is not Tekton, nor named in it."""
    by = "" if error.component == CORE_COMPONENT or error.component in error.message else f" (says {error.component})"
    return f"{error.message}{by}"


async def until_interrupted(stream: Coroutine[Any, Any, None]) -> None:
    """Run something endless; Ctrl-C is the usual end of it, and no failure."""
    task = asyncio.ensure_future(stream)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
