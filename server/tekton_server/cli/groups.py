"""Groups of commands: a command may be shortened as long as only one begins so."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class PrefixGroup(TyperGroup):
    """Takes `tekton comp li` for `tekton components list`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command, by its name or by the only one that begins so; several are told to the caller."""
        given = args[0] if args else ""
        names = [name for name in self.list_commands(ctx) if self._visible(ctx, name)]
        found = [name for name in names if name.startswith(given)] if given and not given.startswith("-") else []
        if given in self.list_commands(ctx) or not found:
            return super().resolve_command(ctx, args)
        if len(found) > 1 and not ctx.resilient_parsing:
            ctx.fail(f"{given!r} could be {' or '.join(found)}")
        return super().resolve_command(ctx, [found[0], *args[1:]] if len(found) == 1 else args)

    def _visible(self, ctx: Any, name: str) -> bool:
        command = self.get_command(ctx, name)
        return command is not None and not command.hidden


class PlainCommand(TyperCommand):
    """Writes its usage as manuals do: what must be given bare, what may be in brackets."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Leave out the braces around what must be given."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


def plain_usage(app: typer.Typer) -> None:
    """Have all commands of an application, and of its groups, write their usage so."""
    for command in app.registered_commands:
        command.cls = PlainCommand
    for one in app.registered_groups:
        if one.typer_instance is not None:
            plain_usage(one.typer_instance)


def group(text: str, examples: str = "") -> typer.Typer:
    """Make a group that shows its help when no command follows."""
    app = typer.Typer(
        cls=PrefixGroup,
        help=text,
        epilog=examples or None,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        context_settings=HELP_NAMES,
    )

    @app.callback()
    def shown(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app


def examples(*lines: tuple[str, str]) -> str:
    """Write examples for the end of a help: each a command and what it is for."""
    shown = "\n\n".join(f"{command}  [dim]{meaning}[/]" for command, meaning in lines)
    return f"[bold]Examples[/]\n\n{shown}"
