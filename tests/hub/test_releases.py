"""``mograder.hub.releases``: an item is published whole or not at all, and is never away meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mograder.errors import Conflict, Malformed, NameRefused, NotFound, Unavailable
from mograder.hub import files as files_module
from mograder.hub import releases as releases_module
from mograder.hub.releases import ItemType, Releases, index_json

NOTEBOOK = b"import marimo\n"
LECTURE = b'# /// script\n# mograder-type = "lecture"\n# ///\nimport marimo\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "hub-release"


@pytest.fixture
def releases(root: Path) -> Releases:
    return Releases(root)


def by_hand(root: Path, name: str, notebook: bytes = NOTEBOOK, **files: bytes) -> Path:
    """An item as an instructor with a file manager puts it up."""
    (root / name).mkdir(parents=True)
    (root / name / f"{name}.py").write_bytes(notebook)
    for file, data in files.items():
        (root / name / file.replace("_", ".")).write_bytes(data)
    return root / name


def test_nothing_is_published_at_first(releases: Releases) -> None:
    assert releases.all() == ()
    assert releases.find("A1") is None
    with pytest.raises(NotFound, match=r'No release named "A1"\. Nothing is published yet'):
        releases.get("A1")


def test_a_published_item_has_its_files_and_its_index(releases: Releases, root: Path) -> None:
    files = {"A1.py": NOTEBOOK, "data.csv": b"1,2\n"}
    release = releases.install("A1", files, ItemType.ASSIGNMENT, lock="locked")
    assert (release.name, release.type, release.files) == ("A1", ItemType.ASSIGNMENT, ("A1.py", "data.csv"))
    assert release.notebook == "A1.py"
    assert {name: release.read(name) for name in release.files} == files
    assert release.lock() == "locked"
    index = json.loads((root / "A1" / "files.json").read_text())
    assert index == {"files": ["A1.py", "data.csv"], "type": "assignment"}


def test_files_in_directories_are_published_too(releases: Releases, root: Path) -> None:
    files = {
        "A1.py": NOTEBOOK,
        "images/plot.png": b"PNG",
        "images/deep/er.png": b"png",
        "lib/__init__.py": b"",
    }
    release = releases.install("A1", files, ItemType.ASSIGNMENT)
    assert release.files == ("A1.py",)
    assert {name: release.read(name) for name in release.everything} == files
    index = json.loads((root / "A1" / "files.json").read_text())
    assert index["files"] == ["A1.py"]  # who reads the index knows files, not directories
    assert (root / "A1" / "images" / "deep").stat().st_mode & 0o777 == 0o755
    (root / "A1" / "images" / "new.png").write_bytes(b"by hand")
    (root / "A1" / "images" / ".DS_Store").write_bytes(b"")
    (root / "A1" / "images" / "link.png").symlink_to("/etc/passwd")
    assert "images/new.png" in releases.get("A1").everything
    assert not {"images/.DS_Store", "images/link.png"} & {*releases.get("A1").everything}


def test_an_item_with_thousands_of_files_by_hand_is_served_without_them(
    releases: Releases, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.install("A1", {"A1.py": NOTEBOOK, "images/plot.png": b"PNG"}, ItemType.ASSIGNMENT)
    monkeypatch.setattr(files_module, "MAX_ENTRIES", 3)
    for number in range(5):
        (root / "A1" / "images" / f"{number}.png").write_bytes(b"")
    assert releases.get("A1").everything == ("A1.py",)


@pytest.mark.parametrize("twins", [("images/a.png", "Images/b.png"), ("x/a/b", "x/A/b"), ("data", "data/x")])
def test_places_that_are_one_on_some_computers_are_refused(
    releases: Releases, twins: tuple[str, str]
) -> None:
    with pytest.raises(NameRefused, match=r"case alone|a file and a directory"):
        releases.install("A1", {"A1.py": NOTEBOOK, **dict.fromkeys(twins, b"")}, ItemType.ASSIGNMENT)


def test_an_item_without_lock_has_none(releases: Releases) -> None:
    assert releases.install("A1", {"A1.py": NOTEBOOK}, ItemType.ASSIGNMENT).lock() is None


def test_items_are_listed_by_name(releases: Releases) -> None:
    for name in ("L01", "A2", "A1"):
        releases.install(name, {f"{name}.py": NOTEBOOK}, ItemType.LECTURE)
    assert [release.name for release in releases.all()] == ["A1", "A2", "L01"]


def test_a_name_that_is_not_published_lists_those_that_are(releases: Releases) -> None:
    releases.install("A1", {"A1.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    with pytest.raises(NotFound, match=r'No release named "A9"\. Published: A1'):
        releases.get("A9")


def test_publishing_again_replaces_every_file(releases: Releases) -> None:
    releases.install("A1", {"A1.py": NOTEBOOK, "old.csv": b""}, ItemType.ASSIGNMENT)
    release = releases.install("A1", {"A1.py": b"# new", "new.csv": b""}, ItemType.LECTURE)
    assert release.files == ("A1.py", "new.csv")
    assert release.type is ItemType.LECTURE
    assert release.read("A1.py") == b"# new"


@pytest.mark.parametrize("name", ["../x", "..", "files.json", ".environment.lock", "A1.py/..", "nothing", ""])
def test_only_an_items_own_files_are_read(releases: Releases, name: str) -> None:
    release = releases.install("A1", {"A1.py": NOTEBOOK}, ItemType.ASSIGNMENT, lock="x")
    with pytest.raises(NotFound, match=r"There: A1\.py"):
        release.read(name)


@pytest.mark.parametrize("name", ["..", "%2e%2e", "../A1", "user", "", "a/b", "/etc"])
def test_a_crafted_name_deletes_and_writes_nothing(releases: Releases, root: Path, name: str) -> None:
    releases.install("A1", {"A1.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    before = sorted(str(path) for path in root.parent.rglob("*"))
    with pytest.raises(NameRefused):
        releases.install(name, {f"{name}.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    assert sorted(str(path) for path in root.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "file",
    [
        "../x", ".hidden", "a\\b", "files.json", "x" * 201, "a\nb", ".environment.lock",
        "/a", "a//b", "a/", "a/../b", "a/.git/b", "__pycache__/b.pyc", "a/__marimo__/b", "x/" * 100 + "y", "A1.py/b",
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_served_stops_the_publish(releases: Releases, root: Path, file: str) -> None:
    with pytest.raises(NameRefused):
        releases.install("A1", {"A1.py": NOTEBOOK, file: b""}, ItemType.ASSIGNMENT)
    assert releases.all() == ()
    assert not root.exists() or os.listdir(root) == []


def test_an_item_without_its_notebook_is_refused(releases: Releases) -> None:
    with pytest.raises(Malformed, match=r"A1 has no notebook: A1\.py is not among its files"):
        releases.install("A1", {"other.py": NOTEBOOK}, ItemType.ASSIGNMENT)


def test_two_items_may_not_differ_in_upper_and_lower_case_only(releases: Releases) -> None:
    releases.install("A1-Heat", {"A1-Heat.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    with pytest.raises(Conflict, match="differ in upper and lower case only"):
        releases.install("a1-heat", {"a1-heat.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    assert [release.name for release in releases.all()] == ["A1-Heat"]


def test_of_two_that_publish_names_that_clash_at_once_one_is_refused(releases: Releases) -> None:
    outcome: list[str] = []
    start = threading.Barrier(2)

    def publish(name: str) -> None:
        start.wait(5)
        try:
            releases.install(name, {f"{name}.py": NOTEBOOK}, ItemType.ASSIGNMENT)
            outcome.append("published")
        except Conflict:
            outcome.append("refused")

    for round_ in range(20):
        threads = [threading.Thread(target=publish, args=(f"{letter}{round_}",)) for letter in "aA"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(outcome) == ["published"] * 20 + ["refused"] * 20


def test_an_item_put_there_by_hand_is_published(releases: Releases, root: Path) -> None:
    by_hand(root, "A1", data_csv=b"1")
    assert releases.get("A1").files == ("A1.py", "data.csv")
    assert releases.get("A1").type is ItemType.ASSIGNMENT


def test_the_notebook_says_the_type_where_no_index_does(releases: Releases, root: Path) -> None:
    by_hand(root, "L01", LECTURE)
    assert releases.get("L01").type is ItemType.LECTURE


def test_the_index_comes_before_the_notebook(releases: Releases, root: Path) -> None:
    by_hand(root, "L01", LECTURE, files_json=b'{"files": [], "type": "assignment"}')
    assert releases.get("L01").type is ItemType.ASSIGNMENT


@pytest.mark.parametrize(
    "index", [b"", b"{", b"[]", b'"x"', b'{"type": "poem"}', b'{"type": []}', b"\xff", b"[" * 99999]
)
def test_a_damaged_index_is_not_the_truth(releases: Releases, root: Path, index: bytes) -> None:
    by_hand(root, "L01", LECTURE, files_json=index)
    assert releases.get("L01").type is ItemType.LECTURE


def test_an_odd_item_does_not_hide_the_others(releases: Releases, root: Path) -> None:
    by_hand(root, "A1")
    odd = by_hand(root, "A2")
    (odd / "files.json").symlink_to("A2.py")
    os.mkfifo(odd / "pipe")
    (odd / "bad\\name").touch()
    (odd / "link.csv").symlink_to("/etc/passwd")
    (root / "A3").mkdir()
    (root / "A4").write_text("a file")
    assert [(release.name, release.files) for release in releases.all()] == [
        ("A1", ("A1.py",)),
        ("A2", ("A2.py",)),
    ]


def test_an_item_that_can_not_be_read_is_logged_and_left_out(
    releases: Releases, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    by_hand(root, "A1")
    by_hand(root, "A2")
    real = releases_module.Directory.trusted

    def closed(path: Path, *, create: bool = False) -> object:
        if path.name == "A2":  # the tests' root may read everything
            raise PermissionError(13, "Permission denied")
        return real(path, create=create)

    monkeypatch.setattr(releases_module.Directory, "trusted", closed)
    assert [release.name for release in releases.all()] == ["A1"]
    assert "A2 is published but can not be read (Permission denied)" in caplog.text


def test_a_full_disk_leaves_the_published_item_as_it_was(small_disk: Path) -> None:
    releases = Releases(small_disk / "hub-release")
    releases.install("A1", {"A1.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    with pytest.raises(Unavailable, match="disk is full"):
        releases.install("A1", {"A1.py": b"# new", "big.bin": bytes(1 << 20)}, ItemType.ASSIGNMENT)
    assert releases.get("A1").read("A1.py") == NOTEBOOK
    assert os.listdir(small_disk / "hub-release") == ["A1"]


PUBLISHER = """
import sys
from pathlib import Path
from mograder.hub.releases import ItemType, Releases
releases = Releases(Path(sys.argv[1]))
print("up", flush=True)
while True:
    for letter in b"ab":
        data = bytes([letter]) * 50_000
        releases.install("A1", {"A1.py": data, "one.csv": data, "two.csv": data}, ItemType.ASSIGNMENT)
