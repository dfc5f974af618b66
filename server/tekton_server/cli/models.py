"""`tekton models` and `tekton budgets`: which models there are, and what may be taken of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tekton_server.cli.groups import examples, group
from tekton_server.cli.options import Address, Output, Timeout
from tekton_server.cli.output import Format

if TYPE_CHECKING:
    from tekton_server.cli.remote import Remote

STATUSES = "available, degraded, cooling_down, unavailable or disabled"
ModelId = Annotated[str, typer.Argument(metavar="MODEL_ID", help="The model, as its provider writes it.")]
Provider = Annotated[str, typer.Option("--provider", metavar="NAME", help="Of this provider.")]
Capability = Annotated[str, typer.Option("--capability", metavar="NAME", help="That can do this.")]
Dollars = Annotated[float | None, typer.Option(metavar="DOLLARS", help="For a million tokens.", min=0)]

app = group(
    "See, register and remove models: the shipped ones, those of the configuration, and those registered over them.",
    examples(
        ("tekton models list --status available", "those that a task can get now"),
        ("tekton models get meta-llama/Llama-3-8B", "everything about one, and what came of it lately"),
        ("tekton models register gpt-4-turbo --component rhetor", "a well-known one: only who serves it is to be said"),
        ("tekton models capabilities", "what models can do, and which can"),
    ),
)
budgets = group(
    "See, set and remove what components may take of models.",
    examples(
        ("tekton budgets list", "each with what is taken of it now"),
        ("tekton budgets set --model gpt-4-turbo --tokens 90000 --in-flight 8", "all components together"),
        ("tekton budgets set --component notes --cost 5 --per day", "one component, all models together"),
        ("tekton budgets remove --component notes", "no limit any more"),
    ),
)


@app.command("list")
def list_models(
    provider: Provider = "",
    capability: Capability = "",
    status: Annotated[str, typer.Option("--status", metavar="STATUS", help=f"That is {STATUSES}.")] = "",
    tier: Annotated[int, typer.Option("--tier", metavar="N", help="Of this tier.", min=0, max=10)] = 0,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """List models in the order of the catalogue. All filters must hold."""
    from tekton_server.cli.model_views import model_lines
    from tekton_server.cli.output import note, width, write
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        rows = await remote.list_models(provider=provider, capability=capability, status=status, tier=tier)
        write({"models": rows}, output, lambda: model_lines(rows, width()), lambda: [row["id"] for row in rows])
        if output is Format.TABLE and not rows:
            note("no model is like that")

    talk(address, job, timeout)


@app.command()
def get(model_id: ModelId, output: Output = Format.TABLE, timeout: Timeout = 5.0, address: Address = None) -> None:
    """Show everything about one model."""
    from tekton_server.cli.model_views import one_lines
    from tekton_server.cli.output import write
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        found = await remote.get_model(model_id)
        write(found, output, lambda: one_lines(found), lambda: [found["id"]])

    talk(address, job, timeout)


@app.command()
def register(
    model_id: ModelId,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Who makes or runs it.")] = None,
    capability: Annotated[list[str] | None, typer.Option("--capability", metavar="NAME", help="Repeatable.")] = None,
    tier: Annotated[int | None, typer.Option("--tier", metavar="N", help="1 to 10; grows with ability.")] = None,
    context: Annotated[int | None, typer.Option("--context", metavar="TOKENS", help="Its context window.")] = None,
    max_output: Annotated[int | None, typer.Option("--max-output", metavar="TOKENS", help="What it gives.")] = None,
    input_price: Dollars = None,
    output_price: Dollars = None,
    component: Annotated[str | None, typer.Option("--component", metavar="ID", help="Who serves it.")] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="Instead of the component's.")
    ] = None,
    path: Annotated[str | None, typer.Option("--path", metavar="PATH", help="Where it is at the component.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is used.")] = None,
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Register a model; what is left out is taken from the configuration or the shipped catalogue.

    It replaces all that was registered of the model before.
    """
    from tekton_server.cli.model_views import one_lines
    from tekton_server.cli.output import write
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        found = await remote.register_model(
            model_id, provider=provider, capabilities=capability, tier=tier, context_window=context,
            max_output_tokens=max_output, input_price=input_price, output_price=output_price, component_id=component,
            endpoint=endpoint, path=path, enabled=enabled,
        )  # fmt: skip
        write(found, output, lambda: one_lines(found), lambda: [found["id"]])

    talk(address, job, timeout)


