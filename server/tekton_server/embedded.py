"""A control plane inside a program that is not ours: what `tekton up` runs, on a Unix socket and without a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tekton.core.errors import StartupError
from tekton_server import app
from tekton_server.assembly import PartFailedError
from tekton_server.config import ConfigError, Settings
from tekton_server.listening import ListenError
from tekton_server.live.lease import Timing
from tekton_server.sections import Components
from tekton_server.storage.data_directory import DataDirectoryLocked, EmbeddedPostgresError
from tekton_server.storage.errors import StorageUnavailableError
from tekton_server.storage.migrate import SchemaTooNewError

_REFUSED = (
    ConfigError,
    EmbeddedPostgresError,
    ListenError,
    SchemaTooNewError,
    StorageUnavailableError,
    PartFailedError,
)
_LONGEST_INTERVAL = 10.0


class Embedded:
    """One that runs. `socket` is where it listens, as the SDK writes it."""

    def __init__(self, tekton: app.Tekton) -> None:
        self._tekton = tekton
        self.socket = f"unix:{tekton.socket}"

    def retime(self, timeout: float) -> None:
        """Give up a lease after so many seconds without a beat from now on."""
        leases = self._tekton.live.leases
        leases.judge.retime(Timing(_interval(timeout), timeout, leases.timing.busy_after))

    async def wait_failed(self) -> None:
        """Wait until it ends by itself.

        Raises:
            PartFailedError: saying why.
        """
        await self._tekton.wait_failed()


@asynccontextmanager
async def embedded(data_dir: Path, timeout: float) -> AsyncIterator[Embedded]:
    """Run one in a data directory for as long as the context is open, on the running loop.

    timeout: after how many seconds without a beat a lease is given up.

    Raises:
        StartupError: it cannot start; the sentence says what to do.
    """
    terms = Components(heartbeat_interval=_interval(timeout), heartbeat_timeout=timeout)
    settings = Settings(data_dir=str(data_dir), components=terms)
    async with AsyncExitStack() as stack:
        try:
            tekton = await stack.enter_async_context(app.run(settings, embedded=True))
        except _REFUSED as error:
            raise StartupError(_sentence(data_dir, error), details={"data_dir": str(data_dir)}) from error
        yield Embedded(tekton)


def _interval(timeout: float) -> float:
    return min(_LONGEST_INTERVAL, timeout / 3)


def _sentence(data_dir: Path, error: Exception) -> str:
    if isinstance(error, DataDirectoryLocked):
        return (
            f"the data directory {data_dir} is in use by another process ({error.owner}): connect to that Tekton "
            "instead of naming its data_dir, or choose another directory"
        )
    said = str(error).replace("--data-dir", "data_dir")
    return said if str(data_dir) in said else f"no Tekton could be started in {data_dir}: {said}"
