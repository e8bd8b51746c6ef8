"""mograder.validation.run, with the runner of mograder.validation.process_runner"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mograder.environments import Environment
from mograder.validation.model import CheckResult, ValidationResult
from mograder.validation.process_runner import ProcessRunner
from mograder.validation.run import ValidationJob, validate
from mograder.validation.runner import Cancelled, Ending, Limits, Task
from tests.validation.notebooks import cell, check, notebook

pytestmark = pytest.mark.real

Run = Callable[..., ValidationResult]


@pytest.fixture
def run(environment: Environment, tmp_path: Path) -> Run:
    """Validates a notebook with the real runner, and sees to it that nothing is left of it."""
    place = tmp_path / "scratch"
    place.mkdir()

    def run_it(*cells: str, on_check: Any = None, cancelled: Any = None, **more: Any) -> ValidationResult:
        text = more.pop("text", None) or notebook(*cells)
        job = ValidationJob(
            notebook=text.encode(),
            name="A1.py",
            python=environment.python,
            scratch_dir=place,
            **{"timeout_s": 60, **more},
        )
        result = validate(job, ProcessRunner(), on_check, cancelled)
        assert list(place.iterdir()) == []
        assert left_behind(place) == []
        return result

    return run_it


def left_behind(place: Path) -> list[str]:
    """Command lines of processes that still work in ``place``."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").readlink().is_relative_to(place):
                found.append((path / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_a_good_notebook_passes_and_has_a_report(run: Run) -> None:
    arrays = cell("import numpy as np\ntotal = np.arange(4).sum()", gives="total")
    tested = cell('check("Q1: total", [(total == 6, "it is 6")])', needs="check, total")
    result = run(arrays, tested)
    assert result.passed, result
    assert result.to_json() | {"integrity_warnings": []} == {
        "checks": [{"label": "Q1: total", "status": "success", "details": ["✓ it is 6"]}],
        "cell_errors": [],
        "export_ok": True,
        "export_error": None,
        "html_available": True,
        "integrity_level": "hash",
        "integrity_warnings": [],
    }
    assert result.html
    assert b"<marimo-" in result.html


def test_a_failing_notebook_says_what_fails_and_what_waits(run: Run) -> None:
    seen: list[CheckResult] = []
    tests = check("Q1", (True, "a"), (False, "b")), check("Q2", (False, "c")), check("Q3")
    result = run(*tests, on_check=seen.append)
    assert {found.label: found.status for found in result.checks} == {
        "Q1": "partial",
        "Q2": "danger",
        "Q3": "warn",
    }
    assert sorted(seen, key=lambda found: found.label) == sorted(result.checks, key=lambda found: found.label)
    assert result.export_ok
    assert not result.passed


def test_cells_that_raise_are_named_and_the_others_run(run: Run) -> None:
    result = run(
        cell("ratio = 1 / 0", name="divide", gives="ratio"),
        cell("double = 2 * ratio", needs="ratio"),
        cell('raise KeyError("one\\ntwo")'),
        check("Q1", (True, "a")),
    )
    assert [(error.cell, error.message) for error in result.cell_errors] == [
        ("divide", "ZeroDivisionError: division by zero"),
        ('raise KeyError("one\\ntwo")', "KeyError: 'one\\ntwo'"),
    ]
    assert [found.label for found in result.checks] == ["Q1"]
    assert result.export_ok
    assert result.html
    assert not result.passed


def test_an_endless_notebook_is_stopped_and_keeps_the_checks_that_finished(run: Run) -> None:
    # The loop begins when the check has reported, however slow the machine is.
    waiting = cell(
        "import os, pathlib\n"
        "while not pathlib.Path(os.environ['MOGRADER_SIDECAR_PATH']).exists(): pass\n"
        "while True: pass"
    )
    result = run(check("Q1", (True, "a")), waiting, timeout_s=6)
    assert [found.label for found in result.checks] == ["Q1"]
    assert result.export_error == (
        'The notebook did not finish within 6 s and was stopped. 1 check had finished, the last was "Q1".'
    )
    assert not result.export_ok
    assert result.html is None


def test_checks_are_told_while_the_notebook_still_runs_and_it_can_be_called_off(run: Run) -> None:
    cancelled = threading.Event()
    began = time.monotonic()
    result = run(
        check("Q1", (True, "a")),
        cell("import time\ntime.sleep(600)", needs="check"),
        on_check=lambda _: cancelled.set(),
        cancelled=cancelled,
    )
    assert result.export_error == 'The validation was called off. 1 check had finished, the last was "Q1".'
    assert time.monotonic() - began < 30


def test_a_flood_of_output_ends_in_a_report_or_a_sentence(run: Run) -> None:
    result = run(
        cell("for number in range(30_000): print('x' * 200, number)"),
        cell("import os\nfor _ in range(2000): os.write(2, b'y' * 5000)"),
        check("Q1", (True, "a")),
    )
    assert [found.label for found in result.checks] == ["Q1"]
    assert result.export_ok
    assert result.html is not None or result.export_error == "The report is too large to be kept."


def test_daemons_of_a_notebook_do_not_outlive_it(run: Run) -> None:
    code = "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(600)"
    assert run(cell(code), check("Q1", (True, "a"))).passed  # `run` looks for what is left


def test_a_fork_bomb_ends_its_own_run_with_a_sentence(run: Run) -> None:
    result = run(cell("import os\nwhile True: os.fork()"), limits=Limits(processes=40))
    assert result.export_error is not None
    assert result.export_error.startswith("The notebook started more than 40 processes and was stopped.")


def test_too_much_memory_is_an_error_of_the_cell_that_wants_it(run: Run) -> None:
    result = run(cell("x = bytearray(2 << 30)"), check("Q1", (True, "a")), limits=Limits(memory=1 << 30))
    assert [error.message for error in result.cell_errors] == ["MemoryError"]
    assert [found.label for found in result.checks] == ["Q1"]


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "import os\nos.kill(os.getpid(), 11)"])
def test_a_notebook_that_ends_its_own_process_is_said_in_seconds(run: Run, code: str) -> None:
    began = time.monotonic()
    result = run(cell(code))
    assert result.export_error is not None
    assert result.export_error.startswith("The notebook's own process ended before the notebook did")
    assert time.monotonic() - began < 30