"""


def test_a_publisher_killed_at_any_moment_leaves_one_whole_version(releases: Releases, root: Path) -> None:
    first = dict.fromkeys(["A1.py", "one.csv", "two.csv"], b"a" * 50_000)
    releases.install("A1", first, ItemType.ASSIGNMENT)
    for round_ in range(6):
        command = [sys.executable, "-c", PUBLISHER, str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as publisher:
            assert publisher.stdout is not None
            assert publisher.stdout.readline() == "up\n"
            time.sleep(0.004 * round_)  # somewhere in the middle of something
            publisher.send_signal(signal.SIGKILL)
        release = releases.get("A1")
        assert len({release.read(name) for name in first}) == 1
        assert [found.name for found in releases.all()] == ["A1"]
    releases.install("A1", first, ItemType.ASSIGNMENT)
    assert os.listdir(root) == ["A1"]  # what the killed ones left half made is gone


def test_an_item_is_never_away_while_it_is_published_anew(releases: Releases) -> None:
    versions = [{"A1.py": letter * 10, "x": letter * 10} for letter in (b"a", b"b")]
    releases.install("A1", versions[0], ItemType.ASSIGNMENT)
    stop = threading.Event()

    def publish() -> None:
        while not stop.is_set():
            for files in versions:
                releases.install("A1", files, ItemType.ASSIGNMENT)

    publisher = threading.Thread(target=publish)
    publisher.start()
    looks, end = 0, time.monotonic() + 1
    try:
        while time.monotonic() < end:
            release = releases.get("A1")
            assert release.files == ("A1.py", "x")
            looks += 1
    finally:
        stop.set()
        publisher.join()
    assert looks > 10


def test_without_exchange_in_one_step_an_item_is_replaced_in_two(
    releases: Releases, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases_module, "exchange", lambda one, other: False)
    releases.install("A1", {"A1.py": b"old"}, ItemType.ASSIGNMENT)
    assert releases.install("A1", {"A1.py": b"new"}, ItemType.ASSIGNMENT).read("A1.py") == b"new"
    assert os.listdir(root) == ["A1"]


def test_what_a_crash_left_between_two_steps_is_brought_back(
    releases: Releases, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.install("A1", {"A1.py": b"old", "kept.csv": b"1"}, ItemType.ASSIGNMENT)
    (root / "A1").rename(root / ".A1.0123abcd.old")  # and then the power went

    def full(*_: object) -> None:
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(releases_module, "_build", full)
    with pytest.raises(Unavailable):
        releases.install("A1", {"A1.py": b"new"}, ItemType.ASSIGNMENT)
    assert releases.get("A1").files == ("A1.py", "kept.csv")


def test_another_items_leavings_are_left_alone(releases: Releases, root: Path) -> None:
    root.mkdir()
    (root / ".A1-More.0123abcd.new").mkdir()
    (root / ".A1.old").mkdir()
    releases.install("A1", {"A1.py": NOTEBOOK}, ItemType.ASSIGNMENT)
    assert sorted(os.listdir(root)) == [".A1-More.0123abcd.new", ".A1.old", "A1"]


def test_an_index_lists_sorted_names_without_dotfiles() -> None:
    index = json.loads(index_json({"b": b"", "a": b"", ".x": b""}, ItemType.LECTURE))
    assert index == {"files": ["a", "b"], "type": "lecture"}
