"""What several tests share of what a hub makes for itself: environments, files for browsers."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from mograder.environments import Environment, Environments, Lock, Requirements, provided
from mograder.hub.gateway import asset_store
from mograder.marimo_adapter.assets import static_files

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
def kept_environment(*packages: str) -> Environment:
    """The environment of notebooks that ask for these packages, kept in the user's cache directory."""
    environments = Environments(_kept() / f"environments-{provided.digest()[:12]}")
    return environments.ready(environments.resolve(Requirements(packages)))


@functools.cache
def compressed_files() -> Path:
    """What a hub makes of marimo's static files for browsers, kept likewise."""
    files = static_files(kept_environment("marimo").python)
    code = hashlib.sha256(Path(asset_store.__file__).read_bytes()).hexdigest()
    store = asset_store.AssetStore(_kept() / f"assets-{code[:12]}")
    store.add(files.version, files.directory)
    if files.version not in store.complete:
        store.compress(files.version)
    return store.cache


def lend(course: Path, *packages: str) -> None:
    """Give a course that never had a hub what that would make first for ``packages``: making it takes seconds.

    The files are links to those of the originals, which nobody may write to. Elsewhere than on one file system with
    them, the course makes its own.
    """
    state = course / ".mograder"
    environments = state / "environments"
    if environments.exists():
        return
    lent = kept_environment(*packages)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    environments.mkdir()
    for original, place in (lent.root, environments / lent.id), (compressed_files(), state / "assets"):
        if subprocess.run(["cp", "-al", original, place], check=False, capture_output=True).returncode:
            subprocess.run(["rm", "-rf", place], check=True)


def _kept() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mograder-tests"
