"""What is wrong with the files of a fleet though each of them is right: what they say together, and on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tekton.core.dependency import DependencyGraph
from tekton.core.ids import lookup_key
from tekton_server.fleet_files import ComponentEntry, Fleet, load_fleet
from tekton_server.json_places import JsonFile, written


def together(home: Path, *, root: bool) -> list[str]:
    """Give a sentence for each thing that would keep something from being started; `root`: Tekton runs as root.

    Raises:
        ConfigError: the files cannot be read.
    """
    fleet = load_fleet(home)
    return [*(_without_user(home, fleet) if root else ()), *_cycles(home, fleet)]


def _without_user(home: Path, fleet: Fleet) -> Iterator[str]:
    missing = [name for name, entry in fleet.components.items() if _needs_user(entry)]
    if not missing:
        return
    file = JsonFile(home / "components.json")
    for name in missing:
        path = ("components", name, "launch")
        said = "needs user: whoever runs this is root, and as root Tekton launches nothing without"
        yield f"{file.at(file.places.of(path))}: {written(path)} {said}"


def _needs_user(entry: ComponentEntry) -> bool:
    return entry.launch is not None and not entry.launch.user


def _cycles(home: Path, fleet: Fleet) -> Iterator[str]:
    names = {lookup_key(one): one for one in (*fleet.dependencies, *fleet.components)}
    for path in DependencyGraph({one: fleet.depends_on(one) for one in names.values()}).resolve().cycles:
        yield f"{home}: {' needs '.join(path)}: a start of these is refused; take one of the dependencies away"
