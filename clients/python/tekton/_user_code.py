"""Calling what the application gave: async functions on the loop, plain ones in a thread, where they may block."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from tekton import _given
from tekton.core.errors import ValidationError


def function(field: str, value: object) -> Callable[[], Any]:
    """Read a function without arguments.

    Raises:
        ValidationError: it cannot be called; a coroutine, which is a call already, is told apart.
    """
    if inspect.iscoroutine(value):
        value.close()
        message = "must be a function, not a coroutine: leave out the brackets behind its name"
        raise ValidationError.of(field, message, "type")
    if not callable(value):
        raise ValidationError.of(field, f"must be a function without arguments, not {_given.shown(value)}", "type")
    return value


async def called(function: Callable[[], Any]) -> Any:
    """Call a function and give what it gives, awaited if need be."""
    if _is_async(function):
        return await function()
    answer = await asyncio.to_thread(function)
    return await answer if inspect.isawaitable(answer) else answer


def _is_async(function: Callable[[], Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
