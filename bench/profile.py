"""The profile of one row: the server samples itself while it is loaded, and the hottest functions are shown."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.model import Sample
from bench.processes import Process, Tekton

WRITTEN_WITHIN = 10.0
_SHOWN = 40


class Profile:
    """Switches the sampler of a control plane on while it is loaded, and keeps the stacks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = path.with_suffix(".raw")
        self.stacks: Counter[tuple[str, ...]] = Counter()
        self.calls = 0
        self.cpu_seconds = 0.0

    @property
    def raw(self) -> Path:
        """Where the server writes."""
        return self._raw

    def begin(self, side: Process) -> None:
        """The load begins."""
        if isinstance(side, Tekton):
            self._raw.unlink(missing_ok=True)
            os.kill(side.popen.pid, signal.SIGUSR1)

    def end(self, side: Process, sample: Sample) -> None:
        """The load has ended."""
        if not isinstance(side, Tekton):
            return
        os.kill(side.popen.pid, signal.SIGUSR2)
        until = time.monotonic() + WRITTEN_WITHIN
        while not self._raw.exists():
            if time.monotonic() > until:
                raise RuntimeError("the server wrote no profile")
            time.sleep(0.02)
        self.calls += sample.figures.total
        self.cpu_seconds += sample.cpu_us.get("server", 0.0) * sample.figures.total / 1e6
        for line in self._raw.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            self.stacks[tuple(stack.split(";"))] += int(count)
        self._raw.unlink()

    def write(self) -> None:
        """Keep the stacks for a flame graph."""
        self.path.write_text("".join(f"{';'.join(stack)} {count}\n" for stack, count in self.stacks.items()))

    def show(self, console: Console) -> None:
        """Print the functions that took most, by themselves and with what they called."""
        if not self.stacks:
            console.print("Nothing was sampled: this row does not load the server, or starts another one itself.")
            return
        alone: Counter[str] = Counter()
        within: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            alone[stack[-1]] += count
            for name in set(stack):
                within[name] += count
        console.print(_table("by themselves (C code they call included)", alone, self._share, alone, within))
        console.print(_table("with everything they call", within, self._share, alone, within))
        each = self.cpu_seconds / max(self.calls, 1) * 1e6
        samples = sum(self.stacks.values())
        console.print(f"{self.calls:,} calls, {each:.1f} µs of CPU each in the server, {samples:,} samples.")
        console.print(f"Stacks for a flame graph (speedscope.app, inferno, flamegraph.pl): {self.path}")

    def _share(self, count: int) -> Sequence[str]:
        share = count / max(sum(self.stacks.values()), 1)
        each = share * self.cpu_seconds / max(self.calls, 1) * 1e6
        return f"{share:.1%}", f"{each:.1f}" if each >= 10 else f"{each:.2f}"


def _table(title: str, ranked: Counter[str], share: object, alone: Counter[str], within: Counter[str]) -> Table:
    assert callable(share)
    table = Table(title=f"Functions {title}", title_justify="left", box=None, pad_edge=False)
    for name in ("self", "µs/call", "total", "µs/call"):
        table.add_column(name, justify="right")
    table.add_column("function", overflow="fold")
    for name, _ in ranked.most_common(_SHOWN):
        table.add_row(*share(alone[name]), *share(within[name]), name)
    return table
