"""What is wrong with the files of the fleet though every value has the right shape."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tekton.core.errors import CORE_COMPONENT, RegistrationError, ValidationError
from tekton.core.ids import lookup_key
from tekton_server.domain.commands import RegisterComponent
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.domain.validation import check_registration
from tekton_server.json_places import Path
from tekton_server.judging import Problem

_OURS = frozenset(f"TEKTON_{name}" for name in ("COMPONENT_ID", "INSTANCE_UUID", "LAUNCH_EPOCH", "HOST", "PORT"))


def _equal_ids(name: str, found: Mapping[str, Any]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for one in found:
        if (first := seen.setdefault(lookup_key(one), one)) != one:
            yield Problem((name, one), f"is the same component as {first}", key=True)


def _on_itself(component_id: str, needed: Sequence[str], path: Path) -> Iterator[Problem]:
    for at, one in enumerate(needed):
        if lookup_key(one) == lookup_key(component_id):
            yield Problem((*path, at), "depends on itself")


def components(found: Mapping[str, Any]) -> Iterator[Problem]:
    """Judge what components.json holds."""
    yield from _equal_ids("components", found)
    for name, entry in found.items():
        path = ("components", name)
        if lookup_key(name) == CORE_COMPONENT and "launch" in entry:
            yield Problem((*path, "launch"), "cannot be: tekton_core is Tekton itself", key=True)
        yield from _on_itself(name, entry.get("dependencies", []), (*path, "dependencies"))
        yield from _registration_rules(name, entry, path)
        yield from _launch_rules(entry.get("launch") or {}, (*path, "launch"))


def _registration_rules(name: str, entry: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Judge what stands beside `launch` as a registration that says the same would be."""
    given = {key: value for key, value in entry.items() if key in RegisterComponent.__struct_fields__ and value}
    lists = {key: tuple(given.get(key, ())) for key in ("capabilities", "dependencies")}
    whole = {"component_name": name, "component_type": "service", "version": "1.0.0", "host": "", "port": 1}
    try:
        check_registration(RegisterComponent(**{"component_id": name, **whole, **given, **lists}))
    except (ValidationError, RegistrationError) as error:
        for one in error.details["violations"]:
            # Told in words of its own, for both files alike.
            if one["rule"] != "self_dependency":
                yield Problem((*path, *_keys(one["field"])), one["message"])


def _keys(field: str) -> Path:
    """Read a field as violations write it: `capabilities[2]`."""
    return tuple(int(one) if one.isdigit() else one for one in re.findall(r"[^.\[\]]+", field))


def _launch_rules(launch: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for name in launch.get("env", {}):
        if name in _OURS:
            yield Problem((*path, "env", name), "is Tekton's own to set", key=True)
    if launch.get("stop_signal", "SIGTERM") not in signal.Signals.__members__:
        yield Problem((*path, "stop_signal"), f"must be a signal of this machine, not {launch['stop_signal']}")
    backoff = msgspec.convert(launch, LaunchSpec).restart.backoff if launch else None
    if backoff and backoff.initial > backoff.max:
        yield Problem((*path, "restart", "backoff"), f"begins with {backoff.initial:g} s, above its max")


def dependencies(found: Mapping[str, Any]) -> Iterator[Problem]:
    """Judge what dependencies.json holds."""
    yield from _equal_ids("dependencies", found)
    for name, needed in found.items():
        yield from _on_itself(name, needed, ("dependencies", name))


def ports(found: Mapping[str, Any]) -> Iterator[Problem]:
    """Judge what ports.json holds."""
    yield from _equal_ids("ports", found)
    seen: dict[int, str] = {}
    for name, port in found.items():
        if (first := seen.setdefault(port, name)) != name:
            yield Problem(("ports", name), f"is {port}, which is {first}'s already")
