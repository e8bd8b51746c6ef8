"""Formatters that are registered before the fork, and not again in each kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marimo_adapter.test_rehearsal import drawn, said

pytestmark = pytest.mark.real

_BEGIN = """
from marimo._output.formatters import formatters as theirs
from mograder.marimo_adapter import formatters
"""

#: Libraries: one that is imported, one that is not, one that wants a kernel, one that is left to kernels.
_LIBRARIES = """
class Factory:
    def __init__(self, *raised):
        self.raised, self.notebooks = raised, []
    def register(self):
        from marimo._runtime.context.utils import running_in_notebook
        self.notebooks.append(running_in_notebook())
        if self.raised:
            raise self.raised[0]
    def apply_theme_safe(self, theme):
        "Before 0.24 each kernel says what theme it is to be."
here, away, failing, other = Factory(), Factory(), Factory(KeyError("no kernel")), Factory()
theirs.THIRD_PARTY_FACTORIES.clear()
theirs.THIRD_PARTY_FACTORIES.update(json=here, nowhere=away, ast=failing, os=other)
formatters._LIBRARIES = ("json", "nowhere", "ast")
"""


def test_every_marimo_is_one_that_is_known(python: Path) -> None:
    assert said(python, _BEGIN + "print(formatters.prepare(), formatters.prepare())") == ["True True"]


def test_a_library_that_is_imported_is_registered_once_as_in_a_notebook(python: Path) -> None:
    code = """
formatters._LIBRARIES = ("json", "nowhere")
del theirs.THIRD_PARTY_FACTORIES["ast"]
formatters.prepare()
theirs.register_formatters()
print(here.notebooks, away.notebooks, other.notebooks)
from marimo._runtime.context.utils import running_in_notebook
print(running_in_notebook())
"""
    assert said(python, _BEGIN + _LIBRARIES + code) == ["[True] [] [False]", "False"]


def test_a_library_that_is_imported_later_is_registered_then(python: Path) -> None:
    code = """
formatters._LIBRARIES = ("json", "nowhere")
del theirs.THIRD_PARTY_FACTORIES["ast"]
formatters.prepare()
sys.modules["nowhere"] = object()
theirs.register_formatters()
theirs.register_formatters()
print(len(away.notebooks))
"""
    assert said(python, _BEGIN + _LIBRARIES + code) == ["2"]


def test_a_library_that_wants_a_kernel_is_left_to_each(python: Path) -> None:
    code = """
print(formatters.prepare())
try:
    theirs.register_formatters()
except KeyError as error:
    print(error, len(failing.notebooks))
"""
    assert said(python, _BEGIN + _LIBRARIES + code) == ["True", "'no kernel' 2"]


def test_tables_are_shown_as_their_reader_wants_them(newest: Path) -> None:
    code = (
        "names = [name for name in formatters._LIBRARIES if 'opinionated' in inspect.getsource(sys.modules["
    )
    code += "type(theirs.THIRD_PARTY_FACTORIES[name]).__module__])]\nprint(names)"
    assert said(newest, _BEGIN + "import inspect\n" + code) == ["[]"]


def test_matplotlib_finds_that_all_is_said() -> None:
    code = """
import matplotlib.pyplot as plt
from matplotlib.artist import Artist
print(hasattr(Artist, "_mime_"), formatters.prepare())
way = Artist._mime_
theirs.register_formatters()
print(Artist._mime_ is way, plt.get_backend(), plt.get_fignums())
plt.plot([1, 2])
print(plt.gcf()._mime_()[0])
"""
    assert drawn(_BEGIN + code) == [
        "False True",
        "True module://marimo._output.mpl []",
        "application/vnd.marimo+mimebundle",
    ]
