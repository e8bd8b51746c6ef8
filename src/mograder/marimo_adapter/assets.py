"""Where an installed marimo keeps its static files, found without running anything of its environment."""

from __future__ import annotations

import re
from importlib.metadata import DistributionFinder, MetadataPathFinder
from pathlib import Path
from typing import NamedTuple

from mograder.errors import EnvironmentFailed

_ASKED_FOR = re.compile(r'(?:src|href)="\./(assets/[\w.-]+\.(?:js|css))"')


class StaticFiles(NamedTuple):
    """The browser's half of one marimo: ``directory`` holds ``index.html`` and ``assets/``."""

    directory: Path
    version: str


def static_files(python: Path) -> StaticFiles:
    """The static files of the marimo that ``python`` (an environment's interpreter) would import.

    Reads the environment's package metadata; its interpreter is not started and its code is not imported.
    Raises ``EnvironmentFailed``.
    """
    for site in _site_packages(python):
        wanted = DistributionFinder.Context(name="marimo", path=[str(site)])
        found = next(iter(MetadataPathFinder.find_distributions(wanted)), None)
        directory = site / "marimo" / "_static"
        if found is not None and (directory / "index.html").is_file():
            return StaticFiles(directory, found.version)
    raise EnvironmentFailed(
        "The environment of {python} has no marimo with static files.",
        tip="publish the item again, so that its environment is built anew",
        python=python,
    )


def first_files(directory: Path) -> tuple[str, ...]:
    """The scripts and styles that the editor's page asks for at once, below ``directory``. Raises OSError."""
    page = (directory / "index.html").read_text(encoding="utf-8", errors="replace")
    return tuple(dict.fromkeys(_ASKED_FOR.findall(page)))


def _site_packages(python: Path) -> list[Path]:
    # Not resolved: the interpreter in a virtual environment is a link to one whose packages are others.
    root = python.absolute().parent.parent
    return [*sorted(root.glob("lib/python3.*/site-packages")), root / "Lib" / "site-packages"]
