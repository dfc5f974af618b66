"""The REST paths as the Lua filter knows them: which methods each takes, and what stands elsewhere than in the query.

The transcoder matches the paths; this table only says what it will not: what else a path takes, and which GET streams.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tekton_gateway import contract
from tekton_gateway.contract import VARIABLE, Binding

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass
class RestPath:
    """One path template, with all that is served under it."""

    template: str
    bindings: dict[str, Binding] = field(default_factory=dict)
    """By HTTP method."""
    streams: bool = False
    """GET gives server-sent events."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods that it takes, in a fixed order; HEAD and OPTIONS the gateway answers."""
        served = [verb for verb in VERBS if verb in self.bindings]
        return (*(("GET", "HEAD") if "GET" in served else ()), *(v for v in served if v != "GET"), "OPTIONS")

    @property
    def pattern(self) -> str:
        """The Lua pattern of its paths. Slashes at the end, however many, are nothing to the transcoder."""
        *literals, last = VARIABLE.split(self.template)[::2]
        kinds = [".+" if "=**" in found.group() else "[^/]+" for found in VARIABLE.finditer(self.template)]
        parts = [_escaped(literal) + kind for literal, kind in zip(literals, kinds, strict=True)]
        return "^" + "".join(parts) + _escaped(last.rstrip("/")) + "/*$"


def table() -> list[RestPath]:
    """Give the paths, each before those whose variables would match it too."""
    found: dict[str, RestPath] = {}
    for method in contract.methods():
        for binding in method.bindings:
            path = found.setdefault(binding.template, RestPath(binding.template))
            path.bindings[binding.verb] = binding
            path.streams |= method.sse and binding.verb == "GET"
    return sorted(found.values(), key=lambda path: ("=**" in path.template, len(VARIABLE.findall(path.template))))


def lua() -> str:
    """Give the table as Lua."""
    return "local PATHS = {\n" + "".join(f"  {_row(path)}\n" for path in table()) + "}\n"


def _row(path: RestPath) -> str:
    methods = ", ".join(f"{verb} = {_fields(binding)}" for verb, binding in path.bindings.items())
    allow = ", ".join(path.allowed)
    return f'{{ "{path.pattern}", {{ {methods} }}, allow = "{allow}", streams = {str(path.streams).lower()} }},'


def _fields(binding: Binding) -> str:
    return f"{{ elsewhere = {_set(binding.elsewhere)}, lists = {_set(binding.lists)} }}"


def _set(names: frozenset[str]) -> str:
    return "{ " + ", ".join(f"{name} = true" for name in sorted(names)) + " }"


def _escaped(literal: str) -> str:
    """Every character of a path that means something in a Lua pattern, `-` and `.` foremost."""
    return re.sub(r"[^A-Za-z0-9/_:]", lambda found: "%" + found.group(), literal)