def test_a_notebook_that_kills_marimo_is_said(run: Run) -> None:
    result = run(cell("import os\nos.kill(os.getppid(), 9)"))
    assert not result.export_ok
    assert "killed" in (result.export_error or "")


def test_a_file_that_is_no_notebook_is_said_with_its_line(run: Run) -> None:
    result = run(text="import marimo\napp = marimo.App(\n")
    assert result.export_error is not None
    assert result.export_error.startswith("A1.py:2: this is not Python")
    assert not result.export_ok


def test_the_checks_that_count_are_the_releases(run: Run) -> None:
    task = cell("# YOUR CODE HERE\nanswer = 41", gives="answer")
    honest = cell('check("Q1", [(answer == 42, "it is 42")])', needs="answer, check")
    forged = cell('check("Q1", [(True, "it is 42")])', needs="answer, check")
    extra = cell('check("Q1", [(True, "surely")])', needs="check")
    release = notebook(task, honest).encode()
    result = run(task, forged, extra, release=release)
    assert [(found.label, found.status) for found in result.checks] == [("Q1", "danger")]
    assert result.integrity_level == "source"
    assert len(result.integrity_warnings) >= 2


def test_the_students_files_are_there_and_shadow_nothing(run: Run) -> None:
    files = {
        "data.csv": b"1,2,3",
        "helper.py": b"def add(a, b):\n    return a + b\n",
        "marimo.py": b"raise SystemExit('shadowed')",
        "json.py": b"raise SystemExit('shadowed')",
        "sitecustomize.py": b"raise SystemExit('shadowed')",
    }
    code = (
        "import helper, marimo as mo\n"
        "text = (mo.notebook_dir() / 'data.csv').read_text()\n"
        "here = open('data.csv').read()\n"
        "check('Q1', [(helper.add(1, 1) == 2, 'helper'), (text == '1,2,3', 'data'), (here == text, 'here')])"
    )
    result = run(cell(code, needs="check"), files=files)
    assert result.passed, result


def test_nothing_of_the_hub_is_in_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOGRADER_HUB_SECRET", "canary-in-the-coal-mine")
    code = (
        "import os\n"
        "places = ['/proc/self/environ', f'/proc/{os.getppid()}/environ']\n"
        "found = [place for place in places if b'canary' in open(place, 'rb').read()]\n"
        "check('Q1', [(found == [], str(found)), ('canary' not in str(os.environ), 'environment')])"
    )
    assert run(cell(code, needs="check"), timeout_s=30).passed


def test_results_behind_a_link_are_not_followed(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"label": "stolen", "status": "success"}) + "\n")
    code = f"import os\nos.symlink({str(secret)!r}, os.environ['MOGRADER_SIDECAR_PATH'])"
    result = run(cell(code))
    assert result.checks == ()


def test_a_report_that_is_too_large_is_not_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mograder.validation.run.REPORT_LIMIT", 1000)
    result = run(check("Q1", (True, "a")))
    assert (result.export_ok, result.html, result.export_error) == (
        True,
        None,
        "The report is too large to be kept.",
    )


class Silent:
    """A runner whose run ends in a way of our choice."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending

    def run(self, task: Task, tick: Callable[[], None], cancelled: Cancelled) -> Ending:
        tick()
        return self.ending


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (Ending("done", -9), "killed by the system, most likely because it needed too much memory"),
        (Ending("done", -11), "The notebook crashed (Segmentation fault)."),
        (Ending("done", 2, "x\nno such module\n"), "The notebook could not be run: no such module"),
        (Ending("done", 0), "The notebook could not be run: exit status 0"),
        (Ending("memory"), "used more than 2.0 GB of memory and was stopped. No check had finished."),
        (Ending("killed"), "stopped from outside"),
    ],
)
def test_every_other_end_has_its_sentence(ending: Ending, sentence: str) -> None:
    job = ValidationJob(notebook().encode(), "A1.py", Path("/nowhere"))
    result = validate(job, Silent(ending))
    assert sentence in (result.export_error or "")
    assert not result.export_ok


def test_a_python_that_is_not_there_is_said() -> None:
    job = ValidationJob(notebook().encode(), "A1.py", Path("/nowhere/python"))
    assert "No such file" in (validate(job, ProcessRunner()).export_error or "")
