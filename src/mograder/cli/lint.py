"""``mograder lint``: how good the checks of an assignment are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from mograder.cli.proving import runs, timeout_option
from mograder.course import Course
from mograder.errors import MograderError
from mograder.generate.items import Item, is_path, item_at, item_named
from mograder.generate.kinds import Neighbours
from mograder.generate.plan import plan_release
from mograder.proving.lint import Report, lint
from mograder.proving.runs import Runs


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("items", metavar="ITEM…", nargs=-1, required=True)
@click.option(
    "-C",
    "--course-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="The course directory.",
)
@click.option(
    "--mutants",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many mistakes are put into the solution, one at a time; each is a run.",
)
@timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
@click.pass_context
def command(
    context: click.Context,
    items: tuple[str, ...],
    course_dir: Path,
    mutants: int,
    timeout: float,
    as_json: bool,
) -> None:
    """Try the checks of each ITEM: a name, a unique prefix of it, or a path.

    Runs the solution, the release with nothing written, and the solution with small mistakes, hidden tests
    included, and says which questions pass with nothing written, which checks never fail, how long it takes, and
    where marks are missing. The exit status is 1 if anything is found. What runs has your rights.

    \b
    Example:  mograder lint A1 --mutants 40
    """
    found, failed = [], False
    with runs() as place:
        for text in items:
            try:
                report = _linted(_item(text, course_dir), place, mutants, timeout)
            except (MograderError, OSError) as error:
                click.echo(f"mograder: {' '.join(str(error).split())}", err=True)
                found.append({"item": text, "error": str(error)})
                failed = True
                continue
            found.append(report.to_json())
            failed = failed or bool(report.findings)
            if not as_json:
                click.echo("\n".join(_lines(report)))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    context.exit(1 if failed else 0)


def _item(text: str, course_dir: Path) -> Item:
    return item_at(Path(text)) if is_path(text) else item_named(Course.load(course_dir), text)


def _linted(item: Item, place: Runs, mutants: int, timeout: float) -> Report:
    plan = plan_release(item, Neighbours(item.directory.parent, item.directory.parent))
    for note in plan.notes:
        click.echo(f"note: {note}", err=True)
    return lint(plan, place.start, limit=mutants, timeout_s=timeout)


def _lines(report: Report) -> Iterator[str]:
    times = ", ".join(f"the {what} runs for {seconds:.1f} s" for what, seconds in report.seconds.items())
    yield f"{report.item}: {times}"
    yield from (f"  {finding}." for finding in report.findings)
    for label, _, count in report.noticed:
        yield f"  {label}: notices {count} of {report.mutants} mutants"
    yield from (f"  note: {finding}." for finding in report.unnoticed)
    count = len(report.findings)
    yield f"  {'nothing' if not count else 'one thing' if count == 1 else f'{count} things'} to look at."
