"""The steps around a cell are called without spans for nobody, and are the same steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marimo_adapter.test_rehearsal import said

pytestmark = pytest.mark.real

_BEGIN = """
import marimo._tracer
from mograder.marimo_adapter import untraced
for name in untraced._STEPS:
    __import__(untraced._RUNNER + name)
runner = [module for name, module in sys.modules.items() if name.startswith("marimo._runtime.runner.")]
def steps():
    found = [(module.__name__, name, value) for module in runner for name, value in vars(module).items()]
    return {(module, name): value for module, name, value in found if isinstance(value, list)}
def wrapped():
    values = [value for module in runner for value in vars(module).values()]
    return sum(untraced._is_wrapped(value) for value in [*values, *sum(steps().values(), [])])
def names():
    return [(place, [getattr(step, "__name__", "") for step in found]) for place, found in steps().items()]
before, names_before = wrapped(), names()
"""


def test_the_steps_are_called_bare(python: Path) -> None:
    code = """
untraced.prepare()
print(before > 15, wrapped(), names() == names_before)
untraced.prepare()
print(wrapped(), names() == names_before)
"""
    assert said(python, _BEGIN + code) == ["True 0 True", "0 True"]


def test_a_tracer_keeps_its_spans(python: Path) -> None:
    code = """
marimo._tracer.kernel_tracer = object()
untraced.prepare()
print(wrapped() == before > 15)
"""
    assert said(python, _BEGIN + code) == ["True"]
