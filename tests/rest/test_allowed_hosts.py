"""By which names a whole Tekton may be called over HTTP."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname

import httpx
import msgspec

from tests.support.control_plane import control_plane, settings_for
from tests.support.postgres import Cluster


async def test_the_setting_the_machine_and_every_address_are_names_of_a_tekton_for_others(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The address at which it shows itself in the registry is one of them."""
    url = cluster.new_database()
    settings = msgspec.structs.replace(
        settings_for(url, tmp_path), host="0.0.0.0", insecure=True, allowed_hosts=("tekton.example.com",)
    )
    async with (
        control_plane(url, tmp_path, settings=settings) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as http,
    ):
        shown = (await http.get("/api/tekton/components/tekton_core")).json()["host"]
        for host in (shown, gethostname(), "tekton.example.com", "10.1.2.3"):
            assert (await http.get("/api/health", headers={"host": host})).status_code == 200
        assert (await http.get("/api/health", headers={"host": "evil.example"})).status_code == 403
