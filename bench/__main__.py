"""`python -m bench`, or `make bench ARGS="…"`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import machine, play, report
from bench.model import Json, Result
from bench.peers import etcd as peer
from bench.profile import Profile
from bench.rows.row import Row
from bench.rows.table import ROWS
from bench.soak import soak as run_soak
from bench.stage import Options

BUILD = Path(__file__).resolve().parents[1] / "build"
QUICK = Options(rounds=3, seconds=0.35, warm_up=0.15)
DEFAULT = Options(rounds=5, seconds=1.5, warm_up=0.3)
EXAMPLES = """
[bold]Examples[/]

make bench  [dim]every row, in some minutes[/]

make bench ARGS="--quick"  [dim]the same in less than a minute, with more noise[/]

make bench ARGS="--rows read,register --rounds 9"  [dim]two rows, thoroughly[/]

make bench ARGS="--full"  [dim]the heavy rows too: 100,000 leases[/]

make soak ARGS="--soak 600"  [dim]ten minutes at a tenth of the peak: is the memory flat?[/]

make bench ARGS="--profile register"  [dim]where the server spends its time under that load[/]

[bold]Rows[/]

"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


def _listed() -> str:
    return "\n\n".join(f"{row.name}  [dim]{row.title}[/]" for row in ROWS)


@app.command(epilog=EXAMPLES + _listed(), context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    rows: Annotated[str, typer.Option(metavar="NAME,…", help="Which rows; all by default.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Few short rounds: under a minute in all.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The heavy rows too.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of each side of each row.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.05, help="How long a round counts.")] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the JSON goes. [dim](build/bench.json, build/soak.json)[/]"),
    ] = None,
    soak: Annotated[
        float | None,
        typer.Option(min=10, metavar="SECONDS", help="Soak instead: a tenth of the peak for long; is the memory flat?"),
    ] = None,
    etcd: Annotated[
        str, typer.Option(metavar="PATH", help="The etcd to measure beside; by default that on PATH.")
    ] = "",
    profile: Annotated[str, typer.Option(metavar="ROW", help="Profile the server under the load of a row.")] = "",
) -> None:
    """Measure Tekton against the bare stack, in the same run on the same machine.

    Rounds alternate between a bare grpc.aio server and Tekton; the result is the median of the ratios of adjacent
    rounds, with their minimum and maximum, so that what else the machine does disturbs both. The load comes from a
    process of its own, in closed loops. Rows that write much, or that anything disturbs, get a Tekton of their own.
    """
    chosen = QUICK if quick else DEFAULT
    options = Options(rounds or chosen.rounds, seconds or chosen.seconds, chosen.warm_up)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if profile:
        _profile(console, _named(profile)[0], options)
        return
    about = machine.describe()
    console.print(report.machine_line(about), style="dim", highlight=False)
    if soak:
        document: Json = {"machine": about, "soak": run_soak(console, soak)}
    else:
        picked = [row for row in _named(rows) if rows or full or not row.heavy]
        # Whoever picks rows does not ask for others'.
        found = _measure(console, picked, options, etcd if etcd or not rows else None)
        report.show(console, found)
        document = {"machine": about, "options": asdict(options), "rows": [one.json() for one in found]}
    path = json or BUILD / ("soak.json" if soak else "bench.json")
    report.write(path, document)
    console.print(f"\nWritten to {path}", style="dim", highlight=False)


def _named(names: str) -> list[Row]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {row.name: row for row in ROWS}
    for name in wanted:
        if name not in known:
            raise typer.BadParameter(f"there is no row {name}; there are {', '.join(known)}")
    return [known[name] for name in wanted] or list(ROWS)


def _measure(console: Console, rows: list[Row], options: Options, etcd: str | None) -> list[Result]:
    found = play.rows(rows, options, lambda text: console.print(f"[dim]{text}[/]", highlight=False))
    if etcd is None:
        return found
    binary = peer.find(etcd)
    if binary is None:
        console.print(f"etcd is not measured beside: there is no {etcd or 'etcd on PATH'}; name one with --etcd")
        return found
    return found + peer.measure(binary, options)


def _profile(console: Console, row: Row, options: Options) -> None:
    BUILD.mkdir(exist_ok=True)
    profile = Profile(BUILD / f"bench-{row.name}.stacks")
    play.profiled(row, options, profile)
    profile.write()
    profile.show(console)


if __name__ == "__main__":
    app(prog_name="python -m bench")
