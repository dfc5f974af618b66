"""What `tekton stop` and `tekton restart` do with one instance of a component."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from rich.text import Text

from tekton.client import OperationResult
from tekton_server.cli.listing import Job
from tekton_server.cli.output import Format, write
from tekton_server.cli.remote import Remote


def operated(component_id: str, operate: Callable[[Remote, str], Awaitable[OperationResult]], form: Format) -> Job:
    """Make the job: it shows what came of it, or ends with the error that it was."""

    async def job(remote: Remote) -> None:
        found = await operate(remote, component_id)
        if found.error is not None:
            raise found.error
        value = {"success": True, "message": found.message, "component_id": found.component_id}
        value |= {"instance_uuid": found.instance_uuid, "instances": list(found.instances)}
        write(value, form, lambda: _lines(found), lambda: _instances(found))

    return job


def _lines(found: OperationResult) -> Iterator[Text]:
    yield Text(f"{found.component_id}: {found.message}")
    for one in found.instances:
        whose = "" if one["launched"] else ", which Tekton did not launch"
        yield Text(f"  {one['instance_uuid']}{whose}: {one['outcome']}, {one['message']}")


def _instances(found: OperationResult) -> list[str]:
    return [found.instance_uuid] if found.instance_uuid else [one["instance_uuid"] for one in found.instances]
