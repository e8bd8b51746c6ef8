"""mograder.proving.judge"""

from __future__ import annotations

from mograder.proving.judge import (
    Checks,
    lecture_problems,
    release_notes,
    release_problems,
    solution_problems,
)
from mograder.validation.model import CellError
from tests.proving.sample import EMPTY, PASSED, found, source


def texts(findings: object) -> list[str]:
    return [str(finding) for finding in findings]  # type: ignore[attr-defined]


def line_of(wanted: str) -> int:
    lines = source().text.split("\n")
    return next(number for number, line in enumerate(lines, 1) if wanted in line)


class TestSolution:
    def test_one_that_passes_has_no_problems(self) -> None:
        assert solution_problems(source(), PASSED) == []

    def test_a_check_that_fails_is_named_with_its_line_and_the_first_test_that_fails(self) -> None:
        [problem] = texts(solution_problems(source(), found(("Q1: answer", "partial"), ("Given", "success"))))
        assert problem == (
            f'A1.py:{line_of("Q1: answer")}: the check "Q1: answer" does not pass with the solution (it is 42)'
        )

    def test_a_check_that_waits_is_a_problem(self) -> None:
        [problem] = texts(solution_problems(source(), EMPTY))
        assert problem.endswith("waits for code although the solution is there")

    def test_a_check_that_says_nothing_is_a_problem(self) -> None:
        [problem] = texts(solution_problems(source(), found(("Given", "success"))))
        assert problem.endswith('the check "Q1: answer" says nothing when the solution runs')

    def test_a_check_whose_label_is_made_at_run_time_has_no_line(self) -> None:
        result = found(("Q1: answer", "success"), ("Given", "success"), ("Q9", "danger"))
        [problem] = texts(solution_problems(source(), result))
        assert problem.startswith('A1.py: the check "Q9" does not pass')

    def test_a_cell_that_raises_is_a_problem_in_place_of_the_silence_of_its_check(self) -> None:
        result = found(("Given", "success"), cell_errors=(CellError("x", "ValueError: no", 1),))
        [problem] = texts(solution_problems(source(), result))
        assert problem == f"A1.py:{line_of('BEGIN') - 2}: the solution raises ValueError: no"

    def test_a_run_that_did_not_end_is_a_problem(self) -> None:
        result = found(("Given", "success"), export_ok=False, export_error="It was stopped.")
        assert texts(solution_problems(source(), result)) == ["A1.py: the solution: It was stopped."]


class TestRelease:
    def test_one_that_waits_has_no_problems_and_a_check_of_given_code_may_pass(self) -> None:
        assert release_problems(source(), EMPTY) == []
        assert release_notes(source(), EMPTY) == []

    def test_one_that_fails_has_no_problems(self) -> None:
        assert release_problems(source(), found(("Q1: answer", "danger"), ("Given", "success"))) == []

    def test_a_check_that_passes_with_nothing_written_is_a_problem(self) -> None:
        [problem] = texts(release_problems(source(), PASSED))
        assert problem.endswith('the check "Q1: answer" passes with nothing written')

    def test_a_check_that_raises_is_a_problem(self) -> None:
        result = found(("Given", "success"), cell_errors=(CellError("x", "TypeError: no", 2),))
        [problem] = texts(release_problems(source(), result))
        assert (
            'the check "Q1: answer" raises with nothing written, in place of failing (TypeError: no)'
            in problem
        )
        assert release_notes(source(), result) == []

    def test_another_cell_that_raises_is_a_note_with_the_checks_that_are_silent_then(self) -> None:
        result = found(("Given", "success"), cell_errors=(CellError("x", "TypeError: no", 1),))
        assert release_problems(source(), result) == []
        raises, silent = texts(release_notes(source(), result))
        assert raises.endswith("with nothing written, it raises TypeError: no")
        assert silent.endswith('the check "Q1: answer" says nothing before something is written')

    def test_one_that_does_not_start_is_a_problem(self) -> None:
        result = found(("Given", "success"), export_ok=False, export_error="It crashed.")
        assert texts(release_problems(source(), result)) == ["A1.py: the release: It crashed."]


def test_a_lecture_runs_to_its_end_without_a_cell_that_raises() -> None:
    assert lecture_problems(source(), found()) == []
    stopped = found(export_ok=False, export_error="It was stopped.", cell_errors=(CellError("a", "E: b"),))
    assert texts(lecture_problems(source(), stopped)) == [
        "A1.py: the lecture raises E: b",
        "A1.py: the lecture: It was stopped.",
    ]


def test_what_students_can_change_is_told_from_what_is_given() -> None:
    checks = Checks(source())
    assert checks.is_about_given_code("Given")
    assert not checks.is_about_given_code("Q1: answer")
    assert not checks.is_about_given_code("made at run time")
