"""An update of a copy: ``mograder.hub.updates``, ``origins``, ``merging`` and ``children``, on real files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.errors import Conflict
from mograder.hub import updates as updates_module
from mograder.hub.history import History
from mograder.hub.origins import Origins
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable, OriginTable
from mograder.hub.updates import Offer, Updates
from mograder.hub.workspaces import FileStatus, Workspaces
from mograder.notebook.merge import Choice

NOTEBOOK = """import marimo

app = marimo.App()


@app.cell
def _():
    data = {data}
    return (data,)


@app.cell
def _():
    answer = {answer}
    return (answer,)


if __name__ == "__main__":
    app.run()
"""


def notebook(data: object = 1, answer: object = None) -> bytes:
    return NOTEBOOK.format(data=data, answer=answer).encode()


class Desk:
    """Everything that an update needs, on a database of its own."""

    def __init__(self, root: Path) -> None:
        self.engine = open_database(root / "hub.db")
        self.releases = Releases(root / "published")
        self.history = History(root / "history")
        self.origins = Origins(root / "origins", OriginTable(self.engine))
        self.workspaces = Workspaces(
            root / "work", self.history, CopyTable(self.engine), began=self.origins.began
        )
        self.updates = Updates(self.workspaces, self.history, self.origins)

    def publish(self, text: bytes, **files: bytes) -> Release:
        named = {name.replace("_", "."): data for name, data in files.items()}
        return self.releases.install("A1", {"A1.py": text, **named}, ItemType.ASSIGNMENT)

    @property
    def release(self) -> Release:
        return self.releases.get("A1")

    def write(self, text: bytes, name: str = "A1.py") -> None:
        (self.workspaces.path("ada", "A1") / name).write_bytes(text)

    def read(self, name: str = "A1.py") -> bytes:
        return (self.workspaces.path("ada", "A1") / name).read_bytes()

    def look(self) -> Offer:
        return asyncio.run(self.updates.look("ada", self.release))

    def update(self, seal: str = "", **choices: str) -> Offer:
        chosen = {key.removeprefix("c"): Choice(word) for key, word in choices.items()}
        return asyncio.run(self.updates.apply("ada", self.release, chosen, seal))

    def undo(self) -> None:
        asyncio.run(self.updates.undo("ada", "A1"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.publish(notebook(), data_csv=b"old", own_csv=b"old")
    made.workspaces.ensure("ada", made.release)
    yield made
    made.engine.dispose()


def test_a_copy_of_what_is_published_has_no_update(desk: Desk) -> None:
    assert not desk.origins.outdated("ada", desk.release)
    assert desk.look().merge is None
    with pytest.raises(Conflict, match="already"):
        desk.update()


def test_who_changed_nothing_gets_the_new_release_and_is_unchanged(desk: Desk) -> None:
    desk.publish(notebook(data=2), data_csv=b"new", own_csv=b"old", more_csv=b"more")
    assert desk.origins.outdated("ada", desk.release)
    offer = desk.update()
    assert (offer.added, offer.replaced, offer.kept) == (("more.csv",), ("data.csv",), ())
    assert (desk.read(), desk.read("data.csv"), desk.read("more.csv")) == (notebook(data=2), b"new", b"more")
    assert not desk.origins.outdated("ada", desk.release)
    assert desk.workspaces.status("ada", "A1") is FileStatus.UPLOADED


def test_answers_stay_and_the_rest_follows(desk: Desk) -> None:
    desk.write(notebook(answer=42))
    desk.write(b"mine", "own.csv")
    desk.publish(notebook(data=2), data_csv=b"new", own_csv=b"new")
    offer = desk.update()
    assert offer.merge is not None
    assert (offer.merge.followed, offer.merge.kept, offer.merge.conflicts, offer.kept) == (
        1,
        1,
        (),
        ("own.csv",),
    )
    assert desk.read() == notebook(data=2, answer=42)
    assert desk.read("own.csv") == b"mine"
    assert desk.workspaces.status("ada", "A1") is FileStatus.MODIFIED


def test_a_cell_that_both_changed_is_the_students_choice(desk: Desk) -> None:
    desk.write(notebook(answer=42))
    desk.publish(notebook(answer="...  # better hint"))
    (conflict,) = desk.look().merge.conflicts  # type: ignore[union-attr]
    assert "42" in str(conflict.mine)
    assert "better hint" in str(conflict.new)
    with pytest.raises(Conflict, match="no part 7"):
        desk.update(c7="new")
    desk.update(c1="new")
    assert b"better hint" in desk.read()


def test_what_was_changed_since_it_was_looked_at_is_left_alone(desk: Desk) -> None:
    desk.publish(notebook(data=2))
    seal = desk.look().seal
    desk.write(notebook(answer=42))
    with pytest.raises(Conflict, match="changed since you looked"):
        desk.update(seal)
    assert desk.read() == notebook(answer=42)
    seal = desk.look().seal
    desk.publish(notebook(data=3))
    with pytest.raises(Conflict, match="changed since you looked"):
        desk.update(seal)


def test_files_in_directories_follow_and_are_undone_like_others(desk: Desk) -> None:
    desk.publish(notebook(data=0), **{"images/plot": b"1", "lib/own": b"1"})
    desk.update()
    assert desk.read("images/plot") == b"1"
    desk.write(b"mine", "lib/own")
    desk.publish(notebook(data=2), **{"images/plot": b"2", "lib/own": b"2", "new/er": b"2"})
    offer = desk.update()
    assert (offer.added, offer.replaced, offer.kept) == (("new/er",), ("images/plot",), ("lib/own",))
    assert (desk.read("images/plot"), desk.read("lib/own"), desk.read("new/er")) == (b"2", b"mine", b"2")
    desk.undo()
    assert (desk.read("images/plot"), desk.read()) == (b"1", notebook(data=0))


def test_undo_after_two_updates_of_an_unchanged_notebook_undoes_the_second(desk: Desk) -> None:
    """Both replaced the same notebook: its version must not be taken for the first one's."""
    desk.publish(notebook(), data_csv=b"second")
    desk.update()
    desk.publish(notebook(), data_csv=b"third")
    desk.update()
    desk.undo()
    assert (desk.read(), desk.read("data.csv")) == (notebook(), b"second")


