"""Envoy as a process: it starts or says why not, is private, and never outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import psutil
import pytest

from tekton_gateway import Envoy, GatewayError, GatewaySettings, PortInUseError, envoy
from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, rest_client

pytestmark = pytest.mark.timeout(30)

OWNER = """
import asyncio, sys
from pathlib import Path
from tekton_gateway import Envoy, GatewaySettings

async def main(folder):
    settings = GatewaySettings(upstream=folder / "server.sock", port=0)
    print((await Envoy.start(settings, folder / "work", folder / "envoy.log")).pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


async def until_ended(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop.add_reader(fd, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 5)
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def test_a_started_gateway_serves_at_once(start_gateway: StartGateway, server: CannedServer) -> None:
    """start returns when the first call can be made, not earlier."""
    async with rest_client(await start_gateway()) as rest:
        assert (await rest.get("/api/health")).status_code == 200


async def test_two_gateways_on_one_machine_do_not_meet(start_gateway: StartGateway, server: CannedServer) -> None:
    """No shared memory, no base id, no shared port."""
    first, second = await start_gateway(), await start_gateway()
    assert first.port != second.port
    for gateway in (first, second):
        async with rest_client(gateway) as rest:
            assert (await rest.get("/api/health")).status_code == 200


@pytest.mark.parametrize("reuse", [False, True], ids=["plain", "reuse_port"])
async def test_a_taken_port_is_refused_with_the_remedy(start_gateway: StartGateway, reuse: bool) -> None:
    """Also where its holder would share it."""
    with socket.socket() as holder:
        if reuse:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} is taken .* choose another port"):
            await start_gateway(port=port)


async def test_a_port_taken_in_the_last_moment_is_refused_alike(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look and Envoy's bind another process may come; Envoy's own words are understood."""
    monkeypatch.setattr(envoy, "check_port_is_free", lambda settings: None)
    first = await start_gateway()
    with pytest.raises(PortInUseError, match=f"127.0.0.1:{first.port} is taken"):
        await start_gateway(port=first.port)


async def test_an_address_that_is_not_ours_is_refused(start_gateway: StartGateway) -> None:
    """192.0.2.0/24 is for documentation: no machine has it."""
    with pytest.raises(GatewayError, match=r"192\.0\.2\.1 is not an address of this machine"):
        await start_gateway(host="192.0.2.1")


async def test_stop_leaves_no_process_and_frees_the_port(start_gateway: StartGateway) -> None:
    """Stopping twice is harmless."""
    gateway = await start_gateway()
    assert await gateway.stop() == 0
    assert await gateway.stop() == await gateway.wait() == gateway.returncode == 0
    assert not psutil.pid_exists(gateway.pid)
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", gateway.port))


async def test_a_start_that_is_given_up_leaves_no_process(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives up waiting is not left with an Envoy that nobody holds."""
    monkeypatch.setattr(envoy, "_listener_port", lambda admin: None)
    settings = GatewaySettings(upstream=short_dir / "server.sock", port=0)
    with pytest.raises(GatewayError, match=r"did not serve within 0\.3 s"):
        await Envoy.start(settings, short_dir / "work", short_dir / "log", deadline=0.3)
    assert [child for child in psutil.Process().children() if child.name() == "envoy"] == []


async def test_a_killed_owner_leaves_no_envoy(short_dir: Path) -> None:
    """kill -9 runs no clean-up: the kernel ends the child."""
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(short_dir)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    pid = int(await asyncio.wait_for(owner.stdout.readline(), 10))
    assert psutil.Process(pid).name() == "envoy"
    os.kill(owner.pid, signal.SIGKILL)
    await owner.wait()
    await until_ended(pid)


async def test_only_the_gateway_port_listens_and_the_admin_socket_is_private(
    start_gateway: StartGateway, short_dir: Path
) -> None:
    """The admin interface can stop Envoy: it is a socket of mode 0600 in a directory of mode 0700."""
    gateway = await start_gateway()
    listening = [c for c in psutil.Process(gateway.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {one.laddr.port for one in listening} == {gateway.port}
    (admin,) = short_dir.glob("*/envoy-admin.sock")
    assert stat.S_IMODE(admin.stat().st_mode) == 0o600
    assert stat.S_IMODE(admin.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((admin.parent / "envoy.json").stat().st_mode) == 0o600


async def test_an_admin_socket_in_an_open_directory_is_refused(start_gateway: StartGateway, short_dir: Path) -> None:
    """Everybody could reach it there."""
    (short_dir / "open").mkdir(mode=0o755)
    with pytest.raises(GatewayError, match="open to others: chmod it to 0700"):
        await start_gateway(admin=short_dir / "open" / "admin.sock")


async def test_envoy_gets_none_of_our_secrets(start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the owner holds passwords; the gateway needs none."""
    monkeypatch.setenv("TEKTON_DATABASE_URL", "postgresql://user:secret@host/db")
    gateway = await start_gateway()
    assert "TEKTON_DATABASE_URL" not in psutil.Process(gateway.pid).environ()


async def test_a_quiet_gateway_writes_no_log(
    start_gateway: StartGateway, server: CannedServer, short_dir: Path
) -> None:
    """Neither its start nor a call is worth a line; a deprecated option would be one."""
    async with rest_client(await start_gateway()) as rest:
        await rest.get("/api/health")
        await rest.get("/nowhere")
    assert (short_dir / "envoy.log").read_text() == ""
