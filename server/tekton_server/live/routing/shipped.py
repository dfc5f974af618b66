"""The shipped catalogue: facts about well-known models, and what capabilities mean. Nobody is said to serve any."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

from tekton.core.model_records import ModelFacts


class Shipped(NamedTuple):
    """What the file says, each by its id, in its order."""

    capabilities: Mapping[str, str]
    models: Mapping[str, ModelFacts]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: str
    capabilities: dict[str, str]
    models: dict[str, ModelFacts]


@cache
def shipped() -> Shipped:
    """Read the file."""
    text = files(__package__).joinpath("catalogue.json").read_bytes()
    found = msgspec.json.decode(text, type=_File)
    return Shipped(found.capabilities, found.models)
