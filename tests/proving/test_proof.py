"""mograder.proving.proof, and the command that asks for it (`mograder.cli.proving` shows the progress)."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mograder.cli import program
from mograder.cli.proving import Progress
from mograder.errors import NotProven
from mograder.generate.items import item_at
from mograder.generate.kinds import Neighbours
from mograder.generate.plan import Plan, plan_release
from mograder.proving.proof import begin
from mograder.validation.model import CellError
from tests.proving.sample import EMPTY, PASSED, found, source_text, starter
from tests.support.environments import numpy_lock, shared_environments


def write(course: Path, name: str, text: str) -> Path:
    directory = course / "source" / name
    directory.mkdir(parents=True)
    (directory / f"{name}.py").write_text(text)
    return directory


def plan(course: Path, *, as_lecture: bool = False) -> Plan:
    directory = write(course, "A1", source_text(solution="answer = 42") if as_lecture else source_text())
    (directory / "data.csv").write_text("1")
    return plan_release(item_at(directory), Neighbours(course, course), as_lecture=as_lecture)


def test_a_solution_that_passes_and_a_release_that_does_not_are_proof(tmp_path: Path) -> None:
    planned, notes = plan(tmp_path), list[str]()
    begin(planned, starter({"solution": PASSED, "release": EMPTY}), notes.append)(planned)
    assert notes == []


def test_every_problem_of_both_runs_is_said(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    settle = begin(planned, starter({"solution": EMPTY, "release": PASSED}), [].append)
    with pytest.raises(NotProven, match="A1 has 2 problems, so its release was not written") as caught:
        settle(planned)
    waits, passes = caught.value.problems
    assert waits.endswith("waits for code although the solution is there.")
    assert passes.endswith("passes with nothing written.")


def test_what_is_no_obstacle_is_noted(tmp_path: Path) -> None:
    planned, notes = plan(tmp_path), list[str]()
    raising = found(("Q1: answer", "danger"), cell_errors=(CellError("x", "TypeError: no", 1),))
    begin(planned, starter({"solution": PASSED, "release": raising}), notes.append)(planned)
    assert len(notes) == 1
    assert notes[0].endswith("with nothing written, it raises TypeError: no")


def test_a_lecture_is_run_once_as_it_will_be_released(tmp_path: Path) -> None:
    planned = plan(tmp_path, as_lecture=True)
    begin(planned, starter({"lecture": found()}), [].append)(planned)
    with pytest.raises(NotProven, match="A1 has a problem"):
        begin(planned, starter({"lecture": found(export_ok=False, export_error="No.")}), [].append)(planned)


def test_progress_that_goes_to_no_terminal_is_a_line_for_each_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Progress()("A1", "the solution runs")
    assert capsys.readouterr().err == "A1: the solution runs\n"


@pytest.mark.real
def test_generate_runs_everything_and_writes_only_what_is_proven(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = shared_environments(tmp_path_factory)
    shared.ready(numpy_lock(shared))
    cache = tmp_path / "cache" / "mograder"
    cache.mkdir(parents=True)
    (cache / "environments").symlink_to(shared.root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    course = tmp_path / "course"
    reads = "import pathlib\n### BEGIN SOLUTION\nanswer = int(pathlib.Path('data/n.txt').read_text())\n### END SOLUTION"
    good = write(course, "A1", source_text(solution=reads))
    (good / "data").mkdir()
    (good / "data" / "n.txt").write_text("42")
    write(course, "A2", source_text(solution="### BEGIN SOLUTION\nanswer = 41\n### END SOLUTION"))
    write(course, "A3", source_text(tests="check('Q1: answer', [(answer != 0, 'it is 42')])"))
    (course / "mograder.toml").write_text("")
    kept = course / "release" / "A2"
    kept.mkdir(parents=True)
    (kept / "A2.py").write_text('# /// script\n# mograder-assignment = "A2"\n# ///\n')

    result = CliRunner().invoke(program, ["generate", "-C", str(course), "A1", "A2", "A3"])

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [str(course / "release" / "A1")]
    for expected in [
        "A1: the solution runs",
        'the check "Q1: answer" does not pass with the solution (it is 42).',
        "mograder: A2 has a problem, so its release was not written. Tip: --no-validate",
        'the check "Q1: answer" passes with nothing written.',
    ]:
        assert expected in result.stderr, result.stderr
    assert (course / "release" / "A1" / "A1.py").is_file()
    assert (kept / "A2.py").read_text().count("\n") == 3
    assert sorted(path.name for path in (course / "release").iterdir()) == ["A1", "A2"]