@app.command()
def deregister(model_id: ModelId, timeout: Timeout = 5.0, address: Address = None) -> None:
    """Remove what was registered of a model; what the configuration or the shipped catalogue says stands again."""
    from tekton_server.cli.output import note
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        await remote.deregister_model(model_id)
        note(f"{model_id} is no longer registered")

    talk(address, job, timeout)


@app.command()
def capabilities(output: Output = Format.TABLE, timeout: Timeout = 5.0, address: Address = None) -> None:
    """List what models can do, and which of them can."""
    from tekton_server.cli.model_views import capability_lines
    from tekton_server.cli.output import width, write
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        rows = await remote.list_capabilities()
        value = {"capabilities": rows}
        write(value, output, lambda: capability_lines(rows, width()), lambda: [row["id"] for row in rows])

    talk(address, job, timeout)


Component = Annotated[
    str, typer.Option("--component", metavar="ID", help="Whose; all components together if left out.")
]
Model = Annotated[str, typer.Option("--model", metavar="ID", help="Of which model; all together if left out.")]


@budgets.command("list")
def list_budgets(output: Output = Format.TABLE, timeout: Timeout = 5.0, address: Address = None) -> None:
    """List the budgets with what is taken of each now."""
    from tekton_server.cli.model_views import budget_lines, budget_name
    from tekton_server.cli.output import note, width, write
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        rows = await remote.list_budgets()
        write({"budgets": rows}, output, lambda: budget_lines(rows, width()), lambda: map(budget_name, rows))
        if output is Format.TABLE and not rows:
            note("no budget is set")

    talk(address, job, timeout)


@budgets.command("set")
def set_budget(
    component: Component = "",
    model: Model = "",
    tokens: Annotated[int | None, typer.Option("--tokens", metavar="N", help="Tokens a minute.", min=0)] = None,
    in_flight: Annotated[int | None, typer.Option("--in-flight", metavar="N", help="Requests at once.", min=0)] = None,
    cost: Annotated[float | None, typer.Option("--cost", metavar="DOLLARS", help="Money a period.", min=0)] = None,
    per: Annotated[str, typer.Option("--per", metavar="PERIOD", help="hour, day or month, in UTC.")] = "day",
    output: Output = Format.TABLE,
    timeout: Timeout = 5.0,
    address: Address = None,
) -> None:
    """Set a budget, in the place of the one for the same component and model."""
    from tekton_server.cli.model_views import budget_lines, budget_name
    from tekton_server.cli.output import width, write
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        found = await remote.set_budget(
            component_id=component, model_id=model, tokens_per_minute=tokens, max_in_flight=in_flight, cost_limit=cost,
            cost_period=per,
        )  # fmt: skip
        write(found, output, lambda: budget_lines([found], width()), lambda: [budget_name(found)])

    talk(address, job, timeout)


@budgets.command("remove")
def remove_budget(
    component: Component = "", model: Model = "", timeout: Timeout = 5.0, address: Address = None
) -> None:
    """Remove a budget that was set; one of the configuration for the same component and model counts again."""
    from tekton_server.cli.output import note
    from tekton_server.cli.remote import talk

    async def job(remote: Remote) -> None:
        await remote.remove_budget(component_id=component, model_id=model)
        note("the budget is removed")

    talk(address, job, timeout)
