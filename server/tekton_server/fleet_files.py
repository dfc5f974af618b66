"""The files beside tekton.json: `components.json`, `dependencies.json`, `ports.json`.

What Tekton starts is in the first of them and nowhere else: nothing that a component says of itself becomes a command.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from tekton.core.ids import COMPONENT_ID, lookup_key
from tekton_server import fleet_rules
from tekton_server.config import ConfigError, TektonFile, config_file
from tekton_server.domain import limits
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_spec import STARTUP_TIMEOUT, LaunchSpec, told
from tekton_server.json_places import JsonFile, NotJsonError, written
from tekton_server.judging import Problem, judge

_FOLDERS = ("config", "~/.tekton")
# Nobody reads more; the rest is counted.
_TOLD = 200

ComponentId = Annotated[
    str,
    told(
        "a component id: a small letter, then at most 62 small letters, digits, - and _",
        "A component's id.",
        pattern=rf"^{COMPONENT_ID.pattern}\Z",
    ),
]
Port = Annotated[int, told("a whole number from 1 to 65535", "A port.", ge=1, le=65535)]
Dependencies = Annotated[
    tuple[ComponentId, ...],
    told("a list of component ids", "What has to be ready before it is started.", max_length=limits.LIST_ITEMS),
]
Capability = Annotated[
    str, told("a text of 1 to 128 characters", "A capability.", min_length=1, max_length=limits.ITEM_CHARS)
]


def _text(chars: int, description: str) -> Meta:
    return told(f"a text of 1 to {chars} characters", description, min_length=1, max_length=chars)


class ComponentEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator says of one component: what it is, as in a registration, and in `launch` how it is started."""

    component_name: Annotated[str, _text(limits.COMPONENT_NAME_CHARS, "Its name for people.")] | None = None
    component_type: Annotated[str, _text(limits.COMPONENT_TYPE_CHARS, "Its type.")] | None = None
    version: Annotated[str, _text(limits.VERSION_CHARS, "Its version, as semver has it.")] | None = None
    host: Annotated[str, _text(limits.HOST_CHARS, "Where it listens.")] | None = None
    port: Port | None = None
    capabilities: Annotated[
        tuple[Capability, ...], told("a list of texts", "What it can do.", max_length=limits.LIST_ITEMS)
    ] = ()
    dependencies: Dependencies = ()
    health_check: Annotated[str, _text(limits.HEALTH_CHECK_CHARS, "Where its health can be asked for.")] | None = None
    metadata: Annotated[dict[str, Any], told("an object", "Whatever else is to be known of it.")] = {}
    launch: LaunchSpec | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: Annotated[str, told("a text", "Where this schema is, for editors.")] | None = msgspec.field(
        name="$schema", default=None
    )


