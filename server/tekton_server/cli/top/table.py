"""A table of which only the lines are drawn that are seen: of five thousand rows that is what keeps it fast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tekton_server.cli.top.layout import row_cells, widths
from tekton_server.cli.top.model import Row

_CHOSEN = Style(reverse=True)


class Table(ScrollView, can_focus=True):
    """Shows rows; one of them may be chosen, and stays so wherever it goes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False),
        Binding("down,j", "step(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(0)", "First", show=False),
        Binding("end", "edge(-1)", "Last", show=False),
        Binding("enter", "open", "Charts of one"),
    ]

    class Opened(Message):
        """Somebody wants to know more of a component."""

        def __init__(self, component_id: str) -> None:
            super().__init__()
            self.component_id = component_id

    def __init__(self) -> None:
        super().__init__(id="table")
        self.rows: Sequence[Row] = ()
        self.chosen: str | None = None
        self.drawn = 0
        """How many lines were drawn so far."""
        self._sizes = widths(80)

    def show(self, rows: Sequence[Row]) -> None:
        """Show other rows."""
        self.rows = rows
        self.virtual_size = Size(max(1, self.size.width), len(rows))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the window."""
        self.drawn += 1
        index = y + self.scroll_offset.y
        width = self.size.width
        if not 0 <= index < len(self.rows):
            return Strip.blank(width)
        row = self.rows[index]
        chosen = row.component_id == self.chosen
        cells = row_cells(row, self._sizes, datetime.now(UTC))
        segments = [Segment(text, Style.parse(style) if style and not chosen else None) for text, style in cells]
        strip = Strip(segments).adjust_cell_length(width)
        return strip.apply_style(_CHOSEN) if chosen else strip

    def on_resize(self, event: Resize) -> None:
        """Lay the columns out anew."""
        self._sizes = widths(event.size.width)
        self.show(self.rows)

    def on_click(self, event: Click) -> None:
        """Choose the row that was clicked."""
        self._choose(event.y + self.scroll_offset.y)

    def action_step(self, by: int) -> None:
        """Choose the row before or after."""
        at = self._at()
        self._choose((0 if by > 0 else len(self.rows) - 1) if at is None else at + by)

    def action_page(self, by: int) -> None:
        """Choose a row a page away."""
        self._choose((self._at() or 0) + by * max(1, self.size.height - 1))

    def action_edge(self, at: int) -> None:
        """Choose the first or the last."""
        self._choose(at % max(1, len(self.rows)))

    def action_open(self) -> None:
        """Ask for more about the chosen one, or the first."""
        if self._at() is None:
            self._choose(0)
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))

    def _at(self) -> int | None:
        return next((at for at, row in enumerate(self.rows) if row.component_id == self.chosen), None)

    def _choose(self, at: int) -> None:
        if not self.rows:
            return
        at = min(max(0, at), len(self.rows) - 1)
        self.chosen = self.rows[at].component_id
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if at < top or at >= top + height:
            self.scroll_to(y=at if at < top else at - height + 1, animate=False, immediate=True)
        self.refresh()
