"""``mograder.hub.overview``: a list that is quick and true, whatever has happened since the last look."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mograder.hub.history import History, digest
from mograder.hub.origins import Origins
from mograder.hub.overview import Asked, ItemState, Overview
from mograder.hub.releases import ItemType, Releases
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable, OriginTable, ResultTable, StoredResult
from mograder.hub.visibility import Window
from mograder.hub.workspaces import FileStatus, Workspaces
from mograder.sessions.model import SessionKey

TEXT = b"import marimo\n"


@dataclass
class Place:
    root: Path
    releases: Releases
    workspaces: Workspaces
    results: ResultTable
    live: dict[Any, Any]
    overview: Overview

    def known(self) -> tuple[ItemState, ...] | None:
        """What is told without reading a notebook."""
        (found,) = self.overview.known([Asked("ada", updates=True)])
        return found

    def items(self) -> tuple[ItemState, ...]:
        """As `Looks` finds them."""
        known = self.known()
        found = self.overview.items(Asked("ada", updates=True))
        assert known in (None, found)
        return found

    def names(self) -> list[str]:
        return [state.name for state in self.items()]

    def one(self, name: str) -> ItemState:
        (found,) = [state for state in self.items() if state.name == name]
        assert self.overview.item("ada", name) == found
        return found

    def rest(self) -> None:
        """Until a look may be remembered; what is tested is that it is forgotten in time."""
        time.sleep(0.15)
        self.overview.items(Asked("ada", updates=True))  # reads what is new,
        self.overview.items(Asked("ada", updates=True))  # and remembers it
        assert self.known() is not None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    engine = open_database(tmp_path / "state" / "hub.db")
    releases = Releases(tmp_path / "published")
    history = History(tmp_path / "history")
    origins = Origins(tmp_path / "origins", OriginTable(engine))
    workspaces = Workspaces(tmp_path / "work", history, CopyTable(engine), began=origins.began)
    results, live = ResultTable(engine), {}
    sessions = cast(Any, SimpleNamespace(get=live.get, of=lambda user: list(live.values())))
    overview = Overview(releases, workspaces, origins, results, sessions)
    releases.install("A1", {"A1.py": TEXT}, ItemType.ASSIGNMENT)
    releases.install("L1", {"L1.py": TEXT}, ItemType.LECTURE)
    yield Place(tmp_path, releases, workspaces, results, live, overview)
    engine.dispose()


def test_it_is_what_the_parts_say(place: Place) -> None:
    assert place.one("A1") == ItemState("A1", ItemType.ASSIGNMENT, FileStatus.NOT_STARTED, True, False)
    assert place.one("L1") == ItemState("L1", ItemType.LECTURE, None, True, False)
    place.workspaces.ensure("ada", place.releases.get("A1"))
    place.results.put("ada", "A1", StoredResult("d", 1.0, 1, 2, "{}"))
    assert place.one("A1") == ItemState("A1", ItemType.ASSIGNMENT, FileStatus.UPLOADED, True, False, 1, 2)


def test_a_result_is_of_the_copy_as_it_is_now_until_that_changes(place: Place) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    place.results.put("ada", "A1", StoredResult(digest(TEXT), 1.0, 2, 2, "{}"))
    assert place.one("A1").check_current
    place.rest()
    notebook = place.workspaces.path("ada", "A1") / "A1.py"
    notebook.write_bytes(TEXT + b"#")
    assert not place.one("A1").check_current
    assert (place.one("A1").passed, place.one("A1").total) == (2, 2)
    place.rest()
    notebook.write_bytes(TEXT)
    assert place.one("A1").check_current
    notebook.unlink()
    notebook.symlink_to("/etc/passwd")
    assert not place.one("A1").check_current


def test_a_change_by_hand_shows_at_once_after_any_number_of_looks(place: Place) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    notebook = place.workspaces.path("ada", "A1") / "A1.py"
    for content, status in [(TEXT + b"#", FileStatus.MODIFIED), (TEXT, FileStatus.UPLOADED)] * 2:
        place.rest()
        notebook.write_bytes(content)
        assert place.one("A1").file_status is status
        os.utime(notebook, (1, 1))
        assert place.one("A1").file_status is status
    place.rest()
    place.workspaces.export("ada", "A1")
    assert place.one("A1").file_status is FileStatus.EXPORTED
    place.rest()
    notebook.unlink()
    assert place.one("A1").file_status is FileStatus.NOT_STARTED
    notebook.symlink_to("/etc/passwd")
    assert place.one("A1").file_status is FileStatus.MODIFIED


def test_a_notebook_that_has_not_changed_is_not_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    place.rest()
    monkeypatch.setattr(place.workspaces, "notebook", lambda *_: pytest.fail("it was read"))
    assert place.one("A1").file_status is FileStatus.UPLOADED


def test_what_an_instructor_does_by_hand_in_the_published_directory_shows_at_once(place: Place) -> None:
    published = place.root / "published"
    place.rest()
    assert place.names() == ["A1", "L1"]
    (published / "A2").mkdir()
    (published / "A2" / "A2.py").write_bytes(TEXT)
    assert place.names() == ["A1", "A2", "L1"]
    place.rest()
    (published / "A2" / "files.json").write_text(json.dumps({"files": ["A2.py"], "type": "lecture"}))
    assert place.one("A2").type is ItemType.LECTURE
    place.rest()
    (published / "A2" / "files.json").write_text(json.dumps({"files": ["A2.py"], "type": "assignment"}))
    assert place.one("A2").type is ItemType.ASSIGNMENT
    place.rest()
    (published / "A2" / "data.csv").write_text("1")
    assert place.releases.get("A2").files == ("A2.py", "data.csv")
    place.rest()
    (published / "A2" / "A2.py").unlink()
    assert place.names() == ["A1", "L1"]
    place.rest()
    (published / "A1").rename(published / "A9")
    assert place.names() == ["L1"]  # A9 has no A9.py
    assert place.releases.find("A1") is None


def test_without_a_sound_index_the_notebook_is_asked_every_time(place: Place) -> None:
    published = place.root / "published" / "A2"
    published.mkdir()
    (published / "files.json").write_text("{")
    for type_ in ("lecture", "assignment", "lecture"):
        header = f'# /// script\n# mograder-type = "{type_}"\n# ///\n'
        (published / "A2.py").write_text(header)
        place.rest()
        assert place.one("A2").type == type_


def test_a_newer_release_is_said(place: Place) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    assert not place.one("A1").update_available
    place.rest()
    place.releases.install("A1", {"A1.py": TEXT + b"# new\n"}, ItemType.ASSIGNMENT)
    assert place.one("A1").update_available
    assert place.one("A1").file_status is FileStatus.UPLOADED


def test_while_nothing_changes_the_answer_is_the_same_object(place: Place) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    place.rest()
    assert place.known() is place.known() is place.items()
    assert place.overview.known([Asked("bob", updates=True)]) == [None]  # nobody has looked for him yet


def test_what_is_remembered_is_true_after_an_export_a_check_a_publication_and_a_start(place: Place) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    place.rest()
    place.workspaces.export("ada", "A1")
    assert place.one("A1").file_status is FileStatus.EXPORTED
    place.rest()
    place.results.put("ada", "A1", StoredResult(digest(TEXT), 1.0, 1, 2, "{}"))
    assert (place.one("A1").passed, place.one("A1").total) == (1, 2)
    place.rest()
    key = SessionKey("edit", "ada", "A1")
    place.live[key] = SimpleNamespace(key=key, live=True)
    assert place.one("A1").session_active
    place.rest()
    del place.live[key]
    assert not place.one("A1").session_active
    place.rest()
    place.releases.install("A2", {"A2.py": TEXT}, ItemType.LECTURE)
    assert place.names() == ["A1", "A2", "L1"]
    place.rest()
    place.releases.install("A2", {"A2.py": TEXT}, ItemType.ASSIGNMENT)
    assert place.one("A2").type is ItemType.ASSIGNMENT


def test_a_date_that_passes_shows_though_no_file_changes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = datetime(2030, 1, 1, tzinfo=UTC)
    place.releases.install("A2", {"A2.py": TEXT}, ItemType.ASSIGNMENT, window=Window(begin=opens))
    place.rest()
    clock = SimpleNamespace(now=lambda zone: opens - timedelta(seconds=1))
    monkeypatch.setattr("mograder.hub.overview.datetime", clock)
    assert place.names() == ["A1", "L1"]
    assert place.known() is not None
    clock.now = lambda zone: opens
    assert place.known() is not None and place.names() == ["A1", "A2", "L1"]
    (taught,) = [s for s in place.overview.items(Asked("prof", staff=True)) if s.name == "A2"]
    assert taught.visible
    clock.now = lambda zone: opens - timedelta(seconds=1)
    (taught,) = [s for s in place.overview.items(Asked("prof", staff=True)) if s.name == "A2"]
    assert not taught.visible


def test_a_notebook_that_was_changed_a_moment_ago_is_read_and_not_remembered(place: Place) -> None:
    place.workspaces.ensure("ada", place.releases.get("A1"))
    place.rest()
    (place.workspaces.path("ada", "A1") / "A1.py").write_bytes(TEXT + b"#")
    assert place.known() is None
    assert place.one("A1").file_status is FileStatus.MODIFIED
    assert place.known() is None  # it may have changed once more within a tick of the clock
