"""``mograder.hub.identity.roster``: who may enter, as the file says now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.identity.roster import Roster, parse


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "allowed_users.txt"


def test_without_a_list_everybody_may_enter(path: Path) -> None:
    assert Roster(path).admits("ada")


def test_with_a_list_those_on_it_may_enter(path: Path) -> None:
    path.write_text("ada\n  bob  # from next week on\n# eve\n\n")
    assert [Roster(path).admits(name) for name in ("ada", "bob", "eve", "", "# eve")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_an_empty_list_admits_nobody(path: Path) -> None:
    path.touch()
    assert not Roster(path).admits("ada")


def test_a_change_counts_at_once(path: Path) -> None:
    roster = Roster(path)
    path.write_text("ada\n")
    assert roster.admits("ada")
    path.write_text("bob\n")
    assert not roster.admits("ada")
    path.unlink()
    assert roster.admits("ada")
    path.write_text("bob\n")
    assert not roster.admits("ada")


def test_a_list_put_in_place_with_the_size_and_time_of_the_old_one_counts(path: Path, tmp_path: Path) -> None:
    roster = Roster(path)
    path.write_text("ada\n")
    assert roster.admits("ada")
    status = path.stat()
    new = tmp_path / "new"
    new.write_text("bob\n")
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)
    assert roster.admits("bob")


def test_a_list_that_did_not_change_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("ada\n")
    roster = Roster(path)
    assert roster.admits("ada")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("read again"))
    assert roster.admits("ada")


def test_a_list_that_can_not_be_read_admits_nobody_and_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    roster = Roster(path)
    assert not any(roster.admits("ada") for _ in range(3))
    assert caplog.text.count("only instructors may enter") == 1
    path.rmdir()
    path.write_text("ada\n")
    assert roster.admits("ada")


def test_a_list_written_on_another_system_is_understood(path: Path) -> None:
    path.write_bytes("\ufeffada\r\nju\u0308rgen\r\n".encode())
    assert Roster(path).admits("ada")
    assert Roster(path).admits("jürgen")


def test_a_list_with_bytes_that_are_no_text_admits_the_others(path: Path) -> None:
    path.write_bytes(b"ada\n\xff\xfe\nbob\n")
    assert Roster(path).admits("bob")


@given(st.text())
def test_any_text_is_a_list_of_names(text: str) -> None:
    for name in parse(text):
        assert name == name.strip() != ""
        assert "#" not in name
        assert len(name.splitlines()) == 1
