"""`tekton logs`: what a component that Tekton launched on this machine has written."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tekton_server.cli import complete
from tekton_server.cli import setting_options as given
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.groups import examples
from tekton_server.cli.output import Format, note, write_one
from tekton_server.cli.text import clean

if TYPE_CHECKING:
    from rich.text import Text

    from tekton_server.host.captured import Line
    from tekton_server.host.launch_files import LaunchFiles

# Seconds between two looks at a file: who writes it knows nothing of us.
EVERY = 0.2
EXAMPLES = examples(
    ("tekton logs notes", "the last 100 lines of its newest launch"),
    ("tekton logs notes -f", "go on, also when it is launched again"),
    ("tekton logs notes -n 0 -f", "only what comes"),
    ("tekton logs notes --instance 1b9f", "an earlier launch; the beginning of its uuid will do"),
    ("tekton logs notes -o json", "an object a line, with time and stream"),
)


def logs(
    component: Annotated[
        str, typer.Argument(metavar="COMPONENT", help="The component.", autocompletion=complete.component_ids)
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many lines to begin with.")
    ] = 100,
    instance: Annotated[str, typer.Option("--instance", metavar="UUID", help="Of this launch, not the newest.")] = "",
    times: Annotated[
        bool, typer.Option("--timestamps", "-t", help="With the time of each line, and its stream.")
    ] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="table for bare lines, or json.")] = Format.TABLE,
    data_dir: given.DataDir = None,
    config: given.Config = None,
    address: Annotated[str | None, typer.Option("--address", "-a", metavar="HOST:PORT", hidden=True)] = None,
) -> None:
    """Show what a component wrote on stdout and stderr. Read from the data directory of the Tekton that launched it."""
    _here(address)
    from tekton_server.cli.starting import settings_of

    data = settings_of({"data_dir": data_dir}, config, []).data_path
    chosen = _chosen(data, component, instance)
    form = output if output is not Format.NAME else Format.TABLE
    try:
        for line in _told(data, component, chosen, lines, follow, bool(instance)):
            write_one(_data(line), form, lambda line=line: _line(line, times), "")  # type: ignore[misc]
    except KeyboardInterrupt:
        return


def _here(address: str | None) -> None:
    """Refuse to seem to read what another machine holds."""
    if address is None:
        return
    from tekton.core.ids import is_loopback
    from tekton_server.cli.address import parse_address

    host, _ = parse_address(address)
    if host and not is_loopback(host.lower()):
        raise typer.BadParameter(
            f"logs are read on the machine that launched the component; run tekton logs on {host} itself"
        )


def _chosen(data: Path, component: str, instance: str) -> LaunchFiles:
    from tekton_server.host.launch_files import launches

    try:
        found = launches(data, component)
    except PermissionError as error:
        note(f"{error.filename} can be read by the user alone whom Tekton runs as")
        raise typer.Exit(ExitCode.DENIED) from None
    matching = [one for one in found if one.instance_uuid.startswith(instance)]
    if not matching:
        which = f"no launch {instance} of {component}" if found and instance else f"no launch of {component}"
        note(f"there is {which} in {data}; logs are read on the machine that launched it, and of its --data-dir")
        raise typer.Exit(ExitCode.NOT_FOUND)
    if instance and len(matching) > 1:
        raise typer.BadParameter(f"{instance} could be {' or '.join(one.instance_uuid for one in matching)}")
    return matching[0]


def _told(data: Path, component: str, chosen: LaunchFiles, most: int, on: bool, only: bool) -> Iterator[Line]:
    """Give the last lines and then, where wanted, all that comes, from launch to launch."""
    from tekton_server.host.captured import Follower
    from tekton_server.host.launch_files import launches

    last: int | None = most
    while True:
        with Follower(chosen.log, last) as follower:
            present = follower.poll()
            yield from present if last is None else deque(present, maxlen=most)
            while on:
                # Asked first: what is read after its end is all there is.
                over = not chosen.alive()
                yield from follower.poll()
                newest = launches(data, component)[:1]
                if over and not only and newest and newest[0].instance_uuid != chosen.instance_uuid:
                    break
                time.sleep(EVERY)
            else:
                return
        chosen, last = newest[0], None
        note(f"{component} was launched again: instance {chosen.instance_uuid}")


def _data(line: Line) -> dict[str, Any]:
    return {"time": line.time, "stream": line.stream, "text": line.text}


def _line(line: Line, times: bool) -> Text:
    from rich.text import Text

    # A tab moves the cursor, and only to the right.
    text = "\t".join(clean(one) for one in line.text.split("\t"))
    return Text(f"{line.time} {line.stream} {text}" if times else text)
