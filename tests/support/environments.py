"""Environments that several tests share: built once in a test run."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

import pytest

from mograder.environments import Environment, Environments, Lock, Requirements, provided

NUMPY_NOTEBOOK = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "marimo",
#     "numpy>=1.26",
#     "mograder",
# ]
# ///
"""


def shared_environments(factory: pytest.TempPathFactory) -> Environments:
    """The directory of environments that belongs to this test run."""
    return Environments(factory.getbasetemp() / "shared-environments")


def numpy_lock(environments: Environments) -> Lock:
    """What a notebook with numpy resolves to today; resolved once in a test run."""
    kept = Path(environments.root).with_name("numpy.lock")
    if not kept.exists():
        kept.write_text(environments.resolve(Requirements.from_notebook(NUMPY_NOTEBOOK)).text)
    return Lock(kept.read_text())


@functools.cache
def with_marimo_alone() -> Environment:
    """The environment of notebooks that ask for marimo alone, kept in the user's cache directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mograder-tests"
    environments = Environments(cache / f"environments-{provided.digest()[:12]}")
    return environments.ready(environments.resolve(Requirements(("marimo",))))


def lend(course: Path) -> None:
    """Give a course that has no environments yet the one that most courses here need: making it takes seconds.

    Its files are links to those of the original, which nobody may write to. Elsewhere than on one file system with
    it, the course makes its own.
    """
    place = course / ".mograder" / "environments"
    if place.exists():
        return
    lent = with_marimo_alone()
    place.parent.mkdir(mode=0o700, exist_ok=True)
    place.mkdir()
    copied = subprocess.run(["cp", "-al", lent.root, place], check=False, capture_output=True)
    if copied.returncode:
        subprocess.run(["rm", "-rf", place], check=True)
