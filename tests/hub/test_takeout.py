"""``mograder.hub.takeout``: one zip of all work, whatever the files are called and whatever lies there."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.history import History
from mograder.hub.takeout import MISSING, safe_path, zipped
from mograder.hub.workspaces import Workspaces


class NoCopies:
    def get_copy(self, user: str, item: str) -> tuple[str | None, str | None]:
        return None, None

    def set_base(self, user: str, item: str, digest: str) -> None: ...

    def set_exported(self, user: str, item: str, digest: str) -> None: ...


@pytest.fixture
def workspaces(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "work", History(tmp_path / "history"), NoCopies())


def place(workspaces: Workspaces, item: str, files: dict[str, bytes]) -> Path:
    directory = workspaces.path("ada", item)
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def taken(workspaces: Workspaces) -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zipped(workspaces, "ada"))))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_every_copy_with_what_lies_beside_it_and_no_caches(workspaces: Workspaces) -> None:
    place(workspaces, "A1", {"A1.py": b"one", "data.csv": b"x" * 3_000_000, "plots/a.png": b"png"})
    place(
        workspaces, "Old-unpublished", {"Old-unpublished.py": b"two", "__marimo__/x": b"c", ".hidden": b"h"}
    )
    assert taken(workspaces) == {
        "A1/A1.py": b"one",
        "A1/data.csv": b"x" * 3_000_000,
        "A1/plots/a.png": b"png",
        "Old-unpublished/Old-unpublished.py": b"two",
    }


def test_who_has_nothing_gets_an_empty_archive(workspaces: Workspaces) -> None:
    assert taken(workspaces) == {}


def test_links_and_pipes_are_not_followed(workspaces: Workspaces, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    directory = place(workspaces, "A1", {"A1.py": b"one"})
    (directory / "link.txt").symlink_to(secret)
    (directory / "hard.txt").hardlink_to(secret)
    (directory / "dir").symlink_to(tmp_path)
    os.mkfifo(directory / "pipe")
    found = taken(workspaces)
    assert set(found) == {"A1/A1.py", MISSING}
    assert b"A1/hard.txt" in found[MISSING]
    assert b"canary" not in b"".join(found.values())


def test_names_that_no_system_unpacks_are_made_fit_and_stay_apart(workspaces: Workspaces) -> None:
    directory = place(
        workspaces, "A1", {"a\\b:c.txt": b"1", "a_b_c.txt": b"2", "A_B_C.TXT": b"3", "x\n.y": b"4"}
    )
    (directory / os.fsdecode(b"\xff.bin")).write_bytes(b"5")
    found = taken(workspaces)
    assert sorted(found.values()) == [b"1", b"2", b"3", b"4", b"5"]
    assert len({name.casefold() for name in found}) == 5
    assert not any(set(name) & set("\\:\n") for name in found)


def test_a_file_from_another_age_gets_a_date_that_zip_knows(workspaces: Workspaces) -> None:
    directory = place(workspaces, "A1", {"old": b"1", "new": b"2"})
    os.utime(directory / "old", (0, 0))
    os.utime(directory / "new", (1e11, 1e11))
    assert set(taken(workspaces)) == {"A1/old", "A1/new"}


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(lambda t: t not in (".", "..")))
def test_a_safe_path_never_leads_out(name: str) -> None:
    safe = safe_path(f"dir/{name}")
    assert safe.startswith("dir/")
    assert safe.count("/") == 1
    assert safe[4:] not in ("", ".", "..")
    assert "\\" not in safe
