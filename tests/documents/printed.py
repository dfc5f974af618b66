"""The code that the documents print, run as it is printed: its blocks are read where the documents stand."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

DOCUMENTS = Path(__file__).parents[2].parent / "shared" / "spec"
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def blocks(document: str) -> list[str]:
    """Give the Python of a document, told by its number, block by block."""
    return _BLOCK.findall(next(DOCUMENTS.glob(f"{document}_*.txt")).read_text())


def block(document: str, marker: str) -> str:
    """Give the one block that holds a text."""
    (found,) = [one for one in blocks(document) if marker in one]
    return textwrap.dedent(found)


async def run(source: str, **given: Any) -> dict[str, Any]:
    """Run a block, which may await, with the names that it takes from around it; gives its names afterwards."""
    names = dict(given)
    code = compile(source, "a printed block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    awaitable = eval(code, names)
    if inspect.isawaitable(awaitable):
        await awaitable
    return names
