"""mograder.validation.scratch"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mograder.errors import NameRefused
from mograder.validation.scratch import scratch


def test_it_is_private_holds_the_files_and_is_gone_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    with scratch(tmp_path, {"A1.py": b"x", "data.csv": tmp_path / "data.csv"}) as place:
        assert stat.S_IMODE(place.root.stat().st_mode) == 0o700
        assert (place.work / "A1.py").read_bytes() == b"x"
        assert (place.work / "data.csv").read_text() == "1,2"
        assert place.home.is_dir()
        assert len(str(place.temporary)) < 60
        temporary = place.temporary
    assert not temporary.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.parametrize("name", ["../x", "a/../b", "/a", "a//b", "a/.hidden", ".hidden", ""])
def test_a_file_can_not_be_put_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(NameRefused), scratch(tmp_path, {name: b""}):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_plain_file_is_read_from_any_place_up_to_a_limit(tmp_path: Path) -> None:
    with scratch(tmp_path, {}) as place:
        (place.out / "r").write_bytes(b"0123456789")
        assert place.read("r", 4) == b"0123"
        assert place.read("r", 4, offset=8) == b"89"
        assert place.read("r", 4, offset=99) == b""
        assert place.read("absent", 4) is None


def test_links_pipes_and_directories_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    with scratch(tmp_path, {}) as place:
        (place.out / "link").symlink_to(secret)
        os.mkfifo(place.out / "pipe")
        (place.out / "directory").mkdir()
        assert [place.read(name, 9) for name in ("link", "pipe", "directory")] == [None, None, None]


def test_a_directory_that_was_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "r").write_text("secret")
    with scratch(tmp_path, {}) as place:
        place.out.rmdir()
        place.out.symlink_to(elsewhere)
        assert place.read("r", 9) is None


def test_a_tree_deeper_than_python_recurses_and_closed_to_its_owner_is_deleted(tmp_path: Path) -> None:
    with scratch(tmp_path, {}) as place:
        here = os.getcwd()
        os.chdir(place.work)
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        os.chdir(here)
        (place.home / "closed").mkdir(mode=0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_place_goes_into_a_directory(tmp_path: Path) -> None:
    with scratch(tmp_path, {"a/b/c": b"1", "a/d": b"2"}) as made:
        assert (made.work / "a" / "b" / "c").read_bytes() == b"1"
        assert (made.work / "a" / "d").read_bytes() == b"2"
