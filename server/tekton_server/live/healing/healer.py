"""The healer: starts again what failed, once it is due and can be, at a pace, and not while we are ill ourselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from tekton.core.backoff import spread
from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.view import Commit, DefinitionChange, InstanceChange, Launch, LaunchChange, LaunchPhase, View
from tekton_server.domain.blast_radius import Cap, Waiting, choose
from tekton_server.domain.dependents import knots, waits_for
from tekton_server.domain.launch_spec import Restart
from tekton_server.live.healing.consequences import Consequences
from tekton_server.live.healing.hands import Hands
from tekton_server.live.healing.ledger import Ledger
from tekton_server.live.healing.recoveries import Recoveries
from tekton_server.live.healing.startups import StartUps
from tekton_server.live.healing.steady import Steady
from tekton_server.live.healing.waits import Job, Wait, Waits
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

# How often it is asked whether something of ours is ill: that does not announce itself.
TICK = 1.0
# So much later than that, and this server did not run: what should have come meanwhile waits on its sockets.
_LATE = 1.0
# After what came to nothing, seconds until it is tried again, give or take a half.
_AGAIN = 5.0
_STARTING = "Tekton is starting"
_OFF = "components.auto_recover is off"


class Healing(NamedTuple):
    """Whether what fails is healed, and how much of it at once. `patience`: see Waits."""

    auto_recover: bool
    cap: Cap
    patience: float


class Healer:
    """Heals what this server follows. `trouble` says what of ours is ill: then nothing is healed, and nobody blamed."""

    def __init__(
        self, view: View, writer: Writer, hands: Hands, terms: Healing, trouble: Callable[[], str | None], clock: Steady
    ) -> None:
        self._view = view
        self._hands = hands
        self._cap = terms.cap
        self._trouble = trouble if terms.auto_recover else lambda: _OFF
        self._begun = False
        self._clock = clock
        self._waits = Waits(view, hands, clock, terms.patience, auto_recover=terms.auto_recover)
        self._ledger = Ledger(view, clock)
        self._fair_from = self._looked_at = clock.seconds()
        self._startups = StartUps(hands, clock.seconds, lambda: self._fair_from, self._overdue)
        self._recoveries = Recoveries(view, writer, clock, self._waits.policy)
        self._consequences = Consequences(
            view, writer, self._policy, hands.ours, self._ledger.under_way, self._waits.replace
        )  # fmt: skip
        self._at_work: set[str] = set()
        self._held: dict[str, str] = {}
        # Who needs whom in a circle, as of the last definition.
        self._knots: Mapping[str, int] | None = None
        self._said = ""
        self._touched: set[str] = set()
        self._wake = asyncio.Event()

    @property
    def restarts(self) -> int:
        """How many automatic restarts this server has seen since it began, its own and others'."""
        return self._ledger.made

    @property
    def waiting(self) -> int:
        """How many components wait to be healed."""
        return len(self._waits.waiting)

    @property
    def trouble(self) -> str:
        """Why nothing at all is healed now; empty where that is not so."""
        return self._said

    @property
    def notice(self) -> str | None:
        """What stands in the answer about health while somebody waits in vain."""
        if not self._said or not self.waiting:
            return None
        return f"healing is held back: {self._said}; {self.waiting} components wait for it"

    def held(self, component_id: str) -> str:
        """Say why the restart of a component is not made yet though it is due; empty where nothing is in its way."""
        key, launch = lookup_key(component_id), self._view.launch(component_id)
        if key in self._waits.waiting:
            return self._held.get(key, "")
        left_out = launch is not None and launch.phase is LaunchPhase.BACKOFF and self._hands.ours(launch)
        return "components.json does not have it any more" if left_out and not self._policy(component_id) else ""

    def begin(self) -> None:
        """The server can be called from now on: what is started again finds it."""
        self._begun = True
        self._wake.set()

    def on_commit(self, commit: Commit) -> None:
        """Follow a commit that is folded."""
        if any(isinstance(change, DefinitionChange) for change in commit.changes):
            self._knots = None
        if not self._view.launches and not self._waits.waiting:
            return
        self._ledger.on_commit(commit)
        self._consequences.on_commit(commit)
        for change in commit.changes:
            if isinstance(change, InstanceChange | LaunchChange):
                self._touched.add(lookup_key(change.component_id))
                if isinstance(change, LaunchChange):
                    self._tell(change)
        self._wake.set()

    def load(self) -> None:
        """Begin with what the view tells."""
        self._ledger.load()
        self._consequences.load()
        self._touched |= self._view.launches.keys()

    async def run(self) -> None:
        """Heal until cancelled."""
        self.load()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                pause = self.look(group)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    def look(self, group: asyncio.TaskGroup) -> float:
        """Take in what has changed and begin what can begin; give after how many seconds to look again."""
        if self._clock.seconds() - self._looked_at > TICK + _LATE:
            self._be_fair()
        self._looked_at = self._clock.seconds()
        touched, self._touched = self._touched, set()
        for key in touched:
            self._waits.assess(key)
            self._recoveries.assess(key)
            launch = self._view.launches.get(key)
            watched = launch if launch is not None and self._waits.starting(launch) else None
            self._startups.follow(group, key, watched)
        self._consequences.look(touched)
        upcoming = self._recoveries.look(), self._begin(group)
        now = self._clock.now()
        pauses = ((at - now).total_seconds() for at in upcoming if at is not None)
        return min((TICK, *(max(0.0, pause) for pause in pauses)))

    def _begin(self, group: asyncio.TaskGroup) -> datetime | None:
        """Begin with those that are next; give when to look again, where that is known."""
        self._hold((self._trouble() or "") if self._begun else _STARTING)
        waiting = {key: wait for key, wait in self._waits.waiting.items() if key not in self._at_work}
        self._held = dict.fromkeys(waiting, self._said)
        if self._said or not waiting:
            return None
        ready = {key: wait for key, wait in waiting.items() if self._needs(key) == ""}
        some = [Waiting(key, wait.due, self._view.launches[key].restart_count) for key, wait in ready.items()]
        chosen = choose(self._cap, self._ledger.radius(), some, self._clock.now())
        for key in chosen.begin:
            self._start(group, key, ready[key])
        self._held |= {one.component_id: chosen.held for one in some if one.due <= self._clock.now()}
        return chosen.again_at

    def _needs(self, key: str) -> str:
        """Say what has to serve before a component is started again; what is only stopped waits for nobody."""
        component = self._view.get(key)
        stopped = self._waits.waiting[key].job is Job.END
        if self._knots is None:
            self._knots = knots(self._view)
        needs = () if component is None or stopped else waits_for(self._view, component, self._knots)
        self._held[key] = f"it needs {', '.join(needs)}" if needs else ""
        return self._held[key]

    def _start(self, group: asyncio.TaskGroup, key: str, wait: Wait) -> None:
        self._at_work.add(key)
        self._ledger.reserve(key)
        launch = self._view.launches[key]
        group.create_task(self._heal(key, launch, wait), name=f"healing of {launch.component_id}")

    async def _heal(self, key: str, launch: Launch, wait: Wait) -> None:
        try:
            await self._job(key, launch, wait)
        except TektonError as error:
            log.warning("%s was not healed: %s", launch.component_id, error)
        except Exception:
            # The machine's fault or ours: it is tried again, and all others are healed meanwhile.
            log.exception("%s was not healed", launch.component_id)
        finally:
            self._ledger.release(key)
            self._at_work.discard(key)
            self._touched.add(key)
            self._wake.set()
        if self._waits.waiting.get(key) == wait:
            # It came to nothing, or what came of it is on its way into the journal.
            self._waits.put_off(key, _AGAIN * spread(0.5, 1.5))

    async def _job(self, key: str, launch: Launch, wait: Wait) -> None:
        if wait.job is Job.AGAIN:
            await self._hands.again(launch, lambda: self._ledger.room(self._cap, key))
            return
        log.warning("%s is stopped, to be started again: %s", launch.component_id, wait.why)
        if wait.job is Job.END:
            await self._hands.end(launch, wait.why)
        else:
            await self._hands.restart(launch)
        self._ledger.settle(key)

    def _hold(self, trouble: str) -> None:
        if trouble:
            self._be_fair()
        if bool(trouble) != bool(self._said):
            waiting = len(self._waits.waiting)
            level = logging.WARNING if waiting else logging.DEBUG
            if trouble:
                log.log(level, "healing is held back: %s; %d components wait for it", trouble, waiting)
            else:
                log.log(level, "healing goes on; %d components wait for it", waiting)
        self._said = trouble

    def _be_fair(self) -> None:
        """Something of ours was ill: whoever is on the way has a whole start-up timeout from now on."""
        self._fair_from = self._clock.seconds()
        self._touched |= self._waits.forgive(self._at_work)

    def _overdue(self, key: str, launch: Launch) -> None:
        self._waits.overdue(key, launch)
        self._wake.set()

    def _policy(self, component_id: str) -> Restart | None:
        spec = self._hands.spec(component_id)
        return spec.restart if spec is not None else None

    def _tell(self, change: LaunchChange) -> None:
        """Log what an operator wants to know of: who is started again, and who is given up."""
        new, before = change.new, change.old.phase if change.old else None
        if new is None or new.phase is before or not self._hands.ours(new):
            return
        if new.phase is LaunchPhase.GAVE_UP:
            log.error(
                "%s is given up after %d restarts: %s; tekton start %s starts it again",
                new.component_id, len(new.restarts), new.last_exit, new.component_id,
            )  # fmt: skip
        elif new.phase is LaunchPhase.BACKOFF and new.next_attempt_at is not None:
            log.warning(
                "%s ended (%s); it is started again in %.1f s (restart %d)",
                new.component_id, new.last_exit, (new.next_attempt_at - new.since).total_seconds(),
                new.restart_count + 1,
            )  # fmt: skip
