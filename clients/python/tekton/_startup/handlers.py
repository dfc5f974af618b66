"""What a startup coordinator knows of a component: how it is started, and what has to be there first."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tekton import _given
from tekton._user_code import function
from tekton.core.errors import ValidationError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentRegistration

_KEYS = ("start_func", "dependencies", "stop_func", "timeout", "registers_itself", "registration")


@dataclass(frozen=True)
class Handler:
    """How one component is started. `timeout` is in seconds, from the call of its function until it is ready.

    dependencies: None where nobody said: those that the registry has.
    start_func: None where Tekton launches it.
    """

    component_id: str
    timeout: float
    start_func: Callable[[], Any] | None = None
    dependencies: tuple[str, ...] | None = None
    stop_func: Callable[[], Any] | None = None
    registers_itself: bool = False
    registration: ComponentRegistration | None = None

    @property
    def key(self) -> str:
        """By which it is looked up."""
        return lookup_key(self.component_id)

    def over(self, known: Handler) -> Handler:
        """Give this one completed by what was known before."""
        return replace(
            self,
            start_func=self.start_func or known.start_func,
            dependencies=known.dependencies if self.dependencies is None else self.dependencies,
            stop_func=self.stop_func or known.stop_func,
            registers_itself=self.registers_itself or known.registers_itself,
            registration=self.registration or known.registration,
        )


def handler_of(component_id: str, given: Mapping[str, Any], timeout: float, at: str = "") -> Handler:
    """Read what was given for a component; `at` is where that stands, for what is said of it.

    Raises:
        ValidationError: naming every key that is wrong.
    """
    found = _given.Findings()
    name = found.take(_given.text, f"{at}component_id", component_id, "")
    for key in given:
        found.take(_known, f"{at}{key}", key, None)
    handler = Handler(
        name,
        found.take(_given.seconds, f"{at}timeout", _or(given.get("timeout"), timeout), timeout),
        found.take(_function, f"{at}start_func", given.get("start_func"), None),
        found.take(_dependencies, f"{at}dependencies", given.get("dependencies"), None),
        found.take(_function, f"{at}stop_func", given.get("stop_func"), None),
        bool(given.get("registers_itself")),
        found.take(_registration, f"{at}registration", given.get("registration"), None),
    )
    found.refuse()
    _check(handler, at)
    return handler


def handlers_of(configs: object, timeout: float) -> list[Handler]:
    """Read the configurations of many components, in their order.

    Raises:
        ValidationError: naming the key that is wrong.
    """
    if not isinstance(configs, Mapping):
        message = (
            f'must be a dict by component id, such as {{"hermes": {{"start_func": f}}}}, not {_given.shown(configs)}'
        )
        raise ValidationError.of("component_configs", message, "type")
    handlers: dict[str, Handler] = {}
    for component_id, given in configs.items():
        at = f"component_configs[{component_id!r}]"
        if not isinstance(given, Mapping):
            raise ValidationError.of(at, f"must be a dict with a start_func, not {_given.shown(given)}", "type")
        handler = handler_of(component_id, given, timeout, f"{at}.")
        if (first := handlers.setdefault(handler.key, handler)) is not handler:
            raise ValidationError.of(at, f"is the same component as {first.component_id}", "unique")
    return list(handlers.values())


def _check(handler: Handler, at: str) -> None:
    if any(lookup_key(one) == handler.key for one in handler.dependencies or ()):
        message = f"must not name {handler.component_id} itself"
        raise ValidationError.of(f"{at}dependencies", message, "self_dependency")
    if handler.registration is not None and lookup_key(handler.registration.component_id) != handler.key:
        message = f"must be of {handler.component_id}, not of {handler.registration.component_id}"
        raise ValidationError.of(f"{at}registration", message, "mismatch")


def _or(value: Any, default: float) -> Any:
    return default if value is None else value


def _known(field: str, key: object) -> None:
    if key not in _KEYS:
        nearest = difflib.get_close_matches(str(key), _KEYS, 1)
        advice = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(_KEYS)}"
        raise ValidationError.of(field, f"is not known; {advice}", "unknown")


def _function(field: str, value: object) -> Callable[[], Any] | None:
    return None if value is None else function(field, value)


def _dependencies(field: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    names: Iterable[str] = _given.selection(field, value)
    return tuple({lookup_key(one): one for one in names}.values())


def _registration(field: str, value: object) -> ComponentRegistration | None:
    if value is not None and not isinstance(value, ComponentRegistration):
        raise ValidationError.of(field, f"must be a ComponentRegistration, not {_given.shown(value)}", "type")
    return value
