"""How records become rows and rows become records: one function a table and direction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.model_records import Budget, BudgetTerms, ModelFacts, RegisteredModel
from tekton.core.records import BudgetChange, CommandKind, CommandState, ModelChange
from tekton.core.view import (
    Cause,
    Change,
    CommandChange,
    Commit,
    Constraints,
    ConstraintsChange,
    Definition,
    DefinitionChange,
    Instance,
    InstanceChange,
    InstanceCommand,
    Launch,
    LaunchChange,
    LaunchDesired,
    LaunchPhase,
)
from tekton_server.storage.requests import Answered, RequestKey

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_STATES = {state.value: state for state in ComponentState}
# Records are frozen, so that all that say nothing can say it with the same object.
_NOTHING: dict[str, Any] = {}
_TimeT = TypeVar("_TimeT", datetime, datetime | None)
_decode_cause = msgspec.json.Decoder(Cause).decode
_decode_facts = msgspec.json.Decoder(ModelFacts).decode
_decode_terms = msgspec.json.Decoder(BudgetTerms).decode
# How the journal calls the changes of each kind, and what reads their records.
_KINDS: Mapping[type[Change], str] = {
    DefinitionChange: "component",
    InstanceChange: "instance",
    CommandChange: "command",
    LaunchChange: "launch",
    ModelChange: "model",
    BudgetChange: "budget",
    ConstraintsChange: "constraints",
}
_CHANGES: Mapping[str, type[Any]] = {kind: change for change, kind in _KINDS.items()}
_DECODERS: Mapping[type[Change], Callable[[str], Any]] = {
    DefinitionChange: msgspec.json.Decoder(Definition).decode,
    InstanceChange: msgspec.json.Decoder(Instance).decode,
    CommandChange: msgspec.json.Decoder(InstanceCommand).decode,
    LaunchChange: msgspec.json.Decoder(Launch).decode,
    ModelChange: msgspec.json.Decoder(RegisteredModel).decode,
    BudgetChange: msgspec.json.Decoder(Budget).decode,
    ConstraintsChange: msgspec.json.Decoder(Constraints).decode,
}


def journal_rows(commits: Sequence[Commit], batch_id: UUID) -> str:
    """Encode commits as the JSON that fills the journal."""
    rows = [
        {
            "revision": commit.revision,
            "idx": idx,
            "kind": _KINDS[type(change)],
            "key": change.key,
            "old": change.old,
            "new": change.new,
            "cause": change.cause,
            "batch_id": batch_id,
            "recorded_at": commit.recorded_at,
        }
        for commit in commits
        for idx, change in enumerate(commit.changes)
    ]
    return _encode(rows).decode()


class LastValues(NamedTuple):
    """The last value of each key that commits touch; None where it was removed."""

    definitions: dict[str, Definition | None]
    instances: dict[str, Instance | None]
    commands: dict[str, InstanceCommand | None]
    launches: dict[str, Launch | None]
    models: dict[str, RegisteredModel | None]
    budgets: dict[str, Budget | None]
    constraints: dict[str, Constraints | None]


def last_values(commits: Iterable[Commit]) -> LastValues:
    """Keep the last values of what the commits touch."""
    last = LastValues({}, {}, {}, {}, {}, {}, {})
    for commit in commits:
        for change in commit.changes:
            if isinstance(change, DefinitionChange):
                last.definitions[lookup_key(change.key)] = change.new
            elif isinstance(change, InstanceChange):
                last.instances[change.key] = change.new
            elif isinstance(change, ModelChange):
                last.models[change.key] = change.new
            elif isinstance(change, BudgetChange):
                last.budgets[change.key] = change.new
            elif isinstance(change, CommandChange):
                last.commands[change.key] = change.new
            elif isinstance(change, LaunchChange):
                last.launches[lookup_key(change.key)] = change.new
            else:
                last.constraints[lookup_key(change.key)] = change.new
    return last


def tombstone_rows(commits: Iterable[Commit]) -> str:
    """Encode the instances that the commits forget as the JSON that fills the tombstones table."""
    rows = [
        {"instance_uuid": change.key, "component_id": change.component_id, "reason": change.cause.reason}
        for commit in commits
        for change in commit.changes
        if isinstance(change, InstanceChange) and change.new is None
    ]
    return _encode(rows).decode()


def answered_rows(answered: Mapping[RequestKey, Answered]) -> str:
    """Encode answers as the JSON that fills the requests table."""
    return _encode([key._asdict() | answer._asdict() for key, answer in answered.items()]).decode()


def component_rows(definitions: Mapping[str, Definition | None]) -> str:
    """Encode definitions as the JSON that fills the components table."""
    return _encode([{"key": k, **msgspec.structs.asdict(d)} for k, d in definitions.items() if d]).decode()


def instance_rows(instances: Mapping[str, Instance | None]) -> str:
    """Encode instances as the JSON that fills the instances table."""
    rows = [{"key": lookup_key(i.component_id), **msgspec.structs.asdict(i)} for i in instances.values() if i]
    return _encode(rows).decode()


def command_rows(commands: Mapping[str, InstanceCommand | None]) -> str:
    """Encode commands as the JSON that fills the commands table."""
    return _encode([command for command in commands.values() if command]).decode()


def launch_rows(launches: Mapping[str, Launch | None]) -> str:
    """Encode launches as the JSON that fills the launches table."""
    return _encode([{"key": k, **msgspec.structs.asdict(one)} for k, one in launches.items() if one]).decode()


def model_rows(models: Mapping[str, RegisteredModel | None]) -> str:
    """Encode models as the JSON that fills the models table."""
    return _encode([model for model in models.values() if model]).decode()


def budget_rows(budgets: Mapping[str, Budget | None]) -> str:
    """Encode budgets as the JSON that fills the budgets table."""
    return _encode([{"key": key, **msgspec.structs.asdict(one)} for key, one in budgets.items() if one]).decode()


def constraints_rows(constraints: Mapping[str, Constraints | None]) -> str:
    """Encode constraints as the JSON that fills the resource_constraints table."""
    return _encode([{"key": k, **msgspec.structs.asdict(c)} for k, c in constraints.items() if c]).decode()


class Reader:
    """Reads rows of the current-state tables. What many records say alike is kept once, or a large registry would hold
    the same few texts a hundred thousand times.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lists: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._times: dict[datetime, datetime] = {}

    def definition(self, row: Mapping[str, Any]) -> Definition:
        """Read a row of the components table."""
        return Definition(
            component_id=self._text(row["component_id"]),
            component_name=self._text(row["component_name"]),
            component_type=self._text(row["component_type"]),
            capabilities=self._list(row["capabilities"]),
            dependencies=self._list(row["dependencies"]),
            health_check=self._text(row["health_check"]),
            metadata=_decode_object(row["metadata"]) if row["metadata"] != "{}" else _NOTHING,
            created_at=self._time(row["created_at"]),
            revision=row["revision"],
        )

    def instance(self, row: Mapping[str, Any]) -> Instance:
        """Read a row of the instances table."""
        return Instance(
            instance_uuid=str(row["instance_uuid"]),
            component_id=self._text(row["component_id"]),
            version=self._text(row["version"]),
            host=self._text(row["host"]),
            port=row["port"],
            machine=self._text(row["machine"]),
            state=_STATES[row["state"]],
            state_since=self._time(row["state_since"]),
            reason=self._text(row["reason"]),
            registered_at=self._time(row["registered_at"]),
            ready_at=self._time(row["ready_at"]),
            ended_at=self._time(row["ended_at"]),
            leased=row["leased"],
            granted=row["granted"],
            revision=row["revision"],
            fingerprint=row["fingerprint"],
        )

    def command(self, row: Mapping[str, Any]) -> InstanceCommand:
        """Read a row of the commands table."""
        return InstanceCommand(
            command_id=str(row["command_id"]),
            component_id=self._text(row["component_id"]),
            instance_uuid=str(row["instance_uuid"]),
            granted=row["granted"],
            kind=CommandKind(row["kind"]),
            arguments=_decode_object(row["arguments"]),
            issued_at=row["issued_at"],
            deadline=row["deadline"],
            state=CommandState(row["state"]),
            message=row["message"],
            revision=row["revision"],
        )

    def constraints(self, row: Mapping[str, Any]) -> Constraints:
        """Read a row of the resource_constraints table."""
        return Constraints(
            component_id=self._text(row["component_id"]),
            cpu_limit=row["cpu_limit"],
            memory_limit=row["memory_limit"],
            gpu_limit=row["gpu_limit"],
            updated_at=row["updated_at"],
            revision=row["revision"],
        )

    def launch(self, row: Mapping[str, Any]) -> Launch:
        """Read a row of the launches table."""
        fields = {name: row[name] for name in Launch.__struct_fields__}
        return Launch(
            **fields
            | {
                "instance_uuid": str(row["instance_uuid"]),
                "server_id": str(row["server_id"]),
                "desired": LaunchDesired(row["desired"]),
                "phase": LaunchPhase(row["phase"]),
                "restarts": tuple(row["restarts"]),
            }
        )

    @staticmethod
    def model(row: Mapping[str, Any]) -> RegisteredModel:
        """Read a row of the models table."""
        facts = _decode_facts(row["facts"])
        return RegisteredModel(
            model_id=row["model_id"], facts=facts, created_at=row["created_at"], revision=row["revision"]
        )

    @staticmethod
    def budget(row: Mapping[str, Any]) -> Budget:
        """Read a row of the budgets table."""
        return Budget(terms=_decode_terms(row["terms"]), set_at=row["set_at"], revision=row["revision"])

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, text)

    def _list(self, items: Sequence[str]) -> tuple[str, ...]:
        if not items:
            return ()
        found = tuple(map(self._text, items))
        return self._lists.setdefault(found, found)

    def _time(self, at: _TimeT) -> _TimeT:
        return self._times.setdefault(at, at) if at is not None else at


def commits_of(rows: Iterable[Mapping[str, Any]]) -> list[Commit]:
    """Read rows of the journal, ordered by revision and idx, as commits."""
    return [_commit(revision, list(group)) for revision, group in groupby(rows, key=itemgetter("revision"))]


def _commit(revision: int, rows: list[Mapping[str, Any]]) -> Commit:
    recorded_at: datetime = rows[0]["recorded_at"]
    return Commit(revision, recorded_at, tuple(_change(row) for row in rows))


def _change(row: Mapping[str, Any]) -> Change:
    made: Change = _made(_CHANGES[row["kind"]], row)
    return made


def instance_change(row: Mapping[str, Any]) -> InstanceChange:
    """Read a row of the journal that is of an instance."""
    made: InstanceChange = _made(InstanceChange, row)
    return made


def _made(change: type[Any], row: Mapping[str, Any]) -> Any:
    decode, old, new = _DECODERS[change], row["old"], row["new"]
    return change(decode(old) if old else None, decode(new) if new else None, cause_of(row["cause"]))


def cause_of(text: str) -> Cause:
    """Read the cause of a change."""
    return _decode_cause(text)
