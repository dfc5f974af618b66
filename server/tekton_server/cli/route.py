"""`tekton route`: which model a task would get, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tekton_server.cli.groups import examples
from tekton_server.cli.options import Address, Output, Timeout
from tekton_server.cli.output import Format

if TYPE_CHECKING:
    from tekton_server.cli.exits import ExitCode
    from tekton_server.cli.remote import Remote

EXAMPLES = examples(
    ("tekton route code_generation --complexity high --context 5000", "the model, and those to turn to"),
    ("tekton route summarization --max-cost 0.01 --explain", "every model: its score, or the rule that dropped it"),
    ("tekton route --decision 7e0b2a4e-… --explain", "why an earlier task got its model"),
    ("tekton route text_generation -o name", "only the id; exit code 3: none fits, 1: none can be had now"),
)


def route(
    task_type: Annotated[
        str | None, typer.Argument(metavar="TASK_TYPE", help="Such as code_generation.", show_default=False)
    ] = None,
    complexity: Annotated[str, typer.Option("--complexity", metavar="WORD", help="low, medium or high.")] = "medium",
    context: Annotated[int, typer.Option("--context", metavar="TOKENS", help="How many are sent.")] = 0,
    output_tokens: Annotated[int, typer.Option("--output-tokens", metavar="TOKENS", help="How many come back.")] = 0,
    capability: Annotated[
        list[str] | None, typer.Option("--capability", metavar="NAME", help="It must be able to; repeatable.")
    ] = None,
    min_tier: Annotated[int, typer.Option("--min-tier", metavar="N", help="The lowest tier that will do.")] = 0,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", metavar="DOLLARS", help="What the request may cost.")
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", metavar="NAME", help="Only of these; repeatable.")
    ] = None,
    exclude_provider: Annotated[
        list[str] | None, typer.Option("--exclude-provider", metavar="NAME", help="None of these; repeatable.")
    ] = None,
    exclude_model: Annotated[
        list[str] | None, typer.Option("--exclude-model", metavar="ID", help="None of these; repeatable.")
    ] = None,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Only the best fit will do.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Tell of every model why, or why not.")] = False,
    decision: Annotated[
        str, typer.Option("--decision", metavar="ID", help="Explain this earlier decision instead.")
    ] = "",
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Choose the model for a task as Tekton does for components, and show it with its fallbacks."""
    from tekton.core.errors import ModelUnavailableError, NoRouteError, TektonError
    from tekton_server.cli.model_views import explained_lines, route_lines
    from tekton_server.cli.output import width, write
    from tekton_server.cli.remote import talk

    if bool(task_type) == bool(decision):
        raise typer.BadParameter("give a TASK_TYPE, or the --decision to explain")
    requirements = {
        "capabilities": capability, "min_tier": min_tier, "max_cost": max_cost, "providers": provider,
        "exclude_providers": exclude_provider, "exclude_models": exclude_model,
    }  # fmt: skip

    async def job(remote: Remote) -> ExitCode | None:
        answer: dict[str, Any] = {"decision_id": decision}
        refused: TektonError | None = None
        if task_type:
            try:
                answer = await remote.route_task(
                    task_type,
                    complexity,
                    context,
                    output_tokens=output_tokens,
                    requirements=requirements,
                    fallback=not no_fallback,
                )
            except (NoRouteError, ModelUnavailableError) as error:
                if not explain or "decision_id" not in error.details:
                    raise
                refused, answer = error, error.details
        if explain or decision:
            told = await remote.explain_route(answer["decision_id"])
            chosen = filter(None, [told["selected_model"]])
            write(told, output, lambda: explained_lines(told, width()), lambda: chosen)
        else:
            write(answer, output, lambda: route_lines(answer, width()), lambda: [answer["selected_model"]])
        if refused is not None:
            raise refused
        return None

    talk(address, job, timeout)
