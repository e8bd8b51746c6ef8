"""Environments that several tests share: built once in a test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mograder.environments import Environments, Lock, Requirements

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
