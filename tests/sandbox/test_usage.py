"""Measuring what a student made, with bounded work and without being led astray."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mograder.sandbox import usage
from tests.sandbox.world import UNPRIVILEGED, World

LOTS = 1 << 40


def measure(root: Path, *, max_bytes: int = LOTS, max_inodes: int = 10_000) -> int:
    return usage.tree(root, max_bytes=max_bytes, max_inodes=max_inodes)


def test_files_in_all_directories_count(tmp_path: Path) -> None:
    empty = measure(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= measure(tmp_path) - empty < 130_000


def test_a_sparse_file_counts_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 34)
    assert measure(tmp_path) < 1 << 20


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "up").symlink_to("/usr")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert measure(tmp_path, max_inodes=10) < 1 << 20


def test_a_link_in_the_place_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr")
    with pytest.raises(OSError, match="link"):
        measure(tmp_path / "link")


def test_too_many_bytes_or_files_end_the_count(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_bytes(b"x" * 100_000)
    with pytest.raises(usage.TooMuch, match="more than 10 files"):
        measure(tmp_path, max_inodes=10)
    with pytest.raises(usage.TooMuch, match="more than 1 MiB"):
        measure(tmp_path, max_bytes=1 << 20)


def test_directories_too_deep_to_look_into_are_too_much(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(usage.MAX_DEPTH + 5):
        here = here / "d"
        here.mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(usage.TooMuch, match="nested deeper"):
        measure(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_open_file_without_a_name_still_counts(tmp_path: Path) -> None:
    before = usage.deleted_bytes([os.getpid()], tmp_path)  # what pytest holds open
    with (tmp_path / "gone").open("wb") as file:
        file.write(b"x" * 200_000)
        file.flush()
        (tmp_path / "gone").unlink()
        assert 200_000 <= usage.deleted_bytes([os.getpid()], tmp_path) - before < 300_000
    assert usage.deleted_bytes([os.getpid()], tmp_path) < before + 100_000


def test_a_mapped_file_without_a_name_and_descriptor_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    path.write_bytes(b"x" * 200_000)
    descriptor = os.open(path, os.O_RDWR)
    with mmap.mmap(descriptor, 200_000):
        os.close(descriptor)
        path.unlink()
        # Python's mmap keeps a descriptor of its own; either way it has to be seen.
        assert usage.deleted_bytes([os.getpid()], tmp_path) >= 200_000


def test_memory_of_a_process() -> None:
    me = os.getpid()
    assert 0 < usage.proportional_bytes(me) <= usage.resident_bytes(me) * 1.1
    assert usage.threads(me) >= 1


def test_a_process_that_is_gone_takes_nothing() -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    gone = done.pid
    assert (usage.resident_bytes(gone), usage.proportional_bytes(gone), usage.threads(gone)) == (0, 0, 0)
    assert usage.deleted_bytes([gone], Path("/tmp")) == 0
    assert usage.scratch_bytes(gone, ["/tmp"]) == 0


def test_a_process_with_a_name_that_is_no_text_is_measured() -> None:
    rename = "import ctypes; ctypes.CDLL(None).prctl(15, b') \\xff\\xfe 1 (', 0, 0, 0);"
    rename += "print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as odd:
        assert odd.stdout is not None
        assert odd.stdin is not None
        odd.stdout.readline()
        assert usage.threads(odd.pid) == 1
        odd.communicate(b"\n")


@pytest.mark.real
def test_a_directory_that_its_owner_closed_is_measured_all_the_same(world: World) -> None:
    """As an ordinary user: for root nothing is closed."""
    root = world.student("closer")
    (root / "closed").mkdir()
    (root / "closed" / "file").write_bytes(b"x" * 100_000)
    os.chown(root / "closed", UNPRIVILEGED, UNPRIVILEGED)
    (root / "closed").chmod(0)
    program = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(world.packages)!r})
from mograder.sandbox import usage
print(usage.tree(Path({str(root)!r}), max_bytes=1 << 40, max_inodes=1000))
"""
    assert int(world.python(program)) > 100_000
