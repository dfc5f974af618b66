"""Three components against a running Tekton; one is killed without a word, and a watcher sees what becomes of it.

python examples/demo.py            # where Tekton is: TEKTON_HOST and TEKTON_PORT, localhost:8010 by default
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tekton.client import TektonClient, TektonError

NAMES = ("demo_memory", "demo_search", "demo_planner")
VICTIM = "demo_search"
CAPABILITY = "demo_echo"
COMPONENT = Path(__file__).with_name("echo_component.py")
START_WITHIN = 20.0
# What a watcher may be told later than the timeout itself, in seconds.
MARGIN = 5.0
COLOURS = {"ready": "green", "degraded": "yellow", "failed": "red", "stopping": "dim", "stopped": "dim"}

console = Console(highlight=False)


class DemoError(Exception):
    """The demo cannot go on; the text is one sentence."""


class Watcher:
    """Prints every state change as it comes, and lets others wait for one."""

    def __init__(self, client: TektonClient) -> None:
        self.states: dict[str, str] = {}
        self._client = client
        self._changed = asyncio.Event()
        self._began = time.monotonic()

    async def run(self) -> None:
        """Watch until cancelled."""
        async for change in self._client.watch_states(component_ids=NAMES):
            if change["event"] == "state_change":
                self._show(change)
                self.states[change["component_id"]] = change["new_state"]
                self._changed.set()

    async def until(self, what: str, holds: Callable[[dict[str, str]], bool], within: float) -> float:
        """Wait until the states are so, and give how long it took.

        Raises:
            DemoError: it took too long.
        """
        began = time.monotonic()
        with suppress(TimeoutError), console.status(f"waiting until {what}"):
            async with asyncio.timeout(within):
                while not holds(self.states):
                    self._changed.clear()
                    await self._changed.wait()
        if not holds(self.states):
            raise DemoError(f"it was not seen within {within:.0f} s that {what}")
        return time.monotonic() - began

    def _show(self, change: dict[str, Any]) -> None:
        spent, state = time.monotonic() - self._began, change["new_state"]
        way = f"{change['previous_state']:>12} -> [{COLOURS.get(state, 'cyan')}]{state:<12}[/]"
        implied = " [dim](implied)[/]" if change["implied"] else ""
        console.print(f"[dim]{spent:6.2f}s[/]  {change['component_id']:<14}{way} {change['reason']}{implied}")


async def start(name: str) -> asyncio.subprocess.Process:
    """Start a component on a free port."""
    arguments = ["--id", name, "--capability", CAPABILITY]
    return await asyncio.create_subprocess_exec(sys.executable, str(COMPONENT), *arguments)


async def play(client: TektonClient, watcher: Watcher, processes: dict[str, asyncio.subprocess.Process]) -> None:
    """Start three, kill one, stop the others."""
    for name in NAMES:
        processes[name] = await start(name)
    await watcher.until("all three are ready", _all(NAMES, "ready"), START_WITHIN)
    await show_found(client, set(NAMES))
    timeout = await lease_timeout(client)
    console.print(f"\n[bold red]kill -9 {VICTIM}[/]  (leases last {timeout:g} s)\n")
    processes[VICTIM].kill()
    took = await watcher.until(f"{VICTIM} is failed", _all([VICTIM], "failed"), timeout + MARGIN)
    console.print(f"\nseen as failed {took:.1f} s after the kill")
    others = [name for name in NAMES if name != VICTIM]
    await show_found(client, set(others))
    console.print("\n[bold]SIGTERM to the others[/]\n")
    for name in others:
        processes[name].send_signal(signal.SIGTERM)
    await watcher.until("the others are stopped", _all(others, "stopped"), START_WITHIN)


def _all(names: list[str] | tuple[str, ...], state: str) -> Callable[[dict[str, str]], bool]:
    return lambda states: all(states.get(name) == state for name in names)


async def show_found(client: TektonClient, expected: set[str]) -> None:
    """Show who is found by capability, and call each."""
    found = await client.find_components_by_capability(CAPABILITY)
    # The watch behind the look-up and the watch of the states are two streams: one may be a moment ahead.
    for _ in range(50):
        if {one.component_id for one in found} == expected:
            break
        await asyncio.sleep(0.1)
        found = await client.find_components_by_capability(CAPABILITY)
    console.print(f"\nfound by capability [bold]{CAPABILITY}[/]:")
    for one in found:
        answer = await one.call_api("/hello", method="POST", data="hello")
        console.print(f"  {one.component_id:<14}{one.base_url}  answers {answer}")


async def lease_timeout(client: TektonClient) -> float:
    """Ask Tekton for the terms of leases, with a beat for one of the components."""
    name = next(name for name in NAMES if name != VICTIM)
    status = await client.get_component_status(name)
    answer = await client.send_heartbeat(name, status["instance_uuid"])
    return float(answer["lease"]["timeout_seconds"])


async def show_table(client: TektonClient) -> None:
    """Show what Tekton knows in the end."""
    table = Table("component", "status", "reason", "last heartbeat", "address", title="in the end")
    for name in NAMES:
        shown = await client.get_component(name)
        status = await client.get_component_status(name)
        colour = COLOURS.get(shown["status"], "cyan")
        beat = str(shown["last_heartbeat"])[11:19]
        address = f"{shown['host']}:{shown['port']}"
        table.add_row(name, f"[{colour}]{shown['status']}[/]", status["status_reason"], beat, address)
    console.print()
    console.print(table)


async def main() -> int:
    """Play it; give the exit status."""
    processes: dict[str, asyncio.subprocess.Process] = {}
    async with TektonClient(timeout=3.0) as client:
        watcher = Watcher(client)
        watching = asyncio.create_task(watcher.run())
        try:
            # The first call of all, so that "not running" is known before anything is started.
            await client.find_component("tekton_core")
            await play(client, watcher, processes)
            await show_table(client)
        except (TektonError, DemoError) as error:
            console.print(f"[red]demo:[/] {error}", soft_wrap=True)
            return 1
        finally:
            watching.cancel()
            for process in processes.values():
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main()))
    sys.exit(130)
