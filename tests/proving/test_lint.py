"""mograder.proving.lint, and `mograder.cli.lint`."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from click.testing import CliRunner

from mograder.cli import program
from mograder.errors import SessionFailed
from mograder.generate.items import item_at
from mograder.generate.kinds import Neighbours
from mograder.generate.plan import Plan, plan_release
from mograder.notebook.read import parse_text
from mograder.proving.lint import PATIENCE, SLACK_S, Report, lint, missing_marks
from mograder.proving.runs import Attempt, Outcome
from mograder.validation.model import ValidationResult
from tests.proving.sample import EMPTY, PASSED, found, source, source_text, starter
from tests.support.environments import numpy_lock, shared_environments
from tests.validation.notebooks import FOOTER, HEADER, cell

FAILED = found(("Q1: answer", "danger"), ("Given", "success"))


def plan(course: Path, text: str = "", *, as_lecture: bool = False) -> Plan:
    directory = course / "source" / "A1"
    directory.mkdir(parents=True)
    (directory / "A1.py").write_text(text or source_text())
    return plan_release(item_at(directory), Neighbours(course, course), as_lecture=as_lecture)


def linted(course: Path, *, limit: int = 20, **results: ValidationResult) -> Report:
    """What is found where the solution passes, and the release and every mutant do not, unless said otherwise."""
    answers = {"solution": PASSED, "release": EMPTY, "mutant": FAILED} | results
    return lint(plan(course), starter(answers), limit=limit)


def texts(report: Report) -> list[str]:
    return [finding.what for finding in report.findings]


def test_a_check_that_notices_mistakes_gives_no_finding_and_one_of_given_code_can_not_fail(
    tmp_path: Path,
) -> None:
    report = linted(tmp_path)
    assert texts(report) == [
        "no check has marks: there is no Grader",
        'the check "Given" can not fail: it uses nothing that students write',
    ]
    assert report.mutants == 4  # taken out, two numbers, one operator
    assert [(label, count) for label, _, count in report.noticed] == [("Q1: answer", 4), ("Given", 0)]
    assert report.unnoticed == ()
    assert report.seconds == {"solution": 1.5, "release": 1.5}


def test_a_check_that_passes_under_every_mutant_never_fails(tmp_path: Path) -> None:
    report = linted(tmp_path, mutant=PASSED)
    assert 'the check "Q1: answer" never fails: it passes under all 4 mutants of the solution' in texts(
        report
    )
    assert len(report.unnoticed) == 4
    assert "the solution is taken out: no check notices" in str(report.unnoticed[0])


def test_a_check_that_says_nothing_under_a_mutant_has_noticed_it(tmp_path: Path) -> None:
    report = linted(tmp_path, mutant=found(("Given", "success"), export_ok=False, export_error="Stopped."))
    assert report.unnoticed == ()
    assert not any("never fails" in text for text in texts(report))


def test_without_mutants_nothing_is_said_about_them(tmp_path: Path) -> None:
    report = linted(tmp_path, limit=0)
    assert not any("never fails" in text for text in texts(report))
    assert report.mutants == 0


def test_a_question_that_passes_with_nothing_written_is_found(tmp_path: Path) -> None:
    assert 'the check "Q1: answer" passes with nothing written' in texts(linted(tmp_path, release=PASSED))


def test_a_solution_that_fails_is_found(tmp_path: Path) -> None:
    assert any("does not pass with the solution" in text for text in texts(linted(tmp_path, solution=FAILED)))


def test_a_lecture_is_run_once(tmp_path: Path) -> None:
    planned = plan(tmp_path, source_text(solution="answer = 42"), as_lecture=True)
    report = lint(planned, starter({"lecture": found()}))
    assert report.findings == ()
    assert report.seconds == {"lecture": 1.5}


def test_the_release_is_tried_with_hidden_tests_and_mutants_get_less_time(tmp_path: Path) -> None:
    seen: dict[str, Attempt] = {}

    def start(attempt: Attempt) -> Future[Outcome]:
        seen[attempt.what] = attempt
        return starter({"solution": PASSED, "release": EMPTY, "mutant": FAILED})(attempt)

    lint(plan(tmp_path), start, timeout_s=100)
    assert seen["the release with nothing written"].reference == source_text()
    assert seen["the solution"].timeout_s == 100
    assert seen["mutant 1 of 4"].timeout_s == 1.5 * PATIENCE + SLACK_S
    assert "YOUR CODE HERE" in seen["mutant 1 of 4"].text


def test_a_slow_solution_is_found(tmp_path: Path) -> None:
    report = lint(
        plan(tmp_path),
        starter({"solution": PASSED, "release": EMPTY, "mutant": FAILED}),
        timeout_s=2,
    )
    assert "the solution runs for 2 s, and a run may take 2 s" in texts(report)


class TestMarks:
    def questions(self, marks: str, *labels: str) -> list[str]:
        """The findings for a notebook that gives ``marks``, and has a check for each label."""
        made = cell(f"from mograder.runtime import Grader\ngrader = Grader({marks})", gives="grader")
        checks = (cell(f"grader.check({label!r}, [(True, 'a')])", needs="grader") for label in labels)
        book = parse_text(HEADER + made + "".join(checks) + FOOTER, "A1.py")
        return [
            str(finding) for finding in missing_marks(book, found(*((each, "success") for each in labels)))
        ]

    def test_each_question_has_marks_and_all_marks_have_a_question(self) -> None:
        assert self.questions("{'Q1': 2, 'Q2': 3}", "Q1: a", "Q1: b", "Q2") == []

    def test_a_question_without_marks_is_found_with_its_line(self) -> None:
        [finding] = self.questions("{'Q1': 2}", "Q1: a", "Q2: b", "Q2: c")
        assert finding == 'A1.py:31: the question "Q2" has a check and no marks'

    def test_marks_without_a_question_are_found_with_their_line(self) -> None:
        [finding] = self.questions("{'Q1': 2, 'Q3': 1}", "Q1: a")
        assert finding == 'A1.py:19: the question "Q3" has marks and no check'

    def test_marks_from_elsewhere_are_not_known(self) -> None:
        assert self.questions("read()", "Q1") == []

    def test_without_a_check_there_is_nothing_to_mark(self) -> None:
        assert list(missing_marks(source(), found())) == []


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``mograder lint`` whose runs are answered without running anything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan(tmp_path)
    (tmp_path / "mograder.toml").write_text("")

    def invoke(*words: str, solution: ValidationResult = PASSED) -> tuple[int, str, str]:
        answers = starter({"solution": solution, "release": EMPTY, "mutant": FAILED})
        monkeypatch.setattr("mograder.proving.runs.Runs.start", lambda self, attempt: answers(attempt))
        result = CliRunner().invoke(program, ["lint", "-C", str(tmp_path), *words])
        return result.exit_code, result.stdout, result.stderr

    return invoke


def test_the_command_prints_a_line_for_each_finding_and_fails(command: Command) -> None:
    status, printed, _ = command("A1")
    assert status == 1
    lines = printed.splitlines()
    assert lines[0] == "A1: the solution runs for 1.5 s, the release runs for 1.5 s"
    assert "  A1.py: no check has marks: there is no Grader." in lines
    assert "  Q1: answer: notices 4 of 4 mutants" in lines
    assert lines[-1] == "  2 things to look at."


def test_json_says_everything_and_an_item_that_is_not_there_is_an_error(command: Command) -> None:
    status, printed, said = command("A1", "A7", "--json")
    assert status == 1
    first, second = json.loads(printed)
    assert first["item"] == "A1"
    assert first["mutants"] == 4
    assert first["findings"][0] == {
        "file": "A1.py",
        "line": None,
        "what": "no check has marks: there is no Grader",
    }
    assert [check["noticed"] for check in first["checks"]] == [4, 0]
    assert second["item"] == "A7"
    assert "A7" in second["error"]
    assert said.startswith("mograder: ")


def test_what_can_not_be_run_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Report:
        raise SessionFailed("The notebook could not be started: no.")

    monkeypatch.setattr("mograder.cli.lint.lint", refuse)
    status, printed, said = command("A1")
    assert (status, printed) == (1, "")
    assert said == "mograder: The notebook could not be started: no.\n"


@pytest.mark.real
def test_lint_tries_a_real_assignment(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = shared_environments(tmp_path_factory)
    shared.ready(numpy_lock(shared))
    cache = tmp_path / "cache" / "mograder"
    cache.mkdir(parents=True)
    (cache / "environments").symlink_to(shared.root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    hidden = "tests = [(answer is not ..., 'there')]\n### BEGIN HIDDEN TESTS\ntests += [(answer > 0, 'positive')]\n"
    tests = hidden + "### END HIDDEN TESTS\ncheck('Q1: answer', tests)"
    (tmp_path / "mograder.toml").write_text("")
    plan(tmp_path, source_text(solution="### BEGIN SOLUTION\nanswer = 3 - 2\n### END SOLUTION", tests=tests))
    result = CliRunner().invoke(program, ["lint", "-C", str(tmp_path), "A1", "--json"])
    assert result.exit_code == 1, result.output
    [report] = json.loads(result.stdout)
    # taken out, 3 + 1 and 3 + 2 are noticed or not as the tests say: only 3 - (2 + 1) = 0 is not positive
    assert report["mutants"] == 4
    assert [check["noticed"] for check in report["checks"] if check["label"] == "Q1: answer"] == [2]
    assert len(report["unnoticed"]) == 2
    assert report["seconds"]["solution"] > 0
