"""How the findings are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

from tekton_server.cli.doctor.finding import Finding
from tekton_server.cli.exits import ExitCode
from tekton_server.cli.grid import STYLES
from tekton_server.cli.output import Format, note, write, write_lines
from tekton_server.cli.text import clean


def report(findings: Iterable[Finding], form: Format) -> ExitCode:
    """Show the findings, for people as they come, and give the exit code."""
    seen: list[Finding] = []
    for finding in findings:
        seen.append(finding)
        if form is Format.TABLE:
            write_lines(_lines(finding))
    failed = [one for one in seen if one.how == "fail"]
    if form is not Format.TABLE:
        write(_data(seen), form, lambda: (), lambda: [one.what for one in failed])
    else:
        warned = sum(one.how == "warn" for one in seen)
        note(f"{len(seen)} checks, {len(failed)} failed, {warned} warnings")
    return ExitCode.FAILED if failed else ExitCode.OK


def _lines(finding: Finding) -> Iterator[Text]:
    yield Text.assemble((f"{finding.how:<4}", STYLES[finding.how]), f"  {finding.what:<15}  {clean(finding.message)}")
    if finding.remedy:
        yield Text(f"{'':<21}  -> {clean(finding.remedy)}")


def _data(seen: list[Finding]) -> dict[str, Any]:
    checks = [{"check": one.what, "status": one.how, "message": one.message, "remedy": one.remedy} for one in seen]
    return {"ok": all(one.how != "fail" for one in seen), "checks": checks}
