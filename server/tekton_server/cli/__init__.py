"""The `tekton` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from tekton_server.cli.commands import app

    app()
