"""mograder.environments.recall"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mograder.environments import Environments, Lock, Requirements, remembered
from mograder.environments.recall import FRESH_SECONDS
from mograder.errors import EnvironmentFailed

PIN = "marimo==0.25.2\n"


class Index(Environments):
    """Environments whose index answers what it is told, and counts how often it was asked."""

    asked = 0
    answer: Lock | None = Lock(PIN)

    def resolve(self, requirements: Requirements) -> Lock:
        self.asked += 1
        if self.answer is None:
            raise EnvironmentFailed("The index can not be reached.")
        return self.answer


def age(index: Index) -> None:
    for path in (index.root / "resolved").iterdir():
        old = path.stat().st_mtime - FRESH_SECONDS - 1
        os.utime(path, (old, old))


def test_the_same_packages_are_resolved_once_a_day(tmp_path: Path) -> None:
    index = Index(tmp_path)
    requirements = Requirements(("numpy",))
    assert remembered(index, requirements).text == remembered(index, requirements).text == PIN
    assert index.asked == 1
    remembered(index, Requirements(("pandas",)))
    assert index.asked == 2
    age(index)
    remembered(index, requirements)
    assert index.asked == 3


def test_without_the_index_an_older_answer_has_to_do(tmp_path: Path) -> None:
    index = Index(tmp_path)
    remembered(index, Requirements())
    age(index)
    index.answer = None
    assert remembered(index, Requirements()).text == PIN
    with pytest.raises(EnvironmentFailed, match="can not be reached"):
        remembered(index, Requirements(("numpy",)))


def test_a_remembered_lock_that_was_damaged_is_made_anew(tmp_path: Path) -> None:
    index = Index(tmp_path)
    remembered(index, Requirements())
    [kept] = (tmp_path / "resolved").iterdir()
    kept.write_text("-r /etc/passwd\n")
    assert remembered(index, Requirements()).text == PIN
    assert index.asked == 2


def test_what_is_remembered_is_no_environment_to_prune(tmp_path: Path) -> None:
    index = Index(tmp_path)
    remembered(index, Requirements())
    assert index.prune(keep=()) == []
    assert remembered(index, Requirements()).text == PIN
    assert index.asked == 1


def test_a_python_that_does_not_fit_is_said_whatever_is_remembered(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="asks for Python"):
        remembered(Index(tmp_path), Requirements(requires_python=">=4"))
