"""A healer on paper: a fleet that fails when the test says so, hands that start it, a clock that only `run` moves."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tekton.core.errors import ConflictError, TektonError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Launch, LaunchDesired
from tekton_server.domain.blast_radius import Cap
from tekton_server.domain.commands import ExpireLease
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_commands import AdoptLaunch, BeginLaunch, ClaimLaunch, EndLaunch, Holder, StopLaunch
from tekton_server.domain.launch_spec import Backoff, LaunchSpec, Restart
from tekton_server.live.healing.healer import Healer, Healing
from tekton_server.live.healing.steady import Steady
from tests.unit.paper import Paper, a_registration, a_report, uuid_of

ME, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
STEP = 0.5
CAP = Cap(at_once=10, share=0.2, per_minute=60)
PATIENCE = 30.0


class Ward:
    """Stands for the writer and the hands as well. Everything that is started comes up after `up_after` seconds."""

    def __init__(self, cap: Cap = CAP, *, auto_recover: bool = True) -> None:
        self.paper = Paper()
        self.view = self.paper.view
        self.me = ME
        self.clock = 1000.0
        self.jump = timedelta()
        self.trouble: str | None = None
        self.up_after = 1.0
        self.before_claim: Callable[[], None] = lambda: None
        self.before_end: Callable[[], None] = lambda: None
        self.fleet: dict[str, FleetComponent] = {}
        self.asked: list[tuple[str, str]] = []
        self._terms = Healing(auto_recover, cap, PATIENCE)
        self._uuids = 0
        self._folded = 0
        self._upcoming: list[tuple[float, int, Callable[[], None]]] = []
        self._group = asyncio.TaskGroup()
        self.healer = self.new_healer()

    async def __aenter__(self) -> Ward:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        for task in list(self._group._tasks):
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def new_server(self) -> None:
        """Have the server begin again: it is another one, which takes over what is here once it has looked around."""
        before, self.me = self.me, self.new_uuid()
        self.new_healer()
        await self.settle()
        for launch in [one for one in self.view.launches.values() if one.server_id == before]:
            self.do(
                AdoptLaunch(
                    component=self.fleet.get(lookup_key(launch.component_id)),
                    component_id=launch.component_id,
                    epoch=launch.epoch,
                    instance_uuid=launch.instance_uuid,
                    holder=self.holder,
                )
            )

    @property
    def holder(self) -> Holder:
        """This server as claims name it."""
        return Holder(self.me, "h", "p", frozenset((self.me,)))

    def new_healer(self) -> Healer:
        """Have a healer that knows nothing but the view."""
        steady = Steady(lambda: self.clock, self.wall)
        self.healer = Healer(self.view, self, self, self._terms, lambda: self.trouble, steady)  # type: ignore[arg-type]
        self.healer.load()
        self.healer.begin()
        return self.healer

    def wall(self) -> datetime:
        """Give the time of day, as the journal has it."""
        return self.paper.now + self.jump

    # What a writer does.

    def submit_nowait(self, command: Any, *, guard: Callable[[], bool] | None = None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(self.do(command) if guard is None or guard() else None)
        except TektonError as error:
            future.set_exception(error)
        return future

    def do(self, command: Any) -> Any:
        """Decide and fold a command, at this very moment."""
        self.paper.now -= timedelta(seconds=1)
        reply = self.paper.do(command)
        for commit in self.paper.journal[self._folded :]:
            self.healer.on_commit(commit)
        self._folded = len(self.paper.journal)
        return reply

    # What hands do.

    def spec(self, component_id: str) -> LaunchSpec | None:
        found = self.fleet.get(lookup_key(component_id))
        return found.spec if found else None

    def ours(self, launch: Launch) -> bool:
        return launch.server_id == self.me

    async def again(self, launch: Launch, guard: Callable[[], bool]) -> None:
        self.asked.append(("again", launch.component_id))
        before, self.before_claim = self.before_claim, lambda: None
        before()
        claim = ClaimLaunch(
            component=self.fleet[lookup_key(launch.component_id)],
            instance_uuid=self.new_uuid(),
            holder=self.holder,
            after=launch.epoch,
        )
        claimed = await self.submit_nowait(claim, guard=guard)
        if claimed is not None and claimed.made:
            self._begin(claimed.launch)

    async def end(self, launch: Launch, why: str) -> None:
        self.asked.append(("end", launch.component_id))
        before, self.before_end = self.before_end, lambda: None
        before()
        self.crash(launch.component_id, words=why)

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        await asyncio.Event().wait()

    async def asked_for(self, launch: Launch) -> float:
        return 0.0

    async def restart(self, launch: Launch) -> object:
        component_id = launch.component_id
        self.asked.append(("restart", component_id))
        before, self.before_end = self.before_end, lambda: None
        before()
        stop = StopLaunch(
            component_id=component_id, holder=self.holder, seed=self.new_uuid(), desired=LaunchDesired.RUNNING,
            epoch=launch.epoch,
        )  # fmt: skip
        if self.do(stop).launch is None:
            raise ConflictError("it was stopped meanwhile")
        self.crash(component_id)
        self._begin(self.launch(component_id))
        return None

    # What a test does.

    def add(self, component_id: str, *needs: str, server: str = ME, **restart: Any) -> None:
        """Start a component that serves at once."""
        policy = Restart(**{"backoff": Backoff(initial=1.0, max=8.0), **restart})
        spec = LaunchSpec(command=("x",), restart=policy)
        one = FleetComponent(
            component_id=component_id, component_name="A", component_type="core", dependencies=needs, spec=spec
        )
        self.fleet[lookup_key(component_id)] = one
        holder = Holder(server, "h", "p", frozenset((server,)))
        claimed = self.do(ClaimLaunch(component=one, instance_uuid=self.new_uuid(), holder=holder))
        self._up(claimed.launch)

    def fleet_backoff(self, seconds: float) -> Backoff:
        """Make pauses of exactly so many seconds: the drawn number is none."""
        return Backoff(initial=seconds, max=seconds)

    def again_by(self, server: str, component_id: str) -> None:
        """Have another server make a restart that is due there."""
        claim = ClaimLaunch(
            component=self.fleet[lookup_key(component_id)],
            instance_uuid=self.new_uuid(),
            holder=Holder(server, "h", "p", frozenset((server,))),
            after=self.launch(component_id).epoch,
        )
        self._begin(self.do(claim).launch)

    def begun(self, component_id: str) -> None:
        """Have the program of a claimed launch run, and say nothing."""
        self.do(BeginLaunch(component_id=component_id, epoch=self.launch(component_id).epoch))

    def watched(self, component_id: str) -> bool:
        """Tell whether the start of a component is followed."""
        return any(one.get_name() == f"the start of {component_id}" for one in asyncio.all_tasks())

    def up_now(self) -> None:
        """Have come up what is due."""
        while self._upcoming and self._upcoming[0][0] <= self.clock:
            heapq.heappop(self._upcoming)[2]()

    def crash(self, component_id: str, *, clean: bool = False, words: str = "exit code 3") -> None:
        """Let the process of a component end."""
        launch = self.launch(component_id)
        component = self.fleet[lookup_key(component_id)]
        self.do(
            EndLaunch(
                component_id=component_id,
                epoch=launch.epoch,
                instance_uuid=launch.instance_uuid,
                exit=words,
                clean=clean,
                next_uuid=self.new_uuid(),
                restart=component.spec.restart,
            )
        )

    def hang(self, component_id: str) -> None:
        """Let the lease of a component run out."""
        instance = self.view.instances[self.launch(component_id).instance_uuid]
        self.do(ExpireLease(instance_uuid=instance.instance_uuid, granted=instance.granted))

    def launch(self, component_id: str) -> Launch:
        """Give the launch of a component."""
        return self.view.launches[lookup_key(component_id)]

    def state(self, component_id: str) -> str:
        """Give the state of a component."""
        found = self.view.get(component_id)
        return found.status.value if found else "-"

    def new_uuid(self) -> str:
        """Make a uuid."""
        self._uuids += 1
        return uuid_of(self._uuids)

    async def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        end = self.clock + seconds
        while self.clock < end:
            self.clock += STEP
            self.paper.now += timedelta(seconds=STEP)
            self.up_now()
            await self.settle()
            each()

    async def settle(self) -> None:
        """Let the healer do all that can be done at this moment."""
        for _ in range(5):
            self.healer.look(self._group)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _begin(self, launch: Launch) -> None:
        self._uuids += 1
        heapq.heappush(self._upcoming, (self.clock + self.up_after, self._uuids, lambda: self._up(launch)))

    def _up(self, launch: Launch) -> None:
        present = self.view.launches[lookup_key(launch.component_id)]
        if present.epoch != launch.epoch:
            return
        one = self.fleet[lookup_key(launch.component_id)]
        self.do(BeginLaunch(component_id=launch.component_id, epoch=launch.epoch))
        number = int(launch.instance_uuid.replace("-", ""), 16)
        self.do(
            a_registration(
                launch.component_id, number, dependencies=one.dependencies, host=f"10.0.{number // 250}.{number % 250}"
            )
        )
        self.do(a_report(ComponentState.READY, launch.component_id, number))
