"""The commands about launches: who starts a component, what became of its process, and that it shall stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tekton.core.records import CommandKind
from tekton.core.view import Instance, Launch, LaunchDesired
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_spec import STOP_TIMEOUT, Restart


class Holder(msgspec.Struct, frozen=True):
    """A server that launches, as claims name it, and the servers that stand beside it, itself among them."""

    server_id: str
    host: str
    place: str
    standing: frozenset[str] = frozenset()


class ClaimLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """Claim a component for a server that is about to start it as `instance_uuid`. Answers Claimed.

    `after` makes it an automatic restart: it only holds while the launch of that epoch is in back-off.
    """

    component: FleetComponent
    instance_uuid: str
    holder: Holder
    after: int | None = None


class BeginLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """The program of a claimed launch runs. Answers None."""

    component_id: str
    epoch: int


class EndLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of a launch runs any more: it ended, or never began. Answers the Launch as it then is, or None.

    `exit` says how in words, `evidence` in figures; `began` is whether there was a process at all, and `clean` whether
    it ended by itself, and well. Where a restart was asked for, it is claimed again at once, as `next_uuid`. `restart`
    is its policy, None where none is followed, and `draw` a number of chance from [0, 1) for it.
    """

    component_id: str
    epoch: int
    instance_uuid: str
    exit: str
    evidence: dict[str, Any] = {}
    began: bool = True
    clean: bool = False
    next_uuid: str
    restart: Restart | None = None
    draw: float = 0.0


class StopLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """Have a component, or one instance of it, stop, or stop and start again (`desired` running). Answers StopAsked.

    Instances that can be told are given the command `kind`; `seed` is a uuid that no other command has. `seconds` is
    how long they have until signals follow, and `force` whether they are killed then. With `epoch` nothing is done
    unless the launch of that epoch runs and is wanted running.
    """

    component_id: str
    holder: Holder
    seed: str
    instance_uuid: str = ""
    desired: LaunchDesired = LaunchDesired.STOPPED
    kind: CommandKind = CommandKind.STOP
    seconds: float = STOP_TIMEOUT
    force: bool = False
    reason: str = "stop_requested"
    epoch: int | None = None


class AdoptLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """A server follows a launch from now on that an earlier one had claimed. Answers the Launch, or None.

    One of which the registry knows nothing, though its process runs, is recorded.
    """

    component: FleetComponent | None
    component_id: str
    epoch: int
    instance_uuid: str
    holder: Holder


class DropLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """A launch in back-off, of that epoch, is over: who would have started it again is gone. Answers None."""

    component_id: str
    epoch: int


class SettleLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """A launch that was started again has been well for its whole period. Answers None."""

    component_id: str
    epoch: int


class DeclareComponents(msgspec.Struct, frozen=True, kw_only=True):
    """Have configured components be seen before they are first started: as their files say, until they register
    themselves. Answers None.
    """

    components: tuple[FleetComponent, ...]


class ForgetLaunches(msgspec.Struct, frozen=True, kw_only=True):
    """Forget launches that ended before `before`, with their components where those have no instance. Answers None."""

    component_ids: tuple[str, ...]
    before: datetime


LaunchCommand = (
    ClaimLaunch
    | BeginLaunch
    | EndLaunch
    | StopLaunch
    | AdoptLaunch
    | DropLaunch
    | SettleLaunch
    | DeclareComponents
    | ForgetLaunches
)


class Claimed(msgspec.Struct, frozen=True):
    """What a claim found. `made` is whether it is the claim; otherwise `launch` holds the component already, or an
    instance that Tekton did not launch runs: `running`. None of them: an automatic restart was overtaken.
    """

    made: bool
    launch: Launch | None = None
    running: Instance | None = None


class StopAsked(msgspec.Struct, frozen=True):
    """What was asked to stop: the launch, if it runs, and the instances that Tekton did not launch."""

    launch: Launch | None
    others: tuple[Instance, ...]
