"""`tekton config`: what is set, where it comes from, and what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tekton_server.cli import setting_options as given
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.groups import examples, group
from tekton_server.cli.options import Output
from tekton_server.cli.output import Format, as_json, note, width, write, write_text
from tekton_server.config import ConfigError, Explained, Origin, explain

_SECRET = re.compile(r"(secret|password|token|key)$")
_PASSWORD = re.compile(r"(password\s*=\s*)[^&\s]*", re.IGNORECASE)
_MASK = "***"

app = group(
    "See the settings of this machine's Tekton and check them. Nothing is asked of a running one.",
    examples(
        ("tekton config show", "every setting, and where it is from; exit code 2 where Tekton would not start"),
        ("tekton config check", "exit code 2 where something is wrong"),
        ("tekton config check new.json other.json", "files that are not in use yet"),
        ("tekton config schema components", "the JSON schema of components.json, for an editor"),
    ),
)


@app.command()
def show(
    context: typer.Context,
    host: given.Host = None,
    port: given.Port = None,
    allowed_host: given.AllowedHosts = None,
    grpc_port: given.GrpcPort = None,
    trusted_proxy: given.TrustedProxies = None,
    data_dir: given.DataDir = None,
    database_url: given.DatabaseUrl = None,
    database_password_file: given.DatabasePasswordFile = None,
    config: given.Config = None,
    insecure: given.Insecure = False,
    log_level: given.LogLevel = None,
    log_format: given.LogFormat = None,
    otlp_endpoint: given.OtlpEndpoint = None,
    output: Output = Format.TABLE,
) -> None:
    """Show every setting as `tekton up` would have it with the same options, and where it is from, secrets masked."""
    flags = given.flags(context.params)
    found = explain(flags, config=config)
    value = {
        "file": str(found.file) if found.file else None,
        "settings": [_data(one) for one in found.settings],
        "problems": list(found.problems),
    }
    write(value, output, lambda: _lines(found), lambda: [one.name for one in found.settings])
    for problem in found.problems:
        note(f"warning: {problem}")
    if not found.fit:
        raise typer.Exit(ExitCode.USAGE)


def _data(one: Origin) -> dict[str, Any]:
    return {"name": one.name, "value": masked(one.name, one.value), "source": one.kind, "where": one.where}


def _lines(found: Explained) -> Any:
    from tekton_server.cli.grid import Column, grid

    columns = (Column("SETTING"), Column("VALUE"), Column("FROM", 1))
    rows = [(one.name, _shown(masked(one.name, one.value)), one.where or one.kind) for one in found.settings]
    return grid(columns, rows, width())


def _shown(value: Any) -> str:
    if value is None or value in ((), []):
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def masked(name: str, value: Any) -> Any:
    """Give a value without what must not be seen: a password in an address, or all of a secret."""
    if value is None:
        return None
    if name.endswith("_url"):
        return _address(str(value))
    return _MASK if _SECRET.search(name) else value


def _address(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    # A password that somebody forgot to quote may hold anything but the last @.
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = f"{user}{colon and f':{_MASK}'}{at}{place}" if separator else url
    return _PASSWORD.sub(rf"\g<1>{_MASK}", f"{scheme}{separator}{shown}" if separator else shown)


@app.command()
def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="Files to check; by default what `tekton up` would read.", show_default=False
        ),
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option("--config", metavar="FILE", help="The same, as the other commands have it.")
    ] = None,
) -> None:
    """Check files, or the settings that are in force: values, keys that nobody knows, and what cannot go together.

    Beside a tekton.json, or without one in ./config and ~/.tekton, there may be components.json, dependencies.json and
    ports.json; they are checked too.
    """
    from tekton_server.fleet_files import kind_of

    wrong = 0
    for file in [*(files or ()), *(config or ())] or [None]:
        kind = kind_of(Path(file).expanduser()) if file else None
        wrong += _check_fleet_file(Path(file).expanduser(), kind) if file and kind else _check_settings(file)
    if wrong:
        raise typer.Exit(ExitCode.USAGE)


def _check_settings(file: str | None) -> int:
    """Check a tekton.json and, where it is the one in use, what stands beside it; give how much is wrong."""
    from tekton_server.fleet_files import FILES, folder, there
    from tekton_server.fleet_together import together

    # A file is judged alone; without one, what is in the environment counts too.
    found = explain({}, {} if file else os.environ, file)
    about = str(found.file) if found.file else "the environment and the defaults; there is no file"
    wrong = _told(found.problems, about)
    if file is None:
        home = folder(None)
        beside = sum(_check_fleet_file(home / f"{name}.json", name) for name in FILES if there(home, name))
        # What cannot be read by itself cannot be judged together.
        problems = together(home, root=os.geteuid() == 0) if not beside else []
        for problem in problems:
            note(problem)
        wrong += beside + len(problems)
    return wrong


def _check_fleet_file(path: Path, kind: str) -> int:
    from tekton_server.fleet_files import read_file, refuse_writable

    content, problems = read_file(path, kind)
    if kind == "components" and not problems and any("launch" in one for one in content[kind].values()):
        try:
            refuse_writable(path)
        except ConfigError as error:
            problems = [str(error)]
    return _told(problems, str(path))


def _told(problems: Sequence[str], about: str) -> int:
    for problem in problems:
        note(problem)
    if not problems:
        typer.echo(f"ok: {about}")
    return len(problems)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(metavar="NAME", help="tekton, components, dependencies or ports.")],
) -> None:
    """Print the JSON schema of a configuration file, for editors and other tools."""
    from tekton_server import fleet_files

    known = ("tekton", *fleet_files.FILES)
    wanted = name.removesuffix(".json")
    if wanted not in known:
        raise typer.BadParameter(f"there is no {name!r}; there are {', '.join(known)}")
    write_text(as_json(fleet_files.schema(wanted)))
