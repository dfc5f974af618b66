"""Commands beside a control plane that lives in the event loop of the tests: to their end, going on, on a terminal."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.control_plane import ControlPlane
from tests.support.processes import TEKTON, environment

DEADLINE = 20.0


class Ran:
    """A command that ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


async def run(tekton: ControlPlane, home: Path, *arguments: str, stdin: str = "", **more: str) -> Ran:
    """Run a command beside the control plane, which lives in this process's event loop."""
    process = await asyncio.create_subprocess_exec(
        str(TEKTON),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(home, **({"TEKTON_PORT": str(tekton.port)} | more)),
        cwd=home,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), DEADLINE)
    return Ran(process.returncode or 0, out.decode(), err.decode())


class Streaming:
    """A command that goes on; on a terminal of the given size, or piped."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> None:
        self._process, self._reader = process, reader
        self.text = ""

    @classmethod
    async def start(cls, tekton: ControlPlane, home: Path, *arguments: str) -> Streaming:
        process = await asyncio.create_subprocess_exec(
            str(TEKTON),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(home, TEKTON_PORT=str(tekton.port)),
        )
        assert process.stdout is not None
        return cls(process, process.stdout)

    async def until(self, *words: str) -> str:
        """Wait for a line that holds all the words."""
        async with asyncio.timeout(DEADLINE):
            while True:
                line = (await self._reader.readline()).decode()
                assert line, f"it ended without {words}:\n{self.text}"
                self.text += line
                if all(word in line for word in words):
                    return line

    async def interrupt(self) -> Ran:
        """Press Ctrl-C and wait for the end."""
        self._process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(self._process.communicate(), DEADLINE)
        return Ran(self._process.returncode or 0, out.decode(), err.decode())


async def on_a_terminal(
    tekton: ControlPlane, home: Path, *arguments: str, columns: int = 80, answer: str = "", **more: str
) -> Ran:
    """Run a command on a terminal of its own; both streams come back as `out`."""
    mine, its = os.openpty()
    process = await asyncio.create_subprocess_exec(
        str(TEKTON),
        *arguments,
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment(home, TEKTON_PORT=str(tekton.port), COLUMNS=str(columns), **({"TERM": "xterm"} | more)),
        start_new_session=True,
    )
    os.close(its)
    os.write(mine, answer.encode())
    code = await asyncio.wait_for(process.wait(), DEADLINE)
    chunks = []
    while True:
        try:
            chunk = os.read(mine, 65536)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(mine)
    return Ran(code, b"".join(chunks).decode(), "")
