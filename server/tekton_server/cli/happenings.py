"""What a registry watch tells, one thing that happened at a time, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.text import Text

from tekton._results import RegistryEvent
from tekton.core.view import Definition, Instance
from tekton_server.cli.grid import STYLES
from tekton_server.cli.text import clean


class Kind(StrEnum):
    """What something happened to."""

    COMPONENT = "component"
    INSTANCE = "instance"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened; `resume_token` is where to resume after it, empty inside a message."""

    kind: Kind
    action: str
    component_id: str
    time: str
    revision: int
    instance_uuid: str = ""
    previous_state: str = ""
    new_state: str = ""
    reason: str = ""
    implied: bool = False
    resume_token: str = ""

    def data(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    def line(self) -> Text:
        """Give it as a line."""
        line = Text(f"{self.time[:19]}Z  ")
        line.append(f"{self.kind:<9}  {clean(self.component_id):<20}  ")
        if self.new_state:
            before = f"{clean(self.previous_state)} -> " if self.previous_state else ""
            line.append(before)
            line.append(clean(self.new_state), style=STYLES.get(self.new_state, "cyan"))
        else:
            line.append(self.action)
        about = [clean(self.reason)] if self.reason not in ("", self.action) else []
        about += ["implied"] if self.implied else []
        about += [f"instance {self.instance_uuid[:8]}"] if self.instance_uuid else []
        line.append(f"  ({', '.join([*about, f'revision {self.revision}'])})", style="dim")
        return line


class Teller:
    """Fed with a watch's events in order; remembers what was there, so that a change has a before."""

    def __init__(self) -> None:
        self.token = ""
        self._definitions: dict[str, Definition] = {}
        self._instances: dict[str, Instance] = {}
        self._whole = False

    def resume_after(self, token: str) -> None:
        """Begin without a snapshot: what was there before is not known."""
        self.token = token

    def tell(self, events: Iterable[RegistryEvent], *, present: bool = False) -> Iterator[Happening]:
        """Give what happened; `present` tells of what is there at the beginning too."""
        for event in events:
            if event.type == "reset":
                # What follows is a snapshot, which is no news.
                self._definitions, self._instances, self._whole, self.token = {}, {}, False, ""
            elif event.type == "snapshot_end":
                self._whole = True
            else:
                happening = self._happening(event)
                if happening is not None and (present or self._live):
                    yield happening
            self.token = event.resume_token or self.token

    @property
    def _live(self) -> bool:
        # Snapshots carry no token before their end.
        return self._whole or bool(self.token)

    def _happening(self, event: RegistryEvent) -> Happening | None:
        return self._of_definition(event) if event.kind == "definition" else self._of_instance(event)

    def _of_definition(self, event: RegistryEvent) -> Happening:
        record, known = event.record, self._definitions.pop(event.key, None)
        action, when = "removed", None
        if isinstance(record, Definition):
            self._definitions[event.key] = record
            action = "updated" if known else "registered" if self._whole else "is there"
            when = record.created_at if known is None and self._whole else None
        return self._made(event, Kind.COMPONENT, action, when)

    def _of_instance(self, event: RegistryEvent) -> Happening | None:
        record, known = event.record, self._instances.pop(event.key, None)
        if not isinstance(record, Instance):
            return self._made(event, Kind.INSTANCE, "forgotten", None, instance_uuid=event.key)
        self._instances[event.key] = record
        if known is None and record.reason == "registered":
            return self._made(
                event,
                Kind.INSTANCE,
                "registered",
                record.registered_at,
                instance_uuid=event.key,
                new_state=record.state,
            )
        if known is not None and known.state is record.state:
            return self._made(event, Kind.INSTANCE, "updated", None, instance_uuid=event.key)
        before = known.state.value if known else ""
        return self._made(
            event,
            Kind.STATE,
            "state_change",
            record.state_since,
            instance_uuid=event.key,
            previous_state=before,
            new_state=record.state.value,
        )

    def _made(self, event: RegistryEvent, kind: Kind, action: str, when: datetime | None, **more: str) -> Happening:
        return Happening(
            kind=kind,
            action=action,
            component_id=event.component_id,
            time=(when or datetime.now(UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z"),
            revision=event.revision,
            reason=event.reason,
            implied=event.implied,
            resume_token=event.resume_token,
            **more,
        )
