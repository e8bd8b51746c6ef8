"""``mograder.sessions.places``: a session's own directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mograder.errors import SessionFailed
from mograder.sessions import places
from mograder.sessions.launchers.base import LOG_LIMIT


def test_a_directory_is_for_nobody_else(tmp_path: Path) -> None:
    places.make(tmp_path / "sessions" / "one")
    assert (tmp_path / "sessions" / "one").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_can_not_be_made_is_a_failed_start(tmp_path: Path) -> None:
    (tmp_path / "sessions").touch()
    with pytest.raises(SessionFailed, match="no room for an open notebook"):
        places.make(tmp_path / "sessions" / "one")


def test_what_is_left_of_a_session_is_cleared(tmp_path: Path) -> None:
    for name in ("one", "scratch"):
        (tmp_path / name / "deep").mkdir(parents=True)
    places.clear([tmp_path / "one", None, tmp_path / "scratch", tmp_path / "nothing"])
    assert os.listdir(tmp_path) == []


def test_only_directories_that_somebody_knows_are_kept(tmp_path: Path) -> None:
    for name in ("known", "orphan"):
        (tmp_path / name).mkdir()
    places.clear_orphans(tmp_path, {tmp_path / "known"})
    places.clear_orphans(tmp_path / "nowhere", set())
    assert os.listdir(tmp_path) == ["known"]


def test_a_writer_that_appends_goes_on_after_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x" * (LOG_LIMIT + 1))
        places.cap_log(path)
        writer.write(b"more")
    assert path.read_bytes() == b"more"


def test_a_log_that_is_not_there_is_not_cut(tmp_path: Path) -> None:
    places.cap_log(tmp_path / "output.log")
    assert os.listdir(tmp_path) == []