def test_undo_brings_everything_back_and_the_update_again(desk: Desk) -> None:
    desk.write(notebook(answer=42))
    desk.publish(notebook(data=2), data_csv=b"new", own_csv=b"old")
    desk.update()
    desk.write(notebook(data=2, answer=43))
    assert desk.look().can_undo
    desk.undo()
    assert (desk.read(), desk.read("data.csv")) == (notebook(answer=42), b"old")
    assert desk.origins.outdated("ada", desk.release)
    kept = {desk.history.read("ada", "A1", version.id)[1] for version in desk.history.versions("ada", "A1")}
    assert notebook(data=2, answer=43) in kept
    with pytest.raises(Conflict, match="nothing to undo"):
        desk.undo()
    desk.update()
    assert desk.read() == notebook(data=2, answer=42)


def test_an_update_that_is_broken_off_is_made_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(notebook(answer=42))
    desk.publish(notebook(data=2), data_csv=b"new", own_csv=b"old")
    real = desk.workspaces.put_file

    def dies(user: str, item: str, name: str, data: bytes, reason: str) -> object:
        if name == "A1.py":
            raise OSError("killed")
        return real(user, item, name, data, reason)

    monkeypatch.setattr(desk.workspaces, "put_file", dies)
    with pytest.raises(OSError, match="killed"):
        desk.update()
    assert desk.read() == notebook(answer=42)
    monkeypatch.undo()
    desk.update()
    assert (desk.read(), desk.read("data.csv")) == (notebook(data=2, answer=42), b"new")


def test_a_notebook_that_is_none_is_left_alone_and_said_so(desk: Desk) -> None:
    desk.write(b"this is (not python")
    desk.publish(notebook(data=2))
    with pytest.raises(Conflict, match=r"can not be put into your notebook: A1\.py:1"):
        desk.update()
    assert desk.read() == b"this is (not python"


def test_a_release_that_nobody_remembers_makes_every_difference_a_question(desk: Desk) -> None:
    for kept in (desk.workspaces.path("ada", "A1").parents[2] / "origins" / "A1").iterdir():
        kept.unlink()
    desk.write(notebook(answer=42))
    desk.publish(notebook(data=2))
    offer = desk.look()
    assert offer.merge is not None
    assert len(offer.merge.conflicts) == 2
    assert updates_module.REASON not in {v.reason for v in desk.history.versions("ada", "A1")}


def test_a_reset_begins_anew(desk: Desk) -> None:
    release = desk.publish(notebook(data=2))
    desk.workspaces.reset("ada", release)
    assert not desk.origins.outdated("ada", release)
    assert not desk.origins.can_go_back("ada", "A1")
