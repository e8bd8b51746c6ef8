"""Publishing into a course on this machine, without a hub in between."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from mograder.course import Course
from mograder.environments import Step
from mograder.errors import NotFound
from mograder.hub.packages import Packages, course_environments
from mograder.hub.releases import ItemType, Release, Releases
from mograder.notebook import metadata

T = TypeVar("T")


def publish_locally(course: Course, name: str, *, confined: bool = True) -> Release:
    """Prepare the environment of ``release/<name>`` and put the item up, unless the same is up already.

    ``confined``: its packages are tried in a sandbox.
    """
    files = read_release(course.release_dir / name)
    notebook = files[f"{name}.py"]
    releases = Releases(course.published_dir)
    there = releases.find(name)
    packages = Packages(course_environments(course, confined=confined))
    if there is not None and there.lock() and {file: there.read(file) for file in there.files} == files:
        with_steps(name, lambda say: packages.ready_now(there, say))
        return there
    lock, _ = with_steps(name, lambda say: packages.prepare(notebook, name, say))
    type_ = ItemType(str(metadata.read(notebook.decode()).get("mograder-type", "assignment")))
    return releases.install(name, files, type_, lock.text)


def read_release(directory: Path) -> dict[str, bytes]:
    """The top-level files of a release, by name; dotfiles are left out. Raises NotFound."""
    if not (directory / f"{directory.name}.py").is_file():
        raise NotFound(
            f"There is no {directory}/{directory.name}.py.", tip=f"mograder generate {directory.name}"
        )
    return {
        entry.name: entry.read_bytes()
        for entry in sorted(directory.iterdir())
        if entry.is_file() and not entry.is_symlink() and not entry.name.startswith(".")
    }


def with_steps(name: str, work: Callable[[Callable[[Step], None]], T]) -> T:
    """Run ``work``, showing its steps: on a terminal in one line that moves, else a line each."""
    moving = sys.stderr.isatty()

    def say(step: Step) -> None:
        click.echo(
            f"\r\x1b[K{name}: {step.text}" if moving else f"{name}: {step.text}", nl=not moving, err=True
        )

    result = work(say)
    if moving:
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(f"{name}: ready", err=True)
    return result
