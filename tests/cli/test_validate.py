"""mograder.cli.validate"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mograder.cli import program
from tests.support.environments import numpy_lock, shared_environments
from tests.validation.notebooks import cell, check, notebook

pytestmark = pytest.mark.real

ANSWER = cell("# YOUR CODE HERE\nx = 1")

Command = Callable[..., Result]


@pytest.fixture
def command(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """``mograder validate`` in an empty directory, with a cache in which numpy's environment is ready."""
    shared = shared_environments(tmp_path_factory)
    shared.ready(numpy_lock(shared))
    cache = tmp_path / "cache"
    (cache / "mograder").mkdir(parents=True)
    (cache / "mograder" / "environments").symlink_to(shared.root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    course = tmp_path / "course"
    course.mkdir()
    monkeypatch.chdir(course)
    return lambda *words: CliRunner().invoke(program, ["validate", *words])


def test_a_notebook_that_passes_is_said_check_by_check(command: Command) -> None:
    Path("A1.py").write_text(notebook(check("Q1: a", (True, "fine")), check("Q2", (True, "fine"))))
    result = command("A1.py")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "A1.py"
    assert sorted(lines[1:3]) == ["  PASS  Q1: a", "  PASS  Q2"]
    assert lines[-1] == "  2 of 2 checks pass."


def test_what_fails_makes_the_exit_status_1_and_the_next_notebook_is_still_run(command: Command) -> None:
    Path("A1.py").write_text(
        notebook(check("Q1", (True, "a"), (False, "it is 42")), check("Q2"), cell("1 / 0", name="ratio"))
    )
    Path("A2.py").write_text("print(1)\n")
    Path("A3.py").write_text("# /// script\n# dependencies = [\n# ///\nimport marimo\napp = marimo.App()\n")
    result = command("A1.py", "A2.py", "A3.py", "A4.py")
    assert result.exit_code == 1
    for expected in [
        "  FAIL  Q1\n          ✓ a\n          ✗ it is 42\n",
        "  FAIL  Q2  (waiting for code)\n",
        "  FAIL  in 'ratio': ZeroDivisionError: division by zero\n",
        "  0 of 2 checks pass.\n",
        "A2.py\n  FAIL  ",
        "A3.py:2",
        "A4.py: No such file or directory.",
    ]:
        assert expected in result.stdout


def test_json_says_everything_and_nothing_else(command: Command) -> None:
    Path("A1.py").write_text(notebook(check("Q1", (False, "it is 42"))))
    result = command("--json", "A1.py", "absent.py")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert first["notebook"] == "A1.py"
    assert first["checks"] == [{"label": "Q1", "status": "danger", "details": ["✗ it is 42"]}]
    assert first["export_ok"] is True
    assert second == {"notebook": "absent.py", "error": "absent.py: No such file or directory."}


def test_the_files_beside_the_notebook_are_copied_and_never_changed(command: Command) -> None:
    Path("data.csv").write_text("1,2")
    Path(".secret").write_text("hidden")
    code = (
        "import os\n"
        "text = open('data.csv').read()\n"
        "open('data.csv', 'w').write('changed')\n"
        "check('Q1', [(text == '1,2', text), (not os.path.exists('.secret'), 'hidden')])"
    )
    Path("A1.py").write_text(notebook(cell(code, needs="check")))
    before = Path("A1.py").read_text()
    assert command("A1.py").exit_code == 0
    assert Path("data.csv").read_text() == "1,2"
    assert Path("A1.py").read_text() == before


def test_a_notebook_that_does_not_end_is_stopped(command: Command) -> None:
    Path("A1.py").write_text(notebook(cell("while True: pass")))
    result = command("--timeout", "3", "A1.py")
    assert result.exit_code == 1
    assert "  FAIL  The notebook did not finish within 3 s and was stopped." in result.stdout


def test_the_checks_of_the_release_count_and_fix_writes_them_into_the_file(command: Command) -> None:
    release = Path("release/A1")
    release.mkdir(parents=True)
    (release / "A1.py").write_text(notebook(ANSWER, check("Q1", (False, "right"))))
    forged = notebook(ANSWER, check("Q1", (True, "right")))
    Path("A1.py").write_text(forged)

    result = command("--release", "release/A1", "A1.py")
    assert result.exit_code == 1
    assert "  FAIL  Q1\n" in result.stdout
    assert "  note  Line " in result.stdout
    assert Path("A1.py").read_text() == forged

    result = command("--release", "release/A1/A1.py", "--fix", "A1.py")
    assert "before, it was A1.py.bak-" in result.stderr
    assert "(False, 'right')" in Path("A1.py").read_text()
    [archive] = Path().glob("A1.py.bak-*")
    assert archive.read_text() == forged


def test_fix_without_a_release_is_wrong_usage(command: Command) -> None:
    Path("A1.py").write_text(notebook())
    result = command("--fix", "A1.py")
    assert result.exit_code == 2
    assert "--fix needs --release PATH" in result.stderr


def test_a_release_that_is_not_there_is_said(command: Command) -> None:
    result = command("--release", "nowhere", "A1.py")
    assert result.exit_code == 1
    assert "There is no release at nowhere." in str(result.exception)
