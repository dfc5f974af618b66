"""What a start or a stop of many components does, in which order, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from tekton.core.dependency import DependencyGraph, Resolution
from tekton.core.errors import CircularDependencyError, NoLaunchSpecError
from tekton.core.ids import lookup_key
from tekton_server.domain import built_in
from tekton_server.domain.inventory import Inventory, Known, in_order, named

# The components of a chain that are told.
CHAIN = 100
# The most of a list that a sentence has, and how much of a chain the details of an error have room for.
_TOLD = 5
_ERROR_CHARS = 1500


class Plan(NamedTuple):
    """A start, or a stop: `begins` is what each waits for that has to be done before, in the order in which they go.

    free: those of them that only are waited for, since Tekton does not launch them.
    waves: the same ones, by the longest chain below them.
    done: those that are as they should be already.
    skipped: those that cannot be, each with the way from it down to what is in the way.
    missing: what is needed and not there, with who needs it.
    cycles: closed paths that are in the way; `complete` is whether these are all. See `Resolution`.
    asked: the lookup keys of what was asked for.
    """

    begins: Mapping[str, tuple[str, ...]]
    free: frozenset[str]
    waves: tuple[tuple[str, ...], ...]
    done: tuple[str, ...]
    skipped: Mapping[str, tuple[str, ...]]
    missing: Mapping[str, tuple[str, ...]]
    cycles: tuple[tuple[str, ...], ...]
    complete: bool
    asked: frozenset[str]

    @property
    def sentence(self) -> str:
        """All of it in a sentence."""
        count, waves = len(self.begins) - len(self.free), len(self.waves)
        said = [f"{count} in {waves} wave{'s' * (waves != 1)}" if count else "nothing to do"]
        told = (("waited for", self.free), ("done already", self.done), ("skipped", self.skipped))
        said += [f"{len(some)} {what}" for what, some in told if some]
        if self.missing:
            said.append(f"missing: {', '.join(list(self.missing)[:_TOLD])}")
        if self.cycles:
            said.append(f"a cycle: {' needs '.join(shortened(self.cycles[0], 8))}")
        return "; ".join(said)

    def check(self) -> None:
        """Refuse a start that runs into a cycle.

        Raises:
            CircularDependencyError: it does; `details` have `cycle`, a shortest one, and `cycles`.
        """
        if not self.cycles:
            return
        first = fitting(self.cycles[0])
        more = f" ({len(self.cycles) - 1} more cycles)" if len(self.cycles) > 1 else ""
        told, room = [first], _ERROR_CHARS
        for one in self.cycles[1:]:
            room -= sum(map(len, one))
            if room < 0:
                break
            told.append(one)
        raise CircularDependencyError(
            f"nothing was started: {' needs '.join(shortened(first, 8))}{more}; take one of these dependencies away",
            details={"cycle": list(first), "cycles": [list(one) for one in told]},
        )


def plan_start(fleet: Inventory, component_ids: Sequence[str], *, resolve: bool) -> Plan:
    """Plan a start of some components, or of every one that can be launched; what is ready is not looked behind.

    Without `resolve` nothing is started but these, and who needs something else that is not ready is skipped.

    Raises:
        ComponentNotFoundError: there is none of an id.
        NoLaunchSpecError: one that is named is not ready, and Tekton cannot launch it.
    """
    asked = named(fleet, component_ids) or {key: one for key, one in fleet.items() if one.launchable}
    if component_ids:
        _launchable(asked.values())
    chosen, done = _reached(fleet, asked, resolve=resolve)
    needs = {one.component_id: _unmet(fleet, one) for one in in_order(fleet, chosen)}
    # What is there and not to be started is not missing.
    seen = {
        name: [one for one in some if _among(one, chosen) or not _among(one, fleet)] for name, some in needs.items()
    }
    free = frozenset(one.component_id for one in chosen.values() if not one.launchable)
    # Who is only waited for is so whatever it needs itself.
    out = {name: [one for one in some if not _among(one, chosen)] for name, some in needs.items() if name not in free}
    hopeless = {name: some[0] for name, some in out.items() if some}
    return _plan(DependencyGraph(seen).resolve(), needs, free, hopeless, done, frozenset(asked))


def plan_stop(fleet: Inventory, component_ids: Sequence[str], *, resolve: bool) -> Plan:
    """Plan a stop of some components, or of every one that Tekton can launch or has; those on a cycle stop together.

    With `resolve` what needs them is stopped too.

    Raises:
        ComponentNotFoundError: there is none of an id.
        RegistrationError: it is a part of Tekton itself.
    """
    asked = named(fleet, component_ids) or {key: one for key, one in fleet.items() if one.ours}
    for one in asked.values():
        if one.built_in and component_ids:
            raise built_in.refusal(one.component_id)
    after = _stopped_after(fleet, asked, resolve=resolve)
    found = around = DependencyGraph(after).resolve()
    if around.knots:
        after |= _together(after, around.knots)
        found = DependencyGraph(after).resolve()
    done = tuple(one.component_id for one in asked.values() if not one.runs)
    plan = _plan(found, after, frozenset(), {}, done, frozenset(asked))
    # Along the dependencies, as everywhere, and not along who stops before whom.
    return plan._replace(cycles=tuple(path[::-1] for path in around.cycles), complete=around.complete)


def _among(component_id: str, some: Container[str]) -> bool:
    return lookup_key(component_id) in some


def _stopped_after(fleet: Inventory, asked: Iterable[str], *, resolve: bool) -> dict[str, tuple[str, ...]]:
    """Give what is to be stopped, and for each which of the others have to be before."""
    needed_by: dict[str, list[str]] = {}
    for key, one in fleet.items():
        for need in one.needs:
            needed_by.setdefault(lookup_key(need), []).append(key)
    chosen, waiting = set[str](), list(asked)
    for key in waiting:
        if key not in chosen and fleet[key].runs and not fleet[key].built_in:
            chosen.add(key)
            waiting += needed_by.get(key, ()) if resolve else ()
    return {
        fleet[key].component_id: tuple(fleet[one].component_id for one in needed_by.get(key, ()) if one in chosen)
        for key in fleet
        if key in chosen
    }


def _together(after: Mapping[str, Sequence[str]], knots: Iterable[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Have those that all need each other wait for what any of them waits for, and not for one another."""
    found: dict[str, tuple[str, ...]] = {}
    for members in knots:
        inside = frozenset(members)
        others = dict.fromkeys(one for name in members for one in after[name])
        outside = tuple(one for one in others if one not in inside)
        found |= dict.fromkeys(members, outside)
    return found


