"""The `tekton` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; every refusal is one sentence on stderr and a non-zero exit."""
    _keep_standard_streams()
    try:
        _command()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tekton"):
            raise
        # The plain install is the SDK alone, and brings this command too.
        print(f"tekton: {error.name} is not installed; install tekton[server] to run a server", file=sys.stderr)
        sys.exit(1)


def _command() -> None:
    import typer

    from tekton_server.cli.commands import app
    from tekton_server.cli.text import clean

    # The base of all that typer refuses; its module is another from one release of typer to the next.
    refused: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        sys.exit(app(standalone_mode=False))
    except refused as error:
        message = getattr(error, "format_message", error.__str__)().rstrip(".")
        # A list of choices has a line and a tab each.
        message = message.replace("\n\t", " ").replace("\n", " ")
        # What is wrong may be in a file that somebody else wrote.
        message = clean(message.removeprefix("Invalid value: ").replace("Value error, ", ""))
        command = getattr(getattr(error, "ctx", None), "command_path", "tekton")
        print(f"tekton: {message[:1].lower()}{message[1:]}; see {command} --help", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        # Somebody was asked and went away.
        print(file=sys.stderr)
        sys.exit(1)


def _keep_standard_streams() -> None:
    """Where stdin, stdout or stderr is closed, a lock or a socket would get its number and children would lose it."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
