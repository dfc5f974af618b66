"""Does to those who depend on what failed what it says of them: degrades them, brings them back, has them restarted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit, Component, Instance, InstanceChange, Launch, View
from tekton_server.domain import dependents
from tekton_server.domain.commands import JudgeDependencies
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)


class Consequences:
    """Follows who is down of what this server launches. By lookup key.

    `policy` gives the restart policy of any launch, `ours` which launches are this server's, `under_way` whether one is
    being started again though it had not failed; `replace` has one started again, and tells whether it will be.
    """

    def __init__(
        self,
        view: View,
        writer: Writer,
        policy: dependents.Policy,
        ours: Callable[[Launch], bool],
        under_way: Callable[[str], bool],
        replace: Callable[[str, Launch, str], bool],
    ) -> None:
        self._view = view
        self._writer = writer
        self._policy = policy
        self._ours = ours
        self._under_way = under_way
        self._replace = replace
        self._down: set[str] = set()
        # Instances that said they are ready though they lack something: their own word stands until that is back.
        self._own_word: set[str] = set()
        # Who is degraded for what it needs, by that: it may come back at any server.
        self._degraded: dict[str, set[str]] = {}
        self._untold: set[str] = set()

    def on_commit(self, commit: Commit) -> None:
        """Notice who is degraded by a judgement, and who says ready over it."""
        for change in commit.changes:
            if not isinstance(change, InstanceChange):
                continue
            if change.new is not None and dependents.deprived(change.new):
                self._watch(change.new)
            if change.old is None:
                continue
            ready = change.new is not None and change.new.state is ComponentState.READY
            if ready and dependents.deprived(change.old) and change.cause.reason != dependents.WITH_AGAIN:
                self._own_word.add(change.key)
            elif not ready:
                self._own_word.discard(change.key)

    def load(self) -> None:
        """Begin with what the view tells: what somebody is degraded for counts as down until its launch is ours."""
        for instance in self._view.instances.values():
            if dependents.deprived(instance):
                self._untold.add(lookup_key(instance.component_id))
                self._down |= self._watch(instance) & self._view.launches.keys()

    def _watch(self, instance: Instance) -> set[str]:
        """Look at a component again whenever something happens to what it needs; give that."""
        key = lookup_key(instance.component_id)
        component = self._view.components.get(key)
        needs = _needs(component) if component is not None else set[str]()
        for need in needs:
            self._degraded.setdefault(need, set()).add(key)
        return needs

    def look(self, touched: Collection[str]) -> None:
        """Look at components of which something has changed, and at those who depend on them."""
        flipped, back = self._flips(touched)
        asked, self._untold = set(touched) | self._untold, set()
        for key in self._degraded.keys() & touched:
            asked |= self._degraded[key]
        restarted = set[str]()
        for needed, some in dependents.dependents_of(self._view, flipped).items() if flipped else ():
            keys = set(map(lookup_key, some))
            asked |= keys
            restarted |= self._restarted(needed, keys) if needed in back else set()
        # Those stay as they are until their successors come.
        for key in asked - restarted:
            component = self._view.components.get(key)
            if component is None or not self._judge(key, component):
                self._forget(key, component)

    def _flips(self, touched: Collection[str]) -> tuple[list[str], set[str]]:
        """Find who went down or is no longer, and who of these serves again and has its dependents restarted."""
        flipped, back = list[str](), set[str]()
        for key in touched:
            launch = self._view.launches.get(key)
            if launch is not None and not self._ours(launch):
                # Its server looks at it; maybe we do once we have taken it over.
                continue
            policy = self._policy(launch.component_id) if launch is not None else None
            down = policy is not None and policy.dependents != "leave" and self._is_down(key)
            if down == (key in self._down):
                continue
            flipped.append(key)
            (self._down.add if down else self._down.discard)(key)
            if not down and policy is not None and policy.dependents == "restart":
                back |= {key} if dependents.serves(self._view.get(key)) else set()
        return flipped, back

    def _is_down(self, key: str) -> bool:
        return self._under_way(key) or dependents.is_down(self._view.launches[key], self._view.get(key))

    def _restarted(self, needed: str, keys: Collection[str]) -> set[str]:
        """Have those started again that run under us; give them."""
        found = set()
        for key in keys:
            launch = self._view.launches.get(key)
            if launch is not None and self._replace(key, launch, f"{needed}, which it depends on, was started again"):
                found.add(key)
        return found

    def _forget(self, key: str, component: Component | None) -> None:
        for need in _needs(component) if component is not None else list(self._degraded):
            waiting = self._degraded.get(need, set())
            waiting.discard(key)
            if not waiting:
                self._degraded.pop(need, None)

    def _judge(self, key: str, component: Component) -> bool:
        """Have what is due for a component recorded; tell whether an instance is degraded for what it needs."""
        lacking = dependents.lacking(self._view, component, self._policy, self._under_way)
        for instance in component.instances.values():
            lost = bool(lacking) and instance.state is ComponentState.READY
            lost = lost and instance.instance_uuid not in self._own_word
            found = not lacking and dependents.deprived(instance) and not (_needs(component) & self._down)
            if instance.leased and (lost or found):
                self._record(key, instance.instance_uuid, instance.granted, lacking)
            if not lacking:
                self._own_word.discard(instance.instance_uuid)
        return any(map(dependents.deprived, component.instances.values()))

    def _record(self, key: str, instance_uuid: str, granted: int, lacking: tuple[str, ...]) -> None:
        command = JudgeDependencies(instance_uuid=instance_uuid, granted=granted, lacking=lacking)
        try:
            judging = self._writer.submit_nowait(command)
        except TektonError:
            self._untold.add(key)
            return
        judging.add_done_callback(lambda done: self._recorded(key, done))

    def _recorded(self, key: str, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            # With the next look, which comes within a second.
            self._untold.add(key)


def _needs(component: Component) -> set[str]:
    return set(map(lookup_key, component.definition.dependencies))
