"""``mograder.hub.packages``: whose fault it is that packages can not be had."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mograder.environments import Environments, Lock, Requirements
from mograder.errors import EnvironmentFailed, IndexUnreachable, MograderError, UnusablePackages
from mograder.hub.packages import Packages
from mograder.hub.releases import ItemType, Release, Releases
from tests.support.hub import NOTEBOOK

PINS = "marimo==0.25.2 \\\n    --hash=sha256:" + "0" * 64 + "\n"


class Failing(Environments):
    """Has nothing ready, and fails to build with ``error``; ``asked`` is what it was told for its message."""

    def __init__(self, root: Path, error: MograderError) -> None:
        super().__init__(root)
        self.error = error
        self.asked: Requirements | None = None

    def ready(self, lock: Lock, on_step: Any = None, asked: Requirements | None = None) -> Any:
        self.asked = asked
        raise self.error


def release(root: Path, text: str) -> Release:
    return Releases(root).install("A1", {"A1.py": text.encode()}, ItemType.ASSIGNMENT, PINS)


def opened(packages: Packages, item: Release) -> EnvironmentFailed:
    with pytest.raises(EnvironmentFailed) as caught:
        asyncio.run(packages.ready(item))
    return caught.value


def test_who_publishes_is_told_that_the_header_is_wrong_and_who_opens_that_the_hub_is(tmp_path: Path) -> None:
    environments = Failing(tmp_path, UnusablePackages("A1.py:3: marimo can not be had.", tip="another one."))
    packages = Packages(environments)
    error = opened(packages, release(tmp_path, NOTEBOOK.format(title="x")))
    assert (error.status, str(error)) == (500, "A1.py:3: marimo can not be had. Tip: another one.")
    assert packages.problem("A1") == "A1.py:3: marimo can not be had."
    assert environments.asked is not None
    assert environments.asked.where("marimo") == "A1.py:3"


def test_an_index_that_is_away_stays_a_reason_to_try_again(tmp_path: Path) -> None:
    packages = Packages(Failing(tmp_path, IndexUnreachable("It does not answer.")))
    assert opened(packages, release(tmp_path, NOTEBOOK.format(title="x"))).status == 503


def test_a_header_that_was_broken_by_hand_does_not_hide_why_its_lock_can_not_be_built(tmp_path: Path) -> None:
    environments = Failing(tmp_path, EnvironmentFailed("The disk is full."))
    item = release(tmp_path, NOTEBOOK.format(title="x"))
    (item.directory / "A1.py").write_text("# /// script\n# dependencies = [\n# ///\n")
    assert opened(Packages(environments), item).message == "The disk is full."
    assert environments.asked is not None
    assert environments.asked.source == "A1.py"
