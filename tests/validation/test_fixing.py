"""mograder.validation.fixing"""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from mograder.errors import NotANotebook
from mograder.validation.fixing import fix
from tests.validation.notebooks import cell, check, notebook

ANSWER = cell("# YOUR CODE HERE\nx = 1")
RELEASE = notebook(ANSWER, check("Q1", (False, "right"))).encode()
NOW = datetime.datetime(2026, 11, 23, 9, 30, tzinfo=datetime.UTC)


def test_the_releases_cells_are_written_and_the_old_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "A1.py"
    forged = notebook(ANSWER, check("Q1", (True, "right")))
    path.write_text(forged)
    path.chmod(0o640)
    archive = fix(path, RELEASE, now=NOW)
    assert archive == tmp_path / "A1.py.bak-20261123T093000"
    assert archive.read_text() == forged
    assert "(False, 'right')" in path.read_text()
    assert "x = 1" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [path, archive]


def test_a_file_that_is_right_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "A1.py"
    path.write_bytes(RELEASE)
    assert fix(path, RELEASE) is None
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_archive_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "A1.py"
    path.write_text(notebook(ANSWER))
    (tmp_path / "A1.py.bak-20261123T093000").write_text("older")
    with pytest.raises(FileExistsError):
        fix(path, RELEASE, now=NOW)
    assert path.read_text() == notebook(ANSWER)
    assert (tmp_path / "A1.py.bak-20261123T093000").read_text() == "older"


def test_what_is_no_notebook_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "A1.py"
    path.write_text("print(1)\n")
    with pytest.raises(NotANotebook):
        fix(path, RELEASE)
    assert list(tmp_path.iterdir()) == [path]
