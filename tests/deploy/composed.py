"""docker-compose.yml as compose reads it: variables filled in, what is shared put where it belongs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Service:
    """One service."""

    name: str
    given: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether it runs our image."""
        return str(self.given["image"]).startswith("tekton")

    @property
    def command(self) -> list[str]:
        """The command behind `tekton`."""
        return list(self.given["command"])

    @property
    def environment(self) -> dict[str, str]:
        """What is set there; every value is text, as a container gets it."""
        found = dict(self.given.get("environment", {}))
        assert all(isinstance(value, str) for value in found.values()), found
        return found

    @property
    def health_check(self) -> list[str]:
        """The command of its health check; empty where there is none."""
        return list(self.given.get("healthcheck", {}).get("test", []))

    def mapped(self, addresses: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Give command and environment with the addresses of this machine in place of the containers'."""
        return (
            [_replaced(word, addresses) for word in self.command],
            {name: _replaced(value, addresses) for name, value in self.environment.items()},
        )


def read() -> dict[str, Any]:
    """Give the file with the defaults of its variables."""
    text = _VARIABLE.sub(r"\2", (ROOT / "docker-compose.yml").read_text())
    assert "${" not in text, "a variable has no default"
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def services() -> dict[str, Service]:
    """Give the services by name."""
    return {name: Service(name, given) for name, given in read()["services"].items()}


def instructions(text: str) -> Sequence[tuple[str, str]]:
    """Read a Dockerfile: (instruction, the rest), lines that go on joined, comments left out."""
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    return [(word.upper(), rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in lines) if word]


def _replaced(text: str, addresses: Mapping[str, str]) -> str:
    for there, here in addresses.items():
        text = here if text == there else text
    return text
