"""Publishing into a course on this machine, without a hub in between."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import click

from mograder.course import Course, file_path, is_cache
from mograder.environments import Step
from mograder.errors import NotFound, TooLarge, UnsafeFile
from mograder.hub.packages import Packages, course_environments
from mograder.hub.releases import (
    MAX_PUBLISHED_BYTES,
    MAX_PUBLISHED_FILES,
    ItemType,
    Release,
    Releases,
    check_places,
)
from mograder.hub.visibility import ALWAYS
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
    if there is not None and there.lock() and {file: there.read(file) for file in there.everything} == files:
        with_steps(name, lambda say: packages.ready_now(there, say))
        return there
    lock, _ = with_steps(name, lambda say: packages.prepare(notebook, name, say))
    type_ = ItemType(str(metadata.read(notebook.decode()).get("mograder-type", "assignment")))
    window = ALWAYS if there is None else there.window
    return releases.install(name, files, type_, lock.text, window)


def read_release(directory: Path) -> dict[str, bytes]:
    """The files of a release by their places (``images/plot.png``); dotfiles and caches are left out.

    Raises:
        NotFound: there is no notebook of this name. UnsafeFile: a symbolic link, or something that is no file.
        NameRefused: a name that a hub would not take. TooLarge: more than a hub takes; nothing was read then.
    """
    if not (directory / f"{directory.name}.py").is_file():
        raise NotFound(
            f"There is no {directory}/{directory.name}.py.", tip=f"mograder generate {directory.name}"
        )
    sizes = dict(_sizes(directory))
    places = {entry: file_path(entry.relative_to(directory).as_posix()) for entry in sizes}
    if len(sizes) > MAX_PUBLISHED_FILES:
        raise TooLarge(
            f"{directory.name} holds {len(sizes)} files, and a hub takes {MAX_PUBLISHED_FILES}.",
            tip="put them into a zip that the notebook opens.",
        )
    if sum(sizes.values()) > MAX_PUBLISHED_BYTES:
        largest = max(sizes, key=lambda entry: sizes[entry])
        raise TooLarge(
            f"{directory.name} holds {sum(sizes.values()) / 1e6:.0f} MB, and a hub takes "
            f"{MAX_PUBLISHED_BYTES / 1e6:.0f} MB; the largest is {places[largest]} with {sizes[largest] / 1e6:.0f} MB.",
            tip="let the notebook download it.",
        )
    check_places(places.values())
    return {place: _read(entry) for entry, place in places.items()}


def _sizes(directory: Path) -> Iterator[tuple[Path, int]]:
    """Each file below and its bytes."""
    for entry in sorted(directory.iterdir()):
        if is_cache(entry.name):
            continue
        status = entry.lstat()
        if stat.S_ISDIR(status.st_mode):
            yield from _sizes(entry)
        elif stat.S_ISREG(status.st_mode):
            yield entry, status.st_size
        else:
            what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "neither a file nor a directory"
            raise UnsafeFile(
                f"{entry} is {what}, so it can not be published.", tip="put a copy of the file in its place."
            )


def _read(entry: Path) -> bytes:
    """The bytes of a file that was no link a moment ago."""
    descriptor = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(MAX_PUBLISHED_BYTES)


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
