"""``mograder.hub.renames``: two names change places in one step; a taken name is never taken over."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mograder.hub import renames


def refusing(*_: object) -> bool:
    raise OSError(errno.EINVAL, "this file system can not")


def test_two_directories_trade_places(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert renames.exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "other").exists()
    assert (tmp_path / "other" / "one").exists()


def test_a_missing_name_can_not_be_exchanged(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    with pytest.raises(FileNotFoundError):
        renames.exchange(tmp_path / "one", tmp_path / "other")


def test_a_file_system_that_can_not_exchange_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renames, "_call", refusing)
    assert not renames.exchange(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("supported", [True, False])
def test_a_free_name_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    if not supported:
        monkeypatch.setattr(renames, "_call", refusing)
    (tmp_path / "old").write_text("x")
    directory = os.open(tmp_path, os.O_RDONLY)
    renames.rename_to_free_name(directory, "old", "new")
    os.close(directory)
    assert (tmp_path / "new").stat().st_nlink == 1
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("supported", [True, False])
def test_a_taken_name_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    if not supported:
        monkeypatch.setattr(renames, "_call", refusing)
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    directory = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(FileExistsError):
        renames.rename_to_free_name(directory, "old", "new")
    os.close(directory)
    assert (tmp_path / "new").read_text() == "new"
    assert (tmp_path / "old").read_text() == "old"
