"""``mograder.hub.remembered`` and ``mograder.hub.store.by_user``: what is kept is never what was."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from mograder.hub.remembered import RESTED_NS, Remembered, mark
from mograder.hub.store.by_user import ByUser

LONG_AGO = RESTED_NS * 10


def rested() -> int:
    """A time at which whatever was written until now has rested."""
    return time.time_ns() + LONG_AGO


def test_a_value_is_recalled_while_its_file_is_the_same(tmp_path: Path) -> None:
    file, known = tmp_path / "a", Remembered[str]()
    file.write_text("one")
    known.learn("a", (mark(str(file)),), "one", rested())
    assert known.recall("a", (mark(str(file)),)) == "one"
    assert known.recall("b", (mark(str(file)),)) is None


def test_a_change_that_hides_its_time_is_seen(tmp_path: Path) -> None:
    file, known = tmp_path / "a", Remembered[str]()
    file.write_text("one")
    before = file.stat()
    known.learn("a", (mark(str(file)),), "one", rested())
    time.sleep(0.02)  # a tick of the file system's clock
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns and file.stat().st_size == before.st_size
    assert known.recall("a", (mark(str(file)),)) is None


def test_another_file_of_the_same_name_a_missing_one_and_a_second_name_are_changes(tmp_path: Path) -> None:
    file, known = tmp_path / "a", Remembered[str]()
    file.write_text("one")
    known.learn("a", (mark(str(file)),), "one", rested())
    (tmp_path / "b").write_text("one")
    (tmp_path / "b").replace(file)
    assert known.recall("a", (mark(str(file)),)) is None
    known.learn("a", (mark(str(file)),), "one", rested())
    os.link(file, tmp_path / "c")
    assert known.recall("a", (mark(str(file)),)) is None
    file.unlink()
    assert mark(str(file)) == () and known.recall("a", ((),)) is None


def test_nothing_is_kept_of_a_file_that_was_changed_just_now(tmp_path: Path) -> None:
    file, known = tmp_path / "a", Remembered[str]()
    file.write_text("one")
    known.learn("a", (mark(str(file)),), "one", time.time_ns())
    assert known.recall("a", (mark(str(file)),)) is None


def test_what_is_kept_is_bounded() -> None:
    known = Remembered[int](room=3)
    for number in range(10):
        known.learn(number, (), number, rested())
    assert sum(known.recall(number, ()) is not None for number in range(10)) <= 3


def test_a_table_is_read_once_for_a_person_until_it_is_changed() -> None:
    table, reads = {"ada": 1, "bob": 1}, []

    def read(user: str) -> int:
        reads.append(user)
        return table[user]

    answers = ByUser(read)
    assert [answers.get("ada"), answers.get("ada"), answers.get("bob")] == [1, 1, 1]
    with answers.changing("ada"):
        table["ada"] = 2
    assert answers.get("ada") == 2
    assert reads == ["ada", "bob", "ada"]


def test_what_is_read_while_it_is_changed_is_not_kept() -> None:
    table, answers = {"ada": 1}, ByUser(lambda user: table[user])
    entered, seen = threading.Event(), []
    reader = threading.Thread(target=lambda: (entered.wait(), seen.append(answers.get("ada"))))
    reader.start()
    with answers.changing("ada"):
        entered.set()
        table["ada"] = 2
    reader.join()
    assert seen == [2] and answers.get("ada") == 2


def test_a_change_that_fails_is_asked_for_again() -> None:
    answers = ByUser(lambda user: 1)
    try:
        with answers.changing("ada"):
            raise OSError
    except OSError:
        pass
    assert answers.get("ada") == 1
