"""What a component needs before it is started, and what is said where that is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tekton._startup.handlers import Handler
from tekton._startup.waits import circular
from tekton.core.dependency import DependencyGraph, Resolution
from tekton.core.errors import CircularDependencyError, DependencyError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING
from tekton.core.view import View


def needs(view: View, component_id: str, handlers: Mapping[str, Handler]) -> tuple[str, ...]:
    """Give what a component needs: what its handler says, else what the registry has."""
    key = lookup_key(component_id)
    handler = handlers.get(key)
    if handler is not None and handler.dependencies is not None:
        return handler.dependencies
    component = view.components.get(key)
    return component.definition.dependencies if component else ()


def serves(view: View, component_id: str) -> bool:
    """Tell whether who needs a component can begin: it is ready, or degraded."""
    component = view.components.get(lookup_key(component_id))
    return component is not None and component.status in SERVING


def unmet(view: View, handler: Handler, handlers: Mapping[str, Handler]) -> list[str]:
    """List what a component needs and is neither ready nor degraded."""
    wanted = needs(view, handler.component_id, {**handlers, handler.key: handler})
    return [one for one in wanted if not serves(view, one)]


def check(view: View, handler: Handler, handlers: Mapping[str, Handler]) -> None:
    """Refuse a component that is on a cycle, or needs one that is.

    Raises:
        CircularDependencyError: it is; `details.cycle` is the closed path.
    """
    all_handlers = {**handlers, handler.key: handler}
    graph = {handler.key: needs(view, handler.component_id, all_handlers)}
    waiting = [handler.key]
    for key in waiting:
        for other in map(lookup_key, graph[key]):
            if other not in graph:
                graph[other] = needs(view, other, all_handlers)
                waiting.append(other)
    found = DependencyGraph(graph).resolve()
    if handler.key not in found.order:
        raise circle(found, handler.key, handler.component_id)


def circle(found: Resolution, name: str, component_id: str) -> CircularDependencyError:
    """Make the error of a component of a graph that is not in its order."""
    chain = found.chain(name) or (name,)
    # Of very many cycles not every one is known, but always one of those that hang together.
    knot = next(knot for knot in found.knots if chain[-1] in knot)
    cycle = min((path for path in found.cycles if path[0] in knot), key=lambda path: chain[-1] not in path)
    at = cycle.index(chain[-1]) if chain[-1] in cycle else 0
    # Closed at the one where it is come to.
    return circular(component_id, (*cycle[at:-1], *cycle[: at + 1]), chain if len(chain) > 1 else ())


def not_ready(view: View, component_ids: Sequence[str], component_id: str, patience: float) -> DependencyError:
    """Make the error of a component that was not started for what it needs."""
    told = "; ".join(_told(view, one) for one in component_ids)
    after = f" after {patience:g} s" if patience else ""
    return DependencyError(
        f"{component_id} was not started, for what it needs is not ready{after}: {told}",
        component_id,
        details={"failed_dependencies": list(component_ids), "chain": [component_id, component_ids[0]]},
    )


def behind(chain: Sequence[str], root: Exception | None) -> DependencyError:
    """Make the error of a component that was not started because another one failed: `chain` leads down to that."""
    return DependencyError(
        f"{chain[0]} was not started: {' needs '.join(chain)}, and {root}",
        chain[0],
        details={"failed_dependencies": [chain[1]], "chain": list(chain)},
    )


def _told(view: View, component_id: str) -> str:
    component = view.components.get(lookup_key(component_id))
    if component is None:
        return f"{component_id} is not registered"
    why = component.best.reason if component.best else ""
    return f"{component_id} is {component.status}{f' ({why})' if why else ''}"
