"""``mograder.trees``: whatever a student left, it can be removed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mograder.trees import remove_tree
from tests.support.trees import dig


def test_a_tree_of_files_and_directories_is_gone(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for path in ("a/b/c", "a/d", "e"):
        (top / path).mkdir(parents=True)
        (top / path / "file").write_text("x")
    remove_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_3000_directories_deep_is_gone(tmp_path: Path) -> None:
    dig(tmp_path / "top", 3000)
    remove_tree(tmp_path / "top")
    assert list(tmp_path.iterdir()) == []


def test_depth_costs_no_descriptors(tmp_path: Path) -> None:
    dig(tmp_path / "top", 200)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, hard))
    try:
        remove_tree(tmp_path / "top")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_what_they_point_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("precious")
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True)
    (top / "link").symlink_to(kept)
    (top / "inner" / "link").symlink_to(kept, target_is_directory=True)
    (top / "inner" / "hard").hardlink_to(kept / "file")
    os.mkfifo(top / "inner" / "fifo")
    remove_tree(top)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
    assert (kept / "file").read_text() == "precious"


def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("precious")
    (tmp_path / "top").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "top")
    assert (tmp_path / "kept" / "file").exists()


def test_names_that_are_no_text_are_removed(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    for name in (b"\xff\xfe", b"a\nb", b"x" * 255):
        (Path(os.fsdecode(os.path.join(os.fsencode(tmp_path / "top"), name)))).mkdir()
    remove_tree(tmp_path / "top")
    assert not (tmp_path / "top").exists()


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")


@pytest.mark.skipif(os.geteuid() != 0, reason="root drops its rights here; another user has none to drop")
def test_directories_closed_to_their_owner_are_gone(tmp_path: Path) -> None:
    place = Path("/var/tmp") / f"mograder-trees-{os.getpid()}"
    place.mkdir(mode=0o755)
    code = (
        "import os, sys; from pathlib import Path; from mograder.trees import remove_tree\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "top = Path(sys.argv[1], 'top'); (top / 'a/b/c').mkdir(parents=True); (top / 'a/b/file').write_text('x')\n"
        "for d in ('a/b/c', 'a/b', 'a', ''): (top / d).chmod(0)\n"
        "remove_tree(top); sys.exit(top.exists())"
    )
    os.chmod(place, 0o777)
    try:
        done = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    finally:
        remove_tree(place)
