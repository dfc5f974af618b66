"""With what a control plane launches components: the launcher on its data directory, and what is configured."""

from __future__ import annotations

import os
from socket import gethostname

from tekton_server.config import Settings
from tekton_server.fleet_files import Fleet
from tekton_server.host.launch_order import Surroundings
from tekton_server.host.launcher import LocalLauncher
from tekton_server.host.place import place_of
from tekton_server.host.secrets import FOLDER, Secrets
from tekton_server.live.lifecycle.site import Means

# An address that stands for all of a machine's is none to call.
_CALLED = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def launcher_of(settings: Settings, fleet: Fleet, host: str) -> LocalLauncher:
    """Make the launcher; components are told `host` and the gateway's port. Close it once nobody follows them."""
    data, logs = settings.data_path, settings.logs
    around = Surroundings(
        host=_CALLED.get(host, host),
        port=settings.port,
        environ=os.environ,
        secrets=Secrets((data / FOLDER,), os.environ),
        home=fleet.home,
        log_bytes=logs.max_bytes,
        log_keep=logs.keep,
    )
    return LocalLauncher(data, around)


def means_of(settings: Settings, fleet: Fleet, launcher: LocalLauncher, *, alone: bool) -> Means:
    """Make the means; `alone`: no other server can be using the database."""
    return Means(
        launcher=launcher,
        fleet=fleet.launchable(),
        host=gethostname(),
        place=place_of(settings.data_path),
        needs=fleet.needs(),
        alone=alone,
        orphans=settings.components.orphans,
        heals=settings.components.auto_recover,
    )
