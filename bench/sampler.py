"""A statistical profiler inside the server: what the main thread does whenever the process has used some CPU time.

`python -m bench.sampler FILE up …` runs the `tekton` command. SIGUSR1 begins, SIGUSR2 ends and writes FILE: collapsed
stacks, one a line with its count, as flame graph tools read them.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

INTERVAL = 0.001
"""Asked for; the kernel gives as much as its clock ticks, 4 ms on many machines."""


class Sampler:
    """Counts stacks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stacks: Counter[tuple[CodeType, ...]] = Counter()

    def install(self) -> None:
        """Listen to the signals. MUST run on the main thread."""
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)
        signal.signal(signal.SIGPROF, self._sample)
        # System calls go on after a sample, as they would without it.
        signal.siginterrupt(signal.SIGPROF, False)

    def _begin(self, number: int, frame: FrameType | None) -> None:
        self._stacks.clear()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        stack: list[CodeType] = []
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        self._stacks[tuple(reversed(stack))] += 1

    def _end(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        lines = [f"{';'.join(map(_name, stack))} {count}\n" for stack, count in self._stacks.items()]
        part = self._path.with_suffix(".part")
        part.write_text("".join(lines))
        part.rename(self._path)


def _name(code: CodeType) -> str:
    file = "/".join(Path(code.co_filename).parts[-2:])
    return f"{code.co_qualname} ({file}:{code.co_firstlineno})".replace(";", ",")


def main() -> None:
    """Run `tekton` with a sampler in it."""
    Sampler(Path(sys.argv[1])).install()
    sys.argv = ["tekton", *sys.argv[2:]]
    from tekton_server.cli import main as tekton

    tekton()


if __name__ == "__main__":
    main()
