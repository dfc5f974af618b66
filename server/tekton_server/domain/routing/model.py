"""A model of the catalogue: what the layers say of it, put together, and what a registration may say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from tekton.core.errors import NoRouteError, RegistrationError, ValidationError
from tekton.core.ids import COMPONENT_ID
from tekton.core.model_records import ModelFacts
from tekton_server.domain import limits
from tekton_server.domain.validation import Violation, refuse, violation, wrong_items, wrong_text

MODEL_ID = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._:+~-]*(/[A-Za-z0-9@._:+~-]+)*")
"""Ids as providers write them. They stand in paths as they are, so nothing in them needs an escape there."""
# The gateway takes this end of a path for a method of its own, and folds these segments away.
_METHOD = ":batch"
_FOLDED = (".", "..")
# What has to be known of a model, by whichever layer.
NEEDED = ("provider", "tier", "context_window")
NO_LIMIT = limits.TOKENS
PATH = "/api/generate"
"""Where a component that serves a model takes requests, unless it is said otherwise."""


class CatalogueModel(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A model as all layers together have it; `place` is its place in the catalogue.

    A price that nobody knows is None, a context window that nobody knows 0, and an output limit NO_LIMIT. `layers` are
    those that say something of it, the lowest first.
    """

    model_id: str
    provider: str
    capabilities: tuple[str, ...]
    offers: frozenset[str]
    tier: int
    context_window: int
    max_output_tokens: int
    input_price: float | None
    output_price: float | None
    component_id: str
    endpoint: str
    path: str
    enabled: bool
    description: str
    layers: tuple[str, ...]
    place: int
    revision: int

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Give what so many tokens cost, in US dollars; None where nobody knows."""
        if self.input_price is None or (output_tokens and self.output_price is None):
            return None
        return (input_tokens * self.input_price + output_tokens * (self.output_price or 0.0)) / 1_000_000


def overlaid(below: ModelFacts, above: ModelFacts) -> ModelFacts:
    """Put one layer on another: what it says counts, what it leaves open stays."""
    said = {name: value for name in above.__struct_fields__ if (value := getattr(above, name)) is not None}
    return msgspec.structs.replace(below, **said) if said else below


def completed(model_id: str, facts: ModelFacts, layers: tuple[str, ...], place: int, revision: int) -> CatalogueModel:
    """Make the model of what all layers say."""
    capabilities = facts.capabilities or ()
    return CatalogueModel(
        model_id=model_id,
        provider=facts.provider or "",
        capabilities=capabilities,
        offers=frozenset(capabilities),
        tier=facts.tier or 1,
        context_window=facts.context_window or 0,
        max_output_tokens=facts.max_output_tokens or NO_LIMIT,
        input_price=facts.input_price,
        output_price=facts.output_price,
        component_id=facts.component_id or "",
        endpoint=facts.endpoint or "",
        path=facts.path or PATH,
        enabled=facts.enabled is not False,
        description=facts.description or "",
        layers=layers,
        place=place,
        revision=revision,
    )


def unknown(model_id: str) -> NoRouteError:
    """Say that there is no such model."""
    shown = model_id[:128]
    return NoRouteError(f"there is no model {shown} in the catalogue", details={"model_id": shown})


def check_registration(model_id: str, facts: ModelFacts, below: ModelFacts) -> None:
    """Refuse a registration that is malformed or says too little, naming every field that is wrong.

    Raises:
        ValidationError: shape, type or size.
        RegistrationError: the id cannot be one, or what has to be known is known to no layer.
    """
    refuse(ValidationError, [*_id_size(model_id), *malformed(facts)])
    refuse(RegistrationError, [*broken_id("id", model_id), *_incomplete(overlaid(below, facts))])


def _id_size(model_id: str) -> Iterator[Violation]:
    if len(model_id) > limits.MODEL_ID_CHARS:
        most = limits.MODEL_ID_CHARS
        yield violation("id", f"must have at most {most} characters", "max_length", limit=most)


def broken_id(field: str, model_id: str) -> Iterator[Violation]:
    """Tell what is wrong with a model's id."""
    if not model_id:
        yield violation(field, "is required", "required")
    elif not MODEL_ID.fullmatch(model_id):
        yield violation(field, f"must match ^{MODEL_ID.pattern}$", "pattern")
    elif model_id.endswith(_METHOD) or any(part in _FOLDED for part in model_id.split("/")):
        yield violation(field, f"must not end in {_METHOD}, nor hold . or .. between slashes", "pattern")


def broken_component(field: str, component_id: str) -> Iterator[Violation]:
    """Tell what is wrong with a component's id where there is one."""
    if component_id and not COMPONENT_ID.fullmatch(component_id):
        yield violation(field, f"must match ^{COMPONENT_ID.pattern}$", "pattern")


def incomplete(facts: ModelFacts) -> list[str]:
    """Name what nobody says of a model and has to be known."""
    return [name for name in NEEDED if getattr(facts, name) is None]


def _incomplete(facts: ModelFacts) -> Iterator[Violation]:
    for name in incomplete(facts):
        yield violation(name, "is required, since nothing else is known of this model", "required")


def malformed(facts: ModelFacts) -> Iterator[Violation]:
    """Tell which facts are of a wrong shape or size."""
    for name, most in (("provider", limits.ITEM_CHARS), ("description", limits.MODEL_TEXT_CHARS)):
        yield from wrong_text(name, getattr(facts, name) or "", most)
    yield from wrong_items("capabilities", facts.capabilities or ())
    for name, least, largest in (
        ("tier", 1, limits.TIERS),
        ("context_window", 1, limits.TOKENS),
        ("max_output_tokens", 1, limits.TOKENS),
    ):
        number = getattr(facts, name)
        if number is not None and not least <= number <= largest:
            yield violation(name, f"must be between {least} and {largest}", "range", limit=largest)
    for name in ("input_price", "output_price"):
        price = getattr(facts, name)
        if price is not None and not (math.isfinite(price) and 0 <= price <= limits.MODEL_DOLLARS):
            wanted = f"must be between 0 and {limits.MODEL_DOLLARS:.0f}, in US dollars for a million tokens"
            yield violation(name, wanted, "range", limit=limits.MODEL_DOLLARS)
    yield from _place(facts)


def _place(facts: ModelFacts) -> Iterator[Violation]:
    yield from broken_component("component_id", facts.component_id or "")
    if facts.path and not (facts.path.startswith("/") and facts.path.isprintable() and " " not in facts.path):
        yield violation("path", "must begin with a slash and hold no spaces", "format")
    yield from wrong_text("path", facts.path or "", limits.ENDPOINT_CHARS)
    if facts.endpoint and not is_url(facts.endpoint):
        yield violation("endpoint", "must be a URL such as http://localhost:8003/api/generate", "format")


def is_url(text: str) -> bool:
    """Tell whether a text is an absolute URL of HTTP, without a password in it."""
    if len(text) > limits.ENDPOINT_CHARS or not text.isprintable() or " " in text:
        return False
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc and url.port != 0
    except ValueError:
        return False
