"""Whether a model can be reached: what is known of the component that serves it, and of the model itself."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Standing(StrEnum):
    """How a model stands."""

    AVAILABLE = "available"
    DEGRADED = "degraded"
    COOLING_DOWN = "cooling_down"
    UNAVAILABLE = "unavailable"
    DISABLED = "disabled"


class Serving(NamedTuple):
    """Where a model is served, and how its server is. `why` is a sentence where it is anything but available.

    `base` is where the server listens, such as http://localhost:8003. A `suspect` server has lost its heartbeat stream;
    it is used after those that have not.
    """

    standing: Standing
    base: str = ""
    component_id: str = ""
    why: str = ""
    suspect: bool = False


class Out(NamedTuple):
    """A model that is out for a while by what came of it: until when, in seconds from now at most, and why.

    `probing`: its time is over, and as many as may are trying it at this moment.
    """

    why: str
    seconds: float
    probing: bool = False


class Observed(NamedTuple):
    """What came of a model with one type of task lately; `timed` is whether anybody has measured how long it takes."""

    error_rate: float
    latency_ms: float
    timed: bool = False


UNOBSERVED = Observed(0.02, 2000.0)
"""What is taken for granted of a model that nobody has told anything of."""
