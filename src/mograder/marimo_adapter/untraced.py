"""The steps around each cell without the spans that marimo opens for a tracer which is not there.

Every step (some twenty of each cell) is wrapped in a context manager that does nothing: a fiftieth of the time from a
click to the last cell.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import FunctionType, ModuleType
from typing import Any

_RUNNER = "marimo._runtime.runner."
_STEPS = ("hooks_preparation", "hooks_pre_execution", "hooks_post_execution", "hooks_on_finish")


def prepare() -> None:
    """Have marimo call the steps themselves, unless somebody traces. Raises ImportError, AttributeError."""
    tracing: Any = importlib.import_module("marimo._tracer")
    if not isinstance(tracing.kernel_tracer, tracing.MockTracer):
        return
    for name in _STEPS:
        importlib.import_module(_RUNNER + name)
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("marimo.")]
    bare = {
        value: value.__wrapped__
        for module in modules
        if module.__name__.startswith(_RUNNER)
        for value in vars(module).values()
        if _is_wrapped(value)
    }
    for module in modules:
        _replace(module, bare)


def _is_wrapped(value: Any) -> bool:
    """Whether this is a function in a decorator that a context manager of contextlib made."""
    return (
        isinstance(value, FunctionType)
        and value.__code__.co_filename == contextlib.ContextDecorator.__call__.__code__.co_filename
        and isinstance(getattr(value, "__wrapped__", None), FunctionType)
    )


def _replace(module: ModuleType, bare: dict[Any, Any]) -> None:
    for name, value in list(vars(module).items()):
        if isinstance(value, FunctionType) and value in bare:
            setattr(module, name, bare[value])
        elif isinstance(value, list) and module.__name__.startswith(_RUNNER):
            value[:] = [bare.get(step, step) if isinstance(step, FunctionType) else step for step in value]
