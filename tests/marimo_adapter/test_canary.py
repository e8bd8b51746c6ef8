"""Learning from a throw-away session what others will need, with the least that a browser does (``browser.Tab``)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mograder.marimo_adapter import options
from tests.marimo_adapter.conftest import workspace

pytestmark = pytest.mark.real

_LEARN = """
import json
from pathlib import Path
from mograder.marimo_adapter import canary, preload
preload.bring(preload.BASE)
{before}
learned = canary.learn({notebook}, timeout=8)
assert canary.Learned.loads(learned.dumps().encode()) == canary.Learned(
    learned.modules, learned.problem, None, learned.patterns, learned.notes
)
print(json.dumps([learned.modules, learned.problem, learned.fatal, learned.patterns, learned.notes]))
"""


def learn(
    python: Path, desk: Path, notebook: Path | None = None, before: str = ""
) -> tuple[list[str], Any, Any]:
    """What a process of this environment learns: modules, problem, fatal problem."""
    code = _LEARN.format(notebook="None" if notebook is None else f"Path({str(notebook)!r})", before=before)
    env = options.environment(desk / "home", python=python)
    done = subprocess.run(
        [python, "-I", "-c", code], env=env, cwd="/", capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    modules, problem, fatal, _, _ = json.loads(done.stdout.splitlines()[-1])
    return modules, problem, fatal


def test_server_kernel_and_export_are_learned_without_a_notebook(newest: Path, desk: Path) -> None:
    modules, problem, fatal = learn(newest, desk)
    assert (problem, fatal) == (None, None)
    assert {"uvicorn", "starlette.websockets", "marimo._runtime.runtime", "jedi"} <= set(modules)
    assert not {"numpy", "__main__", "__mp_main__"} & set(modules)


def test_what_lies_beside_the_notebook_is_used_and_not_learned(newest: Path, desk: Path) -> None:
    place = workspace(desk, "numbers.py")
    before = sorted(path.name for path in place.iterdir())
    modules, problem, _ = learn(newest, desk, place / "numbers.py")
    assert problem is None
    assert "numpy" in modules
    assert "helper" not in modules
    assert sorted(path.name for path in place.iterdir()) == before


def test_cells_that_fail_are_no_problem(newest: Path, desk: Path) -> None:
    place = workspace(desk, "failing.py")
    _, problem, fatal = learn(newest, desk, place / "failing.py")
    assert (problem, fatal) == (None, None)


def test_a_broken_notebook_is_fatal_with_its_line(newest: Path, desk: Path) -> None:
    place = workspace(desk, "plain.py")
    (place / "plain.py").write_text("import marimo\napp = marimo.App(\n")
    _, _, fatal = learn(newest, desk, place / "plain.py")
    assert "plain.py:2" in fatal


def test_a_server_that_does_not_come_up_is_fatal(newest: Path, desk: Path) -> None:
    before = (
        "from mograder.marimo_adapter import serve\ndef broken(*_): raise RuntimeError('no server today')\n"
    )
    _, _, fatal = learn(newest, desk, before=before + "serve.serve = broken")
    assert "no server today" in fatal


def test_regular_expressions_and_notes_of_its_processes_are_learned(newest: Path, desk: Path) -> None:
    place = workspace(desk, "plain.py")
    text = (place / "plain.py").read_text()
    note = "one that is *made* in 3 steps"
    cell = '\n\n@app.cell\ndef _(mo):\n    mo.md(f"one that is *made* in {1 + 2} steps")\n    return\n'
    (place / "plain.py").write_text(text.replace("\n\nif __name__", cell + "\n\nif __name__"))
    code = _LEARN.format(notebook=f"Path({str(place / 'plain.py')!r})", before="")
    env = options.environment(desk / "home", python=newest)
    done = subprocess.run(
        [newest, "-I", "-c", code], env=env, cwd="/", capture_output=True, text=True, timeout=600, check=True
    )
    _, problem, _, patterns, notes = json.loads(done.stdout.splitlines()[-1])
    assert problem is None
    assert note in notes
    assert any("api" in pattern for _, pattern, _ in patterns), "the routes of the server are among them"
