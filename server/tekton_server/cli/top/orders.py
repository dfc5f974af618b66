"""What comes first in `tekton top`."""

from __future__ import annotations

from enum import StrEnum


class Order(StrEnum):
    """The orders; figures begin with the greatest."""

    CPU = "cpu"
    MEMORY = "memory"
    GPU = "gpu"
    NAME = "name"
    STATE = "state"