class ComponentsFile(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """components.json: the components that Tekton knows beforehand, and how it starts them."""

    components: Mapping[ComponentId, ComponentEntry]


class DependenciesFile(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """dependencies.json: for each component those that must be ready before it is started."""

    dependencies: Mapping[ComponentId, Dependencies]


class PortsFile(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ports.json: the port of each component."""

    ports: Mapping[ComponentId, Port]


FILES: Mapping[str, type[msgspec.Struct]] = {
    "components": ComponentsFile,
    "dependencies": DependenciesFile,
    "ports": PortsFile,
}
_RULES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Problem]]] = {
    "components": fleet_rules.components,
    "dependencies": fleet_rules.dependencies,
    "ports": fleet_rules.ports,
}


@dataclass(frozen=True)
class Fleet:
    """What the three files say together; a file that is not there says nothing. `home` is where they are."""

    home: Path
    components: Mapping[str, ComponentEntry]
    dependencies: Mapping[str, tuple[str, ...]]
    ports: Mapping[str, int]

    @cached_property
    def _by_key(self) -> tuple[dict[str, ComponentEntry], dict[str, tuple[str, ...]], dict[str, int]]:
        return _keyed(self.components), _keyed(self.dependencies), _keyed(self.ports)

    def launch_spec(self, component_id: str) -> LaunchSpec | None:
        """Give how a component is started; None where no operator has said so."""
        entry = self._by_key[0].get(lookup_key(component_id))
        return entry.launch if entry else None

    def launchable(self) -> dict[str, FleetComponent]:
        """Give the components that can be started, by the lookup key of their ids."""
        return {
            lookup_key(name): FleetComponent(
                component_id=name,
                component_name=entry.component_name or name,
                component_type=entry.component_type or "service",
                capabilities=tuple(dict.fromkeys(entry.capabilities)),
                dependencies=self.depends_on(name),
                health_check=entry.health_check or "",
                metadata=entry.metadata,
                spec=entry.launch,
            )
            for name, entry in self.components.items()
            if entry.launch is not None
        }

    def needs(self) -> dict[str, tuple[str, ...]]:
        """Give what each component needs that the files speak of, by lookup key."""
        return {lookup_key(name): self.depends_on(name) for name in (*self.components, *self.dependencies)}

    def depends_on(self, component_id: str) -> tuple[str, ...]:
        """Give what a component waits for, whichever of the files says so, each once."""
        key = lookup_key(component_id)
        entry = self._by_key[0].get(key)
        first = entry.dependencies if entry else ()
        return tuple(dict.fromkeys((*first, *self._by_key[1].get(key, ()))))

    def port(self, component_id: str) -> int | None:
        """Give the port of a component; that of components.json goes before."""
        key = lookup_key(component_id)
        entry = self._by_key[0].get(key)
        return entry.port if entry and entry.port else self._by_key[2].get(key)


def folder(config: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Give where the files are looked for: beside the tekton.json in use, else in the first usual place with one."""
    file = config_file(config, environ)
    if file is not None:
        return file.parent
    usual = [Path(os.path.expanduser(name)) for name in _FOLDERS]
    return next((one for one in usual if any(there(one, name) for name in FILES)), usual[0])


def there(home: Path, name: str) -> bool:
    """Whether a directory has one of the files; a link that leads nowhere is one that cannot be read."""
    return os.path.lexists(home / f"{name}.json")


def load_fleet(home: Path, startup_timeout: float = STARTUP_TIMEOUT) -> Fleet:
    """Read the files of a directory. `startup_timeout` is that of launch specifications that name none.

    Raises:
        ConfigError: something is wrong with them; it names the first of it, with file, line, column and key.
    """
    found: dict[str, Any] = {}
    for name, kind in FILES.items():
        path = home / f"{name}.json"
        value, problems = read_file(path, name) if there(home, name) else ({name: {}}, [])
        if problems:
            more = f" (and {len(problems) - 1} more: see tekton config check)" if len(problems) > 1 else ""
            raise ConfigError(problems[0] + more)
        for entry in value[name].values() if name == "components" else ():
            if "launch" in entry and entry["launch"] is not None:
                entry["launch"].setdefault("startup_timeout", startup_timeout)
        found[name] = getattr(msgspec.convert(value, kind), name)
    fleet = Fleet(home.absolute(), **found)
    if fleet.launchable():
        refuse_writable(fleet.home / "components.json")
    return fleet


def refuse_writable(file: Path) -> None:
    """See to it that only we and root can say what is started: who writes this file runs programs as us.

    Raises:
        ConfigError: others may write to it, or put another in its place.
    """
    # What a link leads to counts as well as where it is.
    for path in dict.fromkeys((file.parent, file.resolve().parent, file.resolve())):
        status = path.stat()
        if status.st_uid not in (os.geteuid(), 0):
            remedy = "give it to the user that Tekton runs as"
            raise ConfigError(f"{path} says what Tekton starts, and belongs to another user; {remedy}")
        # In a sticky directory, as /tmp is, nobody replaces what is another's.
        open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
        if open_to_others:
            raise ConfigError(f"{path} says what Tekton starts, and others may write to it; run chmod go-w {path}")


def read_file(path: Path, name: str) -> tuple[Any, list[str]]:
    """Read one of the files; give its content, and a sentence for everything that is wrong with it."""
    try:
        file = JsonFile(path)
    except FileNotFoundError:
        return None, [f"{path}: does not exist"]
    except NotJsonError as error:
        return None, [str(error)]
    found = [*judge(file.content, FILES[name])]
    # What has the wrong shape cannot be asked what it means.
    found = found or [*_RULES[name](file.content[name])]
    wrong = [(file.places.of(one.path, key=one.key), one.path, one.sentence) for one in found]
    wrong += [(place, one, "is there twice") for one, place in file.twice]
    wrong.sort(key=lambda one: one[0])
    told = [f"{file.at(place)}: {f'{written(one)} {sentence}'.lstrip()}" for place, one, sentence in wrong[:_TOLD]]
    if len(wrong) > _TOLD:
        told.append(f"{path}: and {len(wrong) - _TOLD} more like these")
    return file.content, told


def kind_of(path: Path) -> str | None:
    """Tell which of the files one is, by its name or by what it holds; None for a tekton.json."""
    if path.stem in FILES:
        return path.stem
    try:
        content = JsonFile(path).content
    except (FileNotFoundError, NotJsonError):
        return None
    return next((name for name in FILES if isinstance(content, dict) and name in content), None)


def schema(name: str) -> dict[str, Any]:
    """Give the JSON schema of one of the files, or of `tekton`.json: editors complete and check by it."""
    kind = FILES.get(name, TektonFile)
    made: dict[str, Any] = _for_editors(msgspec.json.schema(kind))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name}.json"} | made


def _for_editors(value: Any) -> Any:
    """Write patterns as JSON Schema has them, which is not quite as Python has."""
    if isinstance(value, list):
        return [_for_editors(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: _for_editors(one) for key, one in value.items()}
    if isinstance(found.get("pattern"), str):
        found["pattern"] = found["pattern"].removeprefix("(?a)").replace(r"\Z", "$")
    return found


_T = TypeVar("_T")


def _keyed(found: Mapping[str, _T]) -> dict[str, _T]:
    return {lookup_key(name): value for name, value in found.items()}
