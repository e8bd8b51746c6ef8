"""The proof that a release is fit to be given out: the solution passes, and nothing written does not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from mograder.errors import NotProven
from mograder.generate.plan import Plan
from mograder.notebook.read import Notebook, parse_text
from mograder.proving.judge import (
    Finding,
    lecture_problems,
    release_notes,
    release_problems,
    solution_problems,
)
from mograder.proving.runs import Attempt, Outcome, Try

Note = Callable[[str], None]


def begin(plan: Plan, start: Try, note: Note, *, timeout_s: float = 120.0) -> Callable[[Plan], None]:
    """Start to prove ``plan``; call what is returned (with the plan) to wait for the outcome.

    An assignment's solution and its release are run, a lecture once. ``note`` gets what is no obstacle.
    ``timeout_s`` is for each run, in seconds.

    Raises, when called:
        NotProven: with a sentence for each problem.
        MograderError: the packages can not be had, or the like.
    """
    text = plan.item.notebook.read_text(encoding="utf-8-sig")
    source = parse_text(text, plan.item.notebook.name)
    files = {file.place: file.path for file in plan.files}
    attempt = partial(Attempt, plan.item.name, files=files, timeout_s=timeout_s)
    if plan.type == "lecture":
        lecture = start(attempt("the lecture", plan.notebook))
        return lambda _: _refuse(plan, lecture_problems(source, lecture.result().result))
    solution = start(attempt("the solution", source.text))
    released = start(attempt("the release with nothing written", plan.notebook))
    return lambda _: _settle(plan, source, solution, released, note)


def _settle(
    plan: Plan, source: Notebook, solution: Future[Outcome], released: Future[Outcome], note: Note
) -> None:
    passed, empty = solution.result().result, released.result().result
    _refuse(plan, [*solution_problems(source, passed), *release_problems(source, empty)])
    for finding in release_notes(source, empty):
        note(str(finding))


def _refuse(plan: Plan, problems: list[Finding]) -> None:
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise NotProven(
            f"{plan.item.name} has {count}, so its release was not written.",
            problems=tuple(f"{str(problem).removesuffix('.')}." for problem in problems),
            tip="--no-validate writes it all the same.",
        )
