"""What a warm process does once so that its sessions need not, by every supported version of marimo."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mograder.marimo_adapter import options
from tests.marimo_adapter.conftest import NOTEBOOKS
from tests.support.marimo_environments import NEWEST, VERSIONS, packages, python_with_marimo

pytestmark = pytest.mark.real

_BEGIN = """
import sys
from pathlib import Path
from mograder.marimo_adapter import preload, rehearsal
preload.bring(preload.BASE)
"""


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    return python_with_marimo(request.param)


def said(python: Path, code: str, **environment: str) -> list[str]:
    """What ``code`` prints, line by line."""
    done = subprocess.run(
        [python, "-c", _BEGIN + code, NOTEBOOKS / "plain.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_all_of_it_can_be_done_without_a_thread(python: Path) -> None:
    assert said(python, "print(rehearsal.rehearse(Path(sys.argv[1])), preload.threads())") == ["[] 1"]


def test_it_can_be_done_without_a_notebook(python: Path) -> None:
    assert said(python, "print(rehearsal.rehearse(None))") == ["[]"]


def test_what_can_not_be_done_is_told_and_the_rest_done(python: Path) -> None:
    code = "missed = rehearsal.rehearse(Path('/nowhere.py'))\nprint(len(missed), '/nowhere.py' in missed[0])"
    assert said(python, code) == ["1 True"]


def test_a_text_is_taken_apart_once(python: Path) -> None:
    code = """
from marimo._ast import parse
rehearsal.remember()
text = "    x = 1\\n    y = 2"
print(parse.fixed_dedent(text) == "x = 1\\ny = 2", parse.fixed_dedent(text) is parse.fixed_dedent(text))
"""
    assert said(python, code) == ["True True"]


def test_drawing_leaves_no_figure_and_no_setting_behind() -> None:
    code = """
import matplotlib.pyplot as plt
import matplotlib.backends.backend_agg
from matplotlib import font_manager
before = dict(plt.rcParams)
print(rehearsal.rehearse(None), plt.get_fignums(), dict(plt.rcParams) == before, preload.threads())
print(font_manager._get_font.cache_info().currsize > 0)
"""
    python = python_with_marimo(NEWEST)
    words = {"PYTHONPATH": str(packages("matplotlib", python)), **options.PROCESS_SETTINGS}
    assert said(python, code, **words) == ["[] [] True 1", "True"]
