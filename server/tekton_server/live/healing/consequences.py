"""Does to those who depend on what failed what it says of them: degrades them, brings them back, has them restarted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit, Component, InstanceChange, Launch, View
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
        self._untold: set[str] = set()

    def on_commit(self, commit: Commit) -> None:
        """Notice who says ready over a judgement."""
        for change in commit.changes:
            if not isinstance(change, InstanceChange) or change.old is None:
                continue
            ready = change.new is not None and change.new.state is ComponentState.READY
            if ready and dependents.deprived(change.old) and change.cause.reason != dependents.WITH_AGAIN:
                self._own_word.add(change.key)
            elif not ready:
                self._own_word.discard(change.key)

    def load(self) -> None:
        """Begin with what the view tells: what somebody is degraded for counts as down until it is looked at."""
        for instance in self._view.instances.values():
            component = self._view.get(instance.component_id) if dependents.deprived(instance) else None
            if component is not None:
                self._untold.add(lookup_key(instance.component_id))
                self._down |= set(map(lookup_key, component.definition.dependencies)) & self._view.launches.keys()

    def look(self, touched: Collection[str]) -> None:
        """Look at components of which something has changed, and at those who depend on them."""
        flipped, back = self._flips(touched)
        asked, self._untold = set(touched) | self._untold, set()
        if flipped:
            for needed, some in dependents.dependents_of(self._view, flipped).items():
                keys = set(map(lookup_key, some))
                asked |= keys - (self._restarted(needed, keys) if needed in back else set())
        for key in asked:
            component = self._view.components.get(key)
            if component is not None:
                self._judge(key, component)

    def _flips(self, touched: Collection[str]) -> tuple[list[str], set[str]]:
        """Find who went down or is no longer, and who of these serves again and has its dependents restarted."""
        flipped, back = list[str](), set[str]()
        for key in touched:
            launch = self._view.launches.get(key)
            policy = self._policy(launch.component_id) if launch is not None and self._ours(launch) else None
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

    def _judge(self, key: str, component: Component) -> None:
        lacking = dependents.lacking(self._view, component, self._policy, self._under_way)
        for instance in component.instances.values():
            lost = bool(lacking) and instance.state is ComponentState.READY and instance.leased
            if (lost and instance.instance_uuid not in self._own_word) or (
                not lacking and instance.leased and dependents.deprived(instance)
            ):
                self._record(key, instance.instance_uuid, instance.granted, lacking)
            if not lacking:
                self._own_word.discard(instance.instance_uuid)

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
