"""What every command that runs a part of Tekton does first: settings, log, display."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from tekton_server.cli.exits import ExitCode
from tekton_server.config import ConfigError, Settings, explain, load

if TYPE_CHECKING:
    from tekton_server.cli.display import Display
    from tekton_server.cli.logs import LogFile


def settings_of(flags: Mapping[str, Any], config: str | None, warnings: list[str]) -> Settings:
    """Gather the settings, or end with a sentence for each that cannot be."""
    try:
        return load(flags, config=config, warn=warnings.append)
    except ConfigError:
        for problem in explain(flags, config=config).problems:
            typer.echo(f"tekton: {problem}", err=True)
        raise typer.Exit(ExitCode.USAGE) from None


def begin(flags: Mapping[str, Any], config: str | None) -> tuple[Settings, Display, LogFile]:
    """Gather the settings, set the log up and open the display, which tells what is suspicious."""
    warnings: list[str] = []
    settings = settings_of(flags, config, warnings)

    from tekton_server.cli.display import display_for
    from tekton_server.cli.logs import configure_logging

    log_file = configure_logging(settings.log_level, settings.log_format, structured=settings.otlp_endpoint is not None)
    display = display_for(settings)
    for sentence in warnings:
        display.warn(sentence)
    # gRPC's core writes to stderr by itself, past every log.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    return settings, display, log_file
