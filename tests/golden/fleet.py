"""What the control plane of the story may launch."""

from __future__ import annotations

from typing import Any

from tests.support.launched import launch, small

FLEET: dict[str, dict[str, Any]] = {
    "beacon": small("beacon", number=1, beat=100.0),
    "harbor": small("harbor", "beacon", number=2, beat=100.0),
    "ill": launch("sh", "-c", "echo no such model; exit 3"),
    "ward": {"dependencies": ["ill"], **launch()},
    "plinth": launch(),
    # A signal that means nothing to it.
    "statue": {"dependencies": ["plinth"], **launch(stop_signal="SIGURG")},
    "day": {"dependencies": ["night"], **launch()},
    "night": {"dependencies": ["day"], **launch()},
}
