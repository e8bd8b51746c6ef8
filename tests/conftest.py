"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import RunningHub, make_course, running


@pytest.fixture(scope="session")
def course_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for courses that is not below /tmp, where marimo's editor does not save by itself."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="mograder-tests-", dir="/var/tmp"))


@pytest.fixture(scope="session")
def hub(course_root: Path) -> Iterator[RunningHub]:
    """One hub in dev mode for all tests that do not need their own."""
    with running(make_course(course_root / "shared")) as up:
        yield up
