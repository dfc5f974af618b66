"""What `tekton components register` and `deregister` do."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import typer
from google.protobuf import json_format

from tekton.core.errors import TektonError, from_reason
from tekton.v1.registry_service_pb2 import RegisterComponentRequest
from tekton_server.cli.exits import ExitCode, code_of
from tekton_server.cli.grid import Column, grid
from tekton_server.cli.output import Format, note, width, write
from tekton_server.cli.remote import Remote, sentence

Job = Callable[[Remote], Awaitable[ExitCode | None]]
_FIELDS = tuple(field.name for field in RegisterComponentRequest.DESCRIPTOR.fields)
# One call takes so many.
_BATCH = 1000


def requests(given: dict[str, Any], metadata: list[str], file: Path | None) -> list[RegisterComponentRequest]:
    """Read what to register from options and a file.

    Raises:
        typer.BadParameter: something is missing, unknown or unreadable.
    """
    bodies = list(_bodies(file)) if file is not None else [{}]
    if not bodies:
        raise typer.BadParameter(f"{file} holds no registration")
    if len(bodies) > 1 and (given or metadata):
        raise typer.BadParameter(f"{file} holds {len(bodies)} registrations; options would be for all of them")
    more = pairs("--metadata", metadata)
    return [_request(body | given, more, str(file) if file else "the command line") for body in bodies]


def _request(body: dict[str, Any], metadata: dict[str, Any], where: str) -> RegisterComponentRequest:
    if not body.get("component_id"):
        raise typer.BadParameter(f"{where} names no component_id")
    for key in body:
        if key not in _FIELDS:
            nearest = difflib.get_close_matches(str(key), _FIELDS, 1)
            advice = f"did you mean {nearest[0]}?" if nearest else f"use {', '.join(_FIELDS)}"
            raise typer.BadParameter(f"unknown field {key} in {where}; {advice}")
    defaults = {"component_name": body["component_id"], "component_type": "service", "version": "1.0.0"}
    whole = defaults | body
    if metadata:
        whole["metadata"] = {**(body.get("metadata") or {}), **metadata}
    try:
        # YAML has dates, and keys that are no text.
        plain = json.loads(json.dumps(whole, default=str))
        return json_format.ParseDict(plain, RegisterComponentRequest())
    except (TypeError, ValueError, json_format.ParseError) as error:
        raise typer.BadParameter(f"{where}: {' '.join(str(error).split())}") from None


def pairs(option: str, given: list[str]) -> dict[str, Any]:
    """Read KEY=VALUE, each value as JSON or else as text.

    Raises:
        typer.BadParameter: one is no pair.
    """
    return dict(_pair(option, text) for text in given)


def _pair(option: str, text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise typer.BadParameter(f"{option} must be KEY=VALUE, not {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _bodies(file: Path) -> Iterator[dict[str, Any]]:
    import yaml

    try:
        text = sys.stdin.read() if str(file) == "-" else file.expanduser().read_text(encoding="utf-8-sig")
        # JSON is YAML, but for tabs and the like.
        documents = [json.loads(text)] if text.lstrip()[:1] in ("{", "[") else list(yaml.safe_load_all(text))
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise typer.BadParameter(f"{file} cannot be read: {said}") from None
    for document in documents:
        listed = document.get("components") if isinstance(document, dict) and "components" in document else document
        for body in listed if isinstance(listed, list) else [listed]:
            if body is None:
                continue
            if not isinstance(body, dict):
                raise typer.BadParameter(f"{file} must hold registrations, which are objects, not {body!r}")
            yield body


def register_job(wanted: list[RegisterComponentRequest], form: Format) -> Job:
    """Make the job of `register`."""

    async def job(remote: Remote) -> ExitCode | None:
        results, errors = await _registered(remote, wanted)
        value = results[0] if len(wanted) == 1 else {"results": results}
        done = [one for one in results if one["success"]]
        if done or form is not Format.TABLE:
            rows = [_row(one) for one in done]
            write(value, form, lambda: grid(_COLUMNS, rows, width()), lambda: [one["component_id"] for one in done])
        for component_id, error in errors:
            note(f"{component_id}: {sentence(error)}")
        if form is Format.TABLE and done:
            note(f"beat within {done[0]['lease']['timeout_seconds']:g} s, or the instance is failed")
        return code_of(errors[0][1]) if errors else None

    return job


async def _registered(
    remote: Remote, wanted: list[RegisterComponentRequest]
) -> tuple[list[dict[str, Any]], list[tuple[str, TektonError]]]:
    if len(wanted) == 1:
        return [await remote.register(wanted[0])], []
    results: list[dict[str, Any]] = []
    for start in range(0, len(wanted), _BATCH):
        results += await remote.register_many(wanted[start : start + _BATCH])
    refused = [(one["component_id"], one["error"]) for one in results if not one["success"]]
    return results, [(name, from_reason(error["reason"], error["message"])) for name, error in refused]


_COLUMNS = (Column("ID"), Column("INSTANCE"), Column("NEW", 2), Column("REVISION", 3), Column("BEAT EVERY", 1))


def _row(one: dict[str, Any]) -> list[str]:
    interval = f"{one['lease']['interval_seconds']:g}s"
    return [one["component_id"], one["instance_uuid"], "yes" if one["created"] else "no", one["revision"], interval]


def deregister_job(component_id: str, instance: str, *, sure: bool) -> Job:
    """Make the job of `deregister`.

    Raises:
        typer.BadParameter: it has to be asked whether that is wanted, and nobody is there.
    """
    if not sure and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter("nobody can be asked here: give --yes to remove the whole component, or --instance")

    async def job(remote: Remote) -> ExitCode | None:
        if not sure:
            found = await remote.get_component(component_id)
            count = len(found["instances"])
            question = f"Remove {found['component_id']} ({found['status']}) with its {count} instance(s)?"
            if not typer.confirm(question, err=True):
                note("nothing was removed")
                return ExitCode.FAILED
        note(await remote.deregister(component_id, instance))
        return None

    return job
