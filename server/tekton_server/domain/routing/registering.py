"""Registering models at run time: the uppermost layer of the catalogue."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tekton.core.errors import NoRouteError, RegistrationError
from tekton.core.model_records import RegisteredModel
from tekton.core.records import ModelChange
from tekton.core.view import Cause
from tekton_server.domain import limits
from tekton_server.domain.commands import Decision, ModelRegistered, RegisterModel, RemoveModel
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.revisions import check_revision
from tekton_server.domain.routing.model import check_registration
from tekton_server.domain.validation import refuse, violation

_STANDING = "the model is registered at"


def register(view: Overlay, command: RegisterModel, now: datetime) -> Decision:
    """Decide a registration; one that says nothing new takes no revision.

    Raises:
        ValidationError, RegistrationError: see `check_registration`; also where there are too many models.
        ConflictError: `expected_revision` does not match.
    """
    check_registration(command.model_id, command.facts, command.below)
    old = view.model(command.model_id)
    check_revision(old, command.expected_revision, _STANDING)
    facts = command.facts
    if facts.capabilities:
        facts = msgspec.structs.replace(facts, capabilities=tuple(dict.fromkeys(facts.capabilities)))
    if old is not None and old.facts == facts:
        return Decision((), ModelRegistered(old, created=False, changed=False))
    if old is None and view.count_models >= limits.MODELS:
        sentence = f"there are {limits.MODELS} models already; remove some"
        refuse(RegistrationError, [violation("id", sentence, "max_items", limit=limits.MODELS)])
    created_at = old.created_at if old else now
    new = RegisteredModel(model_id=command.model_id, facts=facts, created_at=created_at, revision=view.revision)
    return Decision(
        (ModelChange(old, new, Cause("registered")),), ModelRegistered(new, created=old is None, changed=True)
    )


def remove(view: Overlay, command: RemoveModel, now: datetime) -> Decision:
    """Decide the removal of a registration.

    Raises:
        NoRouteError: nobody has registered such a model.
        ConflictError: `expected_revision` does not match.
    """
    old = view.model(command.model_id)
    if old is None:
        shown = command.model_id[:128]
        raise NoRouteError(
            f"no model {shown} is registered; one that is shipped or configured is taken out of use with enabled=false",
            details={"model_id": shown},
        )
    check_revision(old, command.expected_revision, _STANDING)
    return Decision((ModelChange(old, None, Cause("removed")),), None)
