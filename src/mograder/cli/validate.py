"""``mograder validate``: run notebooks and say which checks pass."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mograder.course import file_name
from mograder.environments import Environments, Requirements, Step, remembered
from mograder.errors import MograderError, NameRefused, NotFound, TooLarge
from mograder.notebook.read import parse_notebook
from mograder.validation.fixing import fix
from mograder.validation.model import ValidationResult
from mograder.validation.prepare import NOTEBOOK_LIMIT
from mograder.validation.process_runner import ProcessRunner
from mograder.validation.run import ValidationJob, validate


@dataclass(frozen=True)
class _Options:
    """What is the same for every notebook of one command."""

    timeout: float
    release: bytes | None
    fix: bool


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("notebooks", nargs=-1, required=True, metavar="NOTEBOOK...", type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds that one notebook may run.",
)
@click.option(
    "--release",
    type=click.Path(path_type=Path),
    help="The released notebook, or its directory: its checks are the ones that count.",
)
@click.option(
    "--fix",
    "fix_files",
    is_flag=True,
    help="Write the release's check and marks cells into the file; the old one is kept beside it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
def command(
    notebooks: tuple[Path, ...], timeout: float, release: Path | None, fix_files: bool, as_json: bool
) -> None:
    """Run each NOTEBOOK to its end with its own packages, and print PASS or FAIL for each check.

    The exit status is 1 if anything fails. A copy is run, beside copies of the files that lie beside it; it runs
    with your rights, so look at a stranger's notebook first.

    \b
    Example:  mograder validate A1.py --release release/A1
    """
    if fix_files and release is None:
        raise click.UsageError("--fix needs --release PATH: the cells come from there.")
    options = _Options(timeout, _release(release).read_bytes() if release else None, fix_files)
    environments = Environments(cache_directory() / "environments")
    outcomes = [_outcome(path, options, environments, as_json) for path in notebooks]
    if as_json:
        click.echo(json.dumps([found for _, found in outcomes], indent=2, ensure_ascii=False))
    if not all(passed for passed, _ in outcomes):
        sys.exit(1)


def cache_directory() -> Path:
    """Where this command keeps environments (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "mograder"


def _outcome(
    path: Path, options: _Options, environments: Environments, as_json: bool
) -> tuple[bool, dict[str, Any]]:
    """Whether ``path`` passes, and what was found; printed at once unless as JSON at the end."""
    try:
        result = _validated(path, options, environments)
    except (MograderError, OSError) as error:
        message = f"{path}: {error.strerror}." if isinstance(error, OSError) else str(error)
        if not as_json:
            click.echo(f"{path}\n  FAIL  {message}")
        return False, {"notebook": str(path), "error": message}
    if not as_json:
        click.echo("\n".join(_lines(path, result)))
    return result.passed, {"notebook": str(path), **result.to_json()}


def _validated(path: Path, options: _Options, environments: Environments) -> ValidationResult:
    if options.fix and options.release is not None and (archive := fix(path, options.release)):
        click.echo(f"{path}: the release's cells were written; before, it was {archive.name}", err=True)
    if path.stat().st_size > NOTEBOOK_LIMIT:
        raise TooLarge(
            f"{path.name} is larger than the {NOTEBOOK_LIMIT // 1_000_000} MB that a notebook may have."
        )
    notebook = path.read_bytes()
    text = parse_notebook(notebook, limit=NOTEBOOK_LIMIT, name=path.name).text  # before packages are fetched
    requirements = Requirements.from_notebook(text, name=path.name)
    lock = remembered(environments, requirements)
    environment = environments.ready(lock, _say(path), requirements)
    job = ValidationJob(
        notebook=notebook,
        name=path.name,
        python=environment.python,
        release=options.release,
        files=dict(_beside(path)),
        timeout_s=options.timeout,
    )
    return validate(job, ProcessRunner())


def _say(path: Path) -> Callable[[Step], None]:
    return lambda step: click.echo(f"{path}: {step.text}", err=True)


def _release(path: Path) -> Path:
    """The released notebook that ``path`` means: itself, or the one in a directory of its name."""
    if not path.is_dir():
        if path.is_file():
            return path
        raise NotFound(f"There is no release at {path}.")
    inside = path / f"{path.resolve().name}.py"
    if not inside.is_file():
        raise NotFound(f"There is no {inside.name} in {path}.", tip="name the notebook itself.")
    return inside


def _beside(path: Path) -> Iterator[tuple[str, Path]]:
    """The files that a notebook may read: visible, in its own directory."""
    for other in sorted(path.resolve().parent.iterdir()):
        if other.name != path.name and other.is_file() and ".bak-" not in other.name:
            try:
                yield file_name(other.name), other
            except NameRefused:
                continue  # a hidden file, or a name that no release can have


def _lines(path: Path, result: ValidationResult) -> Iterator[str]:
    yield str(path)
    for check in result.checks:
        waiting = "  (waiting for code)" if check.status == "warn" else ""
        yield f"  {'PASS' if check.status == 'success' else 'FAIL'}  {check.label}{waiting}"
        if check.status != "success":
            yield from (f"          {detail}" for detail in check.details)
    for error in result.cell_errors:
        yield f"  FAIL  in {error.cell!r}: {error.message}"
    if result.export_error:
        yield f"  {'note' if result.export_ok else 'FAIL'}  {result.export_error}"
    for warning in result.integrity_warnings:
        yield f"  note  {warning}"
    passing = sum(check.status == "success" for check in result.checks)
    yield f"  {passing} of {len(result.checks)} checks pass."
