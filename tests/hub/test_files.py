"""``mograder.hub.files``: nothing that a student puts into a workspace is followed, waited for or half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import MograderError, NotFound, TooLarge, Unavailable, UnsafeFile
from mograder.hub import files
from mograder.hub.files import Directory
from mograder.trees import remove_tree
from tests.hub.conftest import TRAPS
from tests.support.trees import dig

MB = 1 << 20


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Directory]:
    (tmp_path / "w").mkdir()
    with Directory.trusted(tmp_path / "w") as directory:
        yield directory
    remove_tree(tmp_path / "w")  # some are deeper than what tidies up after pytest can go


def test_what_was_written_is_read_back(place: Directory) -> None:
    place.write("a.py", b"one")
    assert place.read("a.py", MB) == b"one"
    place.write("a.py", b"two")
    assert place.read("a.py", MB) == b"two"
    assert place.names() == ["a.py"]


def test_a_missing_file_is_not_found(place: Directory) -> None:
    with pytest.raises(NotFound, match=r'no file "a\.py"'):
        place.read("a.py", MB)


def test_a_file_below_is_read_by_its_path(place: Directory) -> None:
    with place.sub("data", create=True) as below:
        below.write("x.csv", b"1")
    assert place.read("data/x.csv", MB) == b"1"


@pytest.mark.parametrize("trap", TRAPS, indirect=True)
@pytest.mark.timeout(60)  # opening a FIFO the ordinary way never ends
def test_a_trap_is_refused_and_its_content_stays_secret(trap: Path) -> None:
    with Directory.trusted(trap) as directory, pytest.raises((UnsafeFile, TooLarge)) as caught:
        directory.read("A1.py", MB)
    assert "SECRET" not in str(caught.value)
    assert '"A1.py"' in str(caught.value)


@pytest.mark.parametrize("trap", TRAPS, indirect=True)
@pytest.mark.timeout(60)
def test_without_openat2_a_trap_is_refused_too(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.sys, "platform", "other")
    with Directory.trusted(trap) as directory, pytest.raises((UnsafeFile, TooLarge)):
        directory.read("A1.py", MB)


@pytest.mark.parametrize("trap", TRAPS, indirect=True)
@pytest.mark.timeout(60)
def test_writing_over_a_trap_touches_nothing_behind_it(trap: Path) -> None:
    with Directory.trusted(trap) as directory:
        directory.write("A1.py", b"new", aside=True)
        assert directory.read("A1.py", MB) == b"new"
    assert (trap.parent / "secret").read_text() == "SECRET"
    (aside,) = trap.glob("A1.py.aside-*")
    if aside.is_dir():
        assert (aside / "work.py").read_text() == "mine"


def test_a_link_on_the_way_is_not_followed(place: Directory, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("SECRET")
    (tmp_path / "w" / "data").symlink_to(tmp_path / "outside")
    with pytest.raises(UnsafeFile):
        place.read("data/x", MB)
    with pytest.raises(UnsafeFile):
        place.sub("data")


def test_a_link_to_proc_leads_nowhere(place: Directory, tmp_path: Path) -> None:
    (tmp_path / "w" / "me").symlink_to("/proc/self/environ")
    with pytest.raises(UnsafeFile):
        place.read("me", MB)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../secret",
        "a/../../b",
        "/etc/passwd",
        "a//b",
        "a/",
        "a\0b",
        "x" * 4001,
        "a/" * 40 + "b",
    ],
)
def test_a_path_that_leads_outside_is_refused(place: Directory, path: str) -> None:
    with pytest.raises(UnsafeFile):
        place.read(path, MB)
    with pytest.raises(UnsafeFile):
        place.write(path, b"")


@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text("./a\0\\", max_size=12))
def test_no_path_reads_what_is_beside_the_workspace(path: str) -> None:
    with tempfile.TemporaryDirectory() as top:
        (Path(top) / "secret").write_text("SECRET")
        (Path(top) / "w").mkdir()
        with Directory.trusted(Path(top) / "w") as directory, contextlib.suppress(NotFound, UnsafeFile):
            assert directory.read(path, MB) != b"SECRET"


def test_a_file_over_the_limit_is_too_large(place: Directory) -> None:
    place.write("a", b"x" * 101)
    with pytest.raises(TooLarge):
        place.read("a", 100)
    assert place.read("a", 101) == b"x" * 101


@pytest.mark.timeout(60)
def test_a_file_that_grows_while_it_is_read_ends_at_the_limit(place: Directory, tmp_path: Path) -> None:
    path = tmp_path / "w" / "log"
    path.write_bytes(b"x" * 1000)
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * 65536)
                file.flush()
                if file.tell() > 64 * MB:
                    return

    grower = threading.Thread(target=grow)
    grower.start()
    try:
        with pytest.raises(TooLarge):
            while True:
                assert len(place.read("log", 2 * MB)) <= 2 * MB
    finally:
        stop.set()
        grower.join()


def test_swapping_a_file_for_a_link_never_shows_the_secret(place: Directory, tmp_path: Path) -> None:
    secret, path = tmp_path / "secret", tmp_path / "w" / "A1.py"
    secret.write_bytes(b"SECRET")
    stop = threading.Event()

    def swap() -> None:
        plain, link = tmp_path / "w" / "plain", tmp_path / "w" / "link"
        while not stop.is_set():
            plain.write_bytes(b"harmless")
            plain.replace(path)
            link.symlink_to(secret)
            link.replace(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen, end = set(), time.monotonic() + 1
    try:
        while time.monotonic() < end:
            with contextlib.suppress(NotFound, UnsafeFile):
                seen.add(place.read("A1.py", MB))
    finally:
        stop.set()
        swapper.join()
    assert seen == {b"harmless"}


def test_swapping_files_while_the_hub_writes_leaves_the_secret_alone(
    place: Directory, tmp_path: Path
) -> None:
    secret, path = tmp_path / "secret", tmp_path / "w" / "A1.py"
    secret.write_bytes(b"SECRET")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                path.unlink()
            with contextlib.suppress(OSError):
                path.symlink_to(secret)
            with contextlib.suppress(OSError):
                path.unlink()
            with contextlib.suppress(OSError):
                path.mkdir()
            with contextlib.suppress(OSError):
                path.rmdir()

    swapper = threading.Thread(target=swap)
    swapper.start()
    end, written = time.monotonic() + 1, 0
    try:
        while time.monotonic() < end:
            with contextlib.suppress(MograderError):  # a directory came back in between: said, not lost
                place.write("A1.py", b"new")
                written += 1
    finally:
        stop.set()
        swapper.join()
    assert written > 0
    assert secret.read_bytes() == b"SECRET"
    assert not list((tmp_path / "w").glob(".*.part"))


def test_a_tree_3000_deep_is_walked_as_far_as_is_sensible(place: Directory, tmp_path: Path) -> None:
    dig(tmp_path / "w" / "deep", 3000)
    (tmp_path / "w" / "deep" / "near").write_text("x")
    assert [entry.path for entry in place.walk()] == ["deep/near"]


def test_a_walk_survives_directories_whose_paths_are_too_long(place: Directory, tmp_path: Path) -> None:
    here = os.open(tmp_path / "w", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 255, dir_fd=here)
        below = os.open("d" * 255, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert list(place.walk()) == []


def test_a_walk_names_files_that_are_no_text(place: Directory, tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[31m", "ü".encode()):
        Path(os.fsdecode(bytes(tmp_path / "w") + b"/" + name)).write_bytes(b"x")
    found = {entry.path for entry in place.walk()}
    assert found == {"\udcff\udcfe", "a\nb", "\x1b[31m", "ü"}
    for path in found:
        assert place.read(path, MB) == b"x"


def test_a_walk_skips_links_and_what_is_no_file(place: Directory, tmp_path: Path) -> None:
    (tmp_path / "w" / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "w" / "fifo")
    place.write("a", b"x")
    assert [entry.path for entry in place.walk()] == ["a"]


def test_a_walk_ends_at_too_many_files(
    place: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_ENTRIES", 10)
    for number in range(11):
        place.write(str(number), b"")
    with pytest.raises(TooLarge, match="more than 10 files"):
        list(place.walk())


def test_a_directory_in_place_of_a_name_is_moved_aside_not_lost(place: Directory, tmp_path: Path) -> None:
    (tmp_path / "w" / "A1.py").mkdir()
    (tmp_path / "w" / "A1.py" / "work").write_text("mine")
    place.write("A1.py", b"new")
    (aside,) = (tmp_path / "w").glob("A1.py.aside-*")
    assert (aside / "work").read_text() == "mine"


def test_a_name_that_is_taken_stays_as_it_is_if_it_may_not_be_replaced(place: Directory) -> None:
    place.write("a", b"old")
    with pytest.raises(FileExistsError):
        place.write("a", b"new", replace=False)
    assert (place.read("a", MB), place.names()) == (b"old", ["a"])


def test_what_is_removed_is_gone_and_removing_nothing_is_fine(place: Directory) -> None:
    place.write("a", b"x")
    place.remove("a")
    place.remove("a")
    assert place.names() == []


def test_kinds_are_told_without_following_links(place: Directory, tmp_path: Path) -> None:
    place.write("file", b"")
    (tmp_path / "w" / "link").symlink_to("file")
    place.sub("directory", create=True).close()
    kinds = [place.kind(name) for name in ("file", "directory", "link", "nothing")]
    assert kinds == ["file", "directory", "other", "missing"]


def test_a_hub_that_is_root_gives_its_files_to_the_directorys_owner(place: Directory, tmp_path: Path) -> None:
    os.chown(tmp_path / "w", 12345, 12346)
    place.write("a", b"x")
    status = (tmp_path / "w" / "a").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (12345, 12346, 0o644)


def test_directories_on_the_way_are_made_for_the_same_people(place: Directory, tmp_path: Path) -> None:
    os.chown(tmp_path / "w", 12345, 12346)
    (tmp_path / "w").chmod(0o770)
    place.put("images/deep/plot.png", b"x")
    for path in ("images", "images/deep"):
        status = (tmp_path / "w" / path).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12345, 12346, 0o770)
    assert place.read("images/deep/plot.png", 10) == b"x"


@pytest.mark.parametrize("lay", ["link", "file", "pipe"])
def test_what_is_in_the_way_of_a_directory_is_moved_aside_and_not_followed(
    place: Directory, tmp_path: Path, lay: str
) -> None:
    way, elsewhere = tmp_path / "w" / "images", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if lay == "link":
        way.symlink_to(elsewhere)
    elif lay == "file":
        way.write_text("mine")
    else:
        os.mkfifo(way)
    with pytest.raises(UnsafeFile), place.parent("images/plot.png"):
        pass
    place.put("images/plot.png", b"x")
    assert (way / "plot.png").read_bytes() == b"x"
    assert list(elsewhere.iterdir()) == []
    (aside,) = (tmp_path / "w").glob("images.aside-*")
    assert lay != "file" or aside.read_text() == "mine"


def test_a_full_disk_leaves_the_old_file_whole_and_says_so(small_disk: Path) -> None:
    with Directory.trusted(small_disk) as directory:
        directory.write("A1.py", b"old")
        with pytest.raises(Unavailable, match=r'disk is full.*"A1.py" was not written.*unchanged'):
            directory.write("A1.py", b"x" * MB)
        assert directory.read("A1.py", MB) == b"old"
        assert directory.names() == ["A1.py"]


def test_a_disk_without_names_left_is_full_in_the_same_words(small_disk: Path) -> None:
    with Directory.trusted(small_disk) as directory:
        with pytest.raises(Unavailable, match="disk is full"):
            for number in range(100):
                directory.sub(str(number), create=True).close()
        with pytest.raises(Unavailable, match="disk is full"):
            Directory.trusted(small_disk / "one" / "more", create=True)


def test_a_disk_that_may_not_be_written_is_said_in_a_sentence(small_disk: Path) -> None:
    with Directory.trusted(small_disk) as directory:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(MograderError, match=r'"A1.py" could not be written \(Read-only file system\)'):
            directory.write("A1.py", b"x")


WRITER = """
import sys
from pathlib import Path
from mograder.hub.files import Directory
with Directory.trusted(Path(sys.argv[1])) as directory:
    print("up", flush=True)
    while True:
        for letter in b"ab":
            directory.write("A1.py", bytes([letter]) * 300_000)
"""


def test_a_hub_killed_while_it_writes_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "A1.py").write_bytes(b"a" * 300_000)
    for round_ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "up\n"
            time.sleep(0.003 * round_)  # somewhere in the middle of something
            writer.send_signal(signal.SIGKILL)
        assert (tmp_path / "A1.py").read_bytes() in (b"a" * 300_000, b"b" * 300_000)