def _launchable(asked: Iterable[Known]) -> None:
    refused = [one.component_id for one in asked if not one.serving and not one.launchable]
    if refused:
        raise NoLaunchSpecError(
            f"Tekton does not launch {', '.join(refused[:_TOLD])}: components.json says nothing of how; "
            "start it yourself, and it will register",
            details={"component_id": refused[0], "components": list(fitting(tuple(refused)))},
        )


def _reached(
    fleet: Inventory, asked: Mapping[str, Known], *, resolve: bool
) -> tuple[dict[str, Known], tuple[str, ...]]:
    """Find what is to become ready, by lookup key, and what is already."""
    chosen, done = dict[str, Known](), dict[str, None]()
    waiting = list(asked)
    for key in waiting:
        one = fleet[key]
        if one.serving:
            done[one.component_id] = None
        elif key not in chosen:
            chosen[key] = one
            known = [need for need in map(lookup_key, one.needs) if need in fleet]
            waiting += [need for need in known if resolve or need in asked or fleet[need].serving]
    return chosen, tuple(done)


def _unmet(fleet: Inventory, one: Known) -> tuple[str, ...]:
    """Give what a component needs and is not ready, by the names under which it is known."""
    unmet = []
    for need in one.needs:
        other = fleet.get(lookup_key(need))
        if other is None or not other.serving:
            unmet.append(other.component_id if other else need)
    return tuple(unmet)


def _plan(
    found: Resolution,
    needs: Mapping[str, Sequence[str]],
    free: frozenset[str],
    hopeless: Mapping[str, str],
    done: tuple[str, ...],
    asked: frozenset[str],
) -> Plan:
    skipped = _doomed(needs, free, hopeless) | _stuck(found)
    waves = tuple(some for wave in found.waves if (some := tuple(one for one in wave if one not in skipped)))
    begins = {
        name: tuple(one for one in needs[name] if one in needs and one not in skipped)
        for wave in waves
        for name in wave
    }
    return Plan(begins, free & begins.keys(), waves, done, skipped, found.missing, found.cycles, found.complete, asked)


def _doomed(
    needs: Mapping[str, Sequence[str]], free: frozenset[str], hopeless: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Give who cannot start for what is missing, or not to be started: the way down to that, the nearest first."""
    needed_by: dict[str, list[str]] = {}
    for name, some in needs.items():
        for need in some:
            needed_by.setdefault(need, []).append(name)
    found: dict[str, tuple[str, ...]] = {name: (name, need) for name, need in hopeless.items()}
    level = list(found)
    for name in level:
        for other in needed_by.get(name, ()):
            if other not in found and other not in free:
                found[other] = shortened((other, *found[name]))
                level.append(other)
    return found


def _stuck(found: Resolution) -> dict[str, tuple[str, ...]]:
    """Give who cannot start for a cycle: the way to it, or around it."""
    around: dict[str, tuple[str, ...]] = {}
    for path in found.cycles:
        for name in path:
            around.setdefault(name, shortened(path))
    members = {name: around.get(name, (name,)) for knot in found.knots for name in knot}
    return members | {name: shortened(found.chain(name)) for name in found.blocked}


def shortened(chain: tuple[str, ...], most: int = CHAIN) -> tuple[str, ...]:
    """Leave the middle of a very long chain out."""
    half = most // 2
    return chain if len(chain) <= most else (*chain[:half], *chain[-half:])


def fitting(chain: tuple[str, ...]) -> tuple[str, ...]:
    """Leave so much of the middle of a chain out that the details of an error have room for it."""
    most = len(chain)
    while sum(map(len, found := shortened(chain, most))) > _ERROR_CHARS:
        most = most * 3 // 4
    return found
