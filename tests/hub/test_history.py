"""``mograder.hub.history``: what was replaced is there, whole, once."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import Conflict, NameRefused, NotFound
from mograder.hub import history as history_module
from mograder.hub.history import History, digest


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history")


def place(tmp_path: Path) -> Path:
    return tmp_path / "history" / "ada" / "A1"


def test_a_kept_version_comes_back_whole(history: History) -> None:
    kept = history.keep("ada", "A1", "A1.py", b"work", "reset")
    version, data = history.read("ada", "A1", kept.id)
    assert data == b"work"
    assert version == kept
    assert (kept.reason, kept.file, kept.size) == ("reset", "A1.py", 4)
    assert kept.digest == hashlib.sha256(b"work").hexdigest()[:12] == digest(b"work")[:12]


def test_nobody_has_versions_before_something_was_replaced(history: History) -> None:
    assert history.versions("ada", "A1") == []


def test_versions_come_newest_first(history: History) -> None:
    for data in (b"one", b"two", b"three"):
        history.keep("ada", "A1", "A1.py", data, "upload")
    contents = [history.read("ada", "A1", v.id)[1] for v in history.versions("ada", "A1")]
    assert contents == [b"three", b"two", b"one"]


def test_the_newest_content_is_not_kept_twice(history: History) -> None:
    first = history.keep("ada", "A1", "A1.py", b"work", "reset")
    assert history.keep("ada", "A1", "A1.py", b"work", "upload") == first
    assert len(history.versions("ada", "A1")) == 1


def test_content_that_was_there_before_is_kept_again_in_its_order(history: History) -> None:
    for data in (b"one", b"two", b"one"):
        history.keep("ada", "A1", "A1.py", data, "upload")
    contents = [history.read("ada", "A1", v.id)[1] for v in history.versions("ada", "A1")]
    assert contents == [b"one", b"two", b"one"]


def test_files_of_one_item_are_told_apart(history: History) -> None:
    history.keep("ada", "A1", "A1.py", b"same", "reset")
    history.keep("ada", "A1", "data.csv", b"same", "reset")
    assert {v.file for v in history.versions("ada", "A1")} == {"A1.py", "data.csv"}


def test_files_of_one_name_in_several_directories_are_told_apart(history: History, tmp_path: Path) -> None:
    for file in ("plot.png", "images/plot.png", "images/old/plot.png"):
        history.keep("ada", "A1", file, b"work", "reset")
    assert [version.file for version in history.versions("ada", "A1")] == [
        "images/old/plot.png",
        "images/plot.png",
        "plot.png",
    ]
    assert all(path.is_file() for path in place(tmp_path).iterdir())


def test_people_and_items_are_told_apart(history: History) -> None:
    kept = history.keep("ada", "A1", "A1.py", b"work", "reset")
    assert history.versions("bob", "A1") == []
    for user, item in (("bob", "A1"), ("ada", "A2")):
        with pytest.raises(NotFound):
            history.read(user, item, kept.id)


def test_content_with_the_same_short_digest_is_kept_all_the_same(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        history_module, "digest", lambda data: "0" * 64
    )  # as if somebody had found a collision
    history.keep("ada", "A1", "A1.py", b"one", "upload")
    history.keep("ada", "A1", "A1.py", b"two", "upload")
    contents = {history.read("ada", "A1", v.id)[1] for v in history.versions("ada", "A1")}
    assert contents == {b"one", b"two"}


def test_files_put_there_by_hand_are_not_versions(history: History, tmp_path: Path) -> None:
    kept = history.keep("ada", "A1", "A1.py", b"work", "reset")
    for name in (
        "notes.txt",
        f"99999999T999999.999999Z_reset_{kept.digest}_A1.py",
        ".x.part",
        f"{kept.id}\n",
    ):
        (place(tmp_path) / name).write_text("x")
    (place(tmp_path) / kept.id.replace("reset", "upload")).mkdir()
    (place(tmp_path) / kept.id.replace("reset", "upload") / "A1.py").write_text("x")
    assert history.versions("ada", "A1") == [kept]


@given(st.text(st.characters(), max_size=60) | st.text("./\\0123456789abcdefTZ_-", max_size=60))
def test_no_version_name_from_outside_opens_anything_else(name: str) -> None:
    history = History(Path("/etc"))
    with pytest.raises(NotFound):
        history.read("ada", "A1", name)


@pytest.mark.parametrize("name", ["../../secret", "..", "/etc/passwd", ""])
def test_a_version_name_is_no_path(history: History, tmp_path: Path, name: str) -> None:
    history.keep("ada", "A1", "A1.py", b"work", "reset")
    (tmp_path / "history" / "secret").write_text("SECRET")
    with pytest.raises(NotFound):
        history.read("ada", "A1", name)


@pytest.mark.parametrize(("user", "item"), [("../bob", "A1"), ("ada", "../A1"), ("ada", "user"), ("", "A1")])
def test_crafted_names_are_refused(history: History, user: str, item: str) -> None:
    with pytest.raises(NameRefused):
        history.versions(user, item)


def test_the_longest_legal_names_have_a_history(history: History) -> None:
    user, item = "漢" * 64, "字" * 64
    history.keep(user, item, f"{item}.py", b"work", "download")
    history.keep(user, item, "é" * 100, b"data", "download")
    assert len(history.versions(user, item)) == 2


def test_a_full_history_says_so_and_keeps_what_it_has(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MAX_VERSIONS", 3)
    for number in range(3):
        history.keep("ada", "A1", "A1.py", b"%d" % number, "upload")
    with pytest.raises(Conflict, match="history of A1 is full, so nothing was replaced"):
        history.keep("ada", "A1", "A1.py", b"more", "upload")
    assert len(history.versions("ada", "A1")) == 3


def test_a_history_may_not_fill_the_disk(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_BYTES", 100)
    history.keep("ada", "A1", "A1.py", b"x" * 60, "upload")
    with pytest.raises(Conflict):
        history.keep("ada", "A1", "A1.py", b"y" * 60, "upload")


def test_times_are_utc_and_in_order(history: History) -> None:
    kept = [history.keep("ada", "A1", "A1.py", b"%d" % number, "upload") for number in range(3)]
    assert all(version.when.utcoffset() is not None for version in kept)
    assert all(one.when < two.when for one, two in itertools.pairwise(kept))
    assert [v.when for v in history.versions("ada", "A1")] == [v.when for v in reversed(kept)]
