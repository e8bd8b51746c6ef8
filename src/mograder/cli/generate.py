"""``mograder generate``: what students get, made from the source."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from mograder.cli.proving import runs, timeout_option
from mograder.course import Course
from mograder.errors import MograderError, NotProven
from mograder.generate.items import Item, is_path, item_at, item_named
from mograder.generate.kinds import Neighbours
from mograder.generate.plan import Plan, plan_notebook, plan_release
from mograder.generate.preview import preview_release
from mograder.generate.write import Proof, write_release
from mograder.notebook.markers import HIDDEN_TESTS, SOLUTION, find_blocks
from mograder.proving.proof import begin

EXAMPLES = """\b
Examples:
  mograder generate A1                  source/A1-…/ to release/A1-…/
  mograder generate A1 A2 --dry-run     show what would change
  mograder generate source/L01-Intro --lecture
"""


@dataclass
class _Run:
    """One run of the command: what was asked for, and whether anything failed."""

    course_dir: Path
    output: Path | None
    lecture: bool
    failed: bool = False
    items: dict[Path, Item] = field(default_factory=dict)

    @functools.cached_property
    def course(self) -> Course:
        return Course.load(self.course_dir)

    @functools.cached_property
    def directory(self) -> Path:
        """Where releases go; a course is needed only to know the usual place."""
        return self.output or self.course.release_dir

    def find(self, text: str) -> None:
        item = item_at(Path(text)) if is_path(text) else item_named(self.course, text)
        self.items[item.directory] = item

    def neighbours(self, item: Item) -> Neighbours:
        lectures = [other.name for other in self.items.values()] if self.lecture else []
        return Neighbours(item.directory.parent, self.directory, lectures)

    def plan(self, item: Item) -> Plan:
        plan = plan_release(item, self.neighbours(item), as_lecture=self.lecture)
        for note in plan.notes:
            say_note(note)
        return plan

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """What goes wrong with one item is said in a line, and the others go on."""
        try:
            yield
        except MograderError as error:
            for problem in error.problems if isinstance(error, NotProven) else ():
                click.echo(" ".join(problem.split()), err=True)
            click.echo(f"mograder: {' '.join(str(error).split())}", err=True)
            self.failed = True
        except OSError as error:
            click.echo(f"mograder: {what}: {error}", err=True)
            self.failed = True


def say_note(note: str) -> None:
    """Something that the author should know, on standard error."""
    click.echo(f"note: {note}", err=True)


@click.command(name="generate", epilog=EXAMPLES)
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
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write DIR/<name>/ instead of release/<name>/.",
)
@click.option("--dry-run", is_flag=True, help="Show a diff against what is there, write nothing.")
@click.option("--validate", is_flag=True, help="Check the markers only, write nothing.")
@click.option(
    "--no-validate",
    "unproven",
    is_flag=True,
    help="Write it without proving that the solution passes and that nothing written does not.",
)
@timeout_option
@click.option("--lecture", is_flag=True, help="Treat the items as lectures, whatever their headers say.")
@click.pass_context
def command(
    context: click.Context,
    items: tuple[str, ...],
    course_dir: Path,
    output: Path | None,
    dry_run: bool,
    validate: bool,
    unproven: bool,
    timeout: float,
    lecture: bool,
) -> None:
    """Make the release of each ITEM: its name, a unique prefix of it, or a path.

    First the solution is run, which must pass all its checks, and the release with nothing written, which must
    start and pass none. They run with your rights.
    """
    run = _Run(course_dir, output, lecture)
    for text in items:
        with run.trying(text):
            run.find(text)
    if not (validate or dry_run):
        _generate(run, None if unproven else timeout)
    else:
        _each(run, _validate if validate else _preview)
    context.exit(1 if run.failed else 0)


def _each(run: _Run, action: Callable[[_Run, Item], None]) -> None:
    for item in run.items.values():
        with run.trying(item.name):
            action(run, item)


def _generate(run: _Run, timeout: float | None) -> None:
    """Write all items that can be; those that can not do not stop the others. ``timeout``: None proves nothing."""
    planned: list[tuple[Plan, Proof | None]] = []
    with runs() as place:
        for item in run.items.values():
            with run.trying(item.name):
                plan = run.plan(item)
                proof = timeout and begin(plan, place.start, say_note, timeout_s=timeout)
                planned.append((plan, proof or None))
        for plan, each in planned:
            with run.trying(plan.item.name):
                _write(run, plan, each)


def _write(run: _Run, plan: Plan, proof: Proof | None) -> None:
    changed = write_release(plan, run.directory, prove=proof)
    files = 1 + len(plan.files) + plan.has_zip
    state = f"{plan.type}, {files} file{'s' if files > 1 else ''}" if changed else "unchanged"
    click.echo(f"{plan.item.name}: {state}", err=True)
    click.echo(run.directory / plan.item.name)


def _preview(run: _Run, item: Item) -> None:
    difference = preview_release(run.plan(item), run.directory)
    click.echo(difference, nl=False)
    if not difference:
        click.echo(f"{item.name}: unchanged", err=True)


def _validate(run: _Run, item: Item) -> None:
    source, _, kind = plan_notebook(item, run.neighbours(item), as_lecture=run.lecture)
    kinds = [block.kind for block in find_blocks(source)]
    found = f"{kinds.count(SOLUTION)} solution and {kinds.count(HIDDEN_TESTS)} hidden-tests blocks"
    click.echo(f"{item.name}: ok, {found if kind == 'assignment' else 'a lecture'}")
