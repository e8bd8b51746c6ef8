"""``mograder.hub.workspaces``: a student's copy, how it stands, and that nothing of it is ever lost."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from mograder.errors import Conflict, MograderError, NameRefused, NotFound, TooLarge, Unavailable, UnsafeFile
from mograder.hub import history as history_module
from mograder.hub import workspaces as workspaces_module
from mograder.hub.history import History
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.store import tables
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable
from mograder.hub.workspaces import FileStatus, Workspaces, remove_scratch, scratch_copy
from mograder.trees import remove_tree
from tests.hub.conftest import TRAPS, lay
from tests.support.trees import dig

RELEASED = b"import marimo  # released\n"
MINE = b"import marimo  # my answer\n"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = open_database(tmp_path_factory.mktemp("state") / "hub.db")
    yield made
    made.dispose()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history")


@pytest.fixture
def workspaces(tmp_path: Path, history: History, engine: Engine) -> Iterator[Workspaces]:
    with engine.begin() as connection:
        connection.execute(delete(tables.copies))
    yield Workspaces(tmp_path / "work", history, CopyTable(engine))
    remove_tree(tmp_path / "work")


@pytest.fixture
def release(tmp_path: Path) -> Release:
    files = {"A1.py": RELEASED, "data.csv": b"1,2\n", "A1.zip": b"PK"}
    return Releases(tmp_path / "published").install("A1", files, ItemType.ASSIGNMENT)


def everything(workspaces: Workspaces, history: History) -> set[bytes]:
    """All content that ada can still get at: what is in her workspace, whatever its name, and what was kept."""
    top = workspaces.path("ada", "A1")
    found = {path.read_bytes() for path in top.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20}
    return found | {history.read("ada", "A1", version.id)[1] for version in history.versions("ada", "A1")}


# -- copies ---------------------------------------------------------------------------------------------------


def test_a_copy_holds_the_notebook_and_its_files_but_not_the_archive(
    workspaces: Workspaces, release: Release
) -> None:
    assert workspaces.ensure("ada", release)
    assert workspaces.exists("ada", "A1")
    assert sorted(os.listdir(workspaces.path("ada", "A1"))) == ["A1.py", "data.csv"]
    assert workspaces.notebook("ada", "A1") == RELEASED


def test_files_in_directories_come_with_a_copy_and_with_a_lecture(
    workspaces: Workspaces, history: History, tmp_path: Path
) -> None:
    files = {"A1.py": RELEASED, "images/plot.png": b"PNG", "lib/x/y.py": b"x = 1\n"}
    release = Releases(tmp_path / "published").install("A1", files, ItemType.ASSIGNMENT)
    workspaces.ensure("ada", release)
    mine = workspaces.path("ada", "A1")
    assert {place: (mine / place).read_bytes() for place in files} == files
    scratch = scratch_copy(release, tmp_path / "run", lambda directory: None)
    assert (scratch / "images" / "plot.png").read_bytes() == b"PNG"
    (mine / "images" / "plot.png").write_bytes(b"my own")
    workspaces.reset("ada", release)
    assert (mine / "images" / "plot.png").read_bytes() == b"PNG"
    (kept,) = [v for v in history.versions("ada", "A1") if v.file == "images/plot.png"]
    workspaces.restore("ada", "A1", kept.id)
    assert (mine / "images" / "plot.png").read_bytes() == b"my own"


@pytest.mark.parametrize("content", [b"mine", None])
def test_a_students_own_thing_in_place_of_a_directory_is_not_lost(
    workspaces: Workspaces, tmp_path: Path, content: bytes | None
) -> None:
    files = {"A1.py": RELEASED, "images/plot.png": b"PNG"}
    release = Releases(tmp_path / "published").install("A1", files, ItemType.ASSIGNMENT)
    workspaces.open("ada", "A1", create=True).close()
    own, secret = workspaces.path("ada", "A1") / "images", tmp_path / "secret"
    secret.mkdir()
    own.symlink_to(secret) if content is None else own.write_bytes(content)
    workspaces.ensure("ada", release)
    assert own.is_symlink() or own.read_bytes() == content  # a copy never overwrites
    workspaces.download("ada", release)
    assert (own / "plot.png").read_bytes() == b"PNG"
    assert list(secret.iterdir()) == []
    assert list(own.parent.glob("images.aside-*"))


def test_a_copy_that_is_there_is_never_overwritten(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    (workspaces.path("ada", "A1") / "data.csv").write_bytes(b"mine")
    assert not workspaces.ensure("ada", release)
    assert workspaces.notebook("ada", "A1") == MINE
    assert (workspaces.path("ada", "A1") / "data.csv").read_bytes() == b"mine"


def test_a_missing_notebook_comes_back_and_the_files_beside_it_stay(
    workspaces: Workspaces, release: Release
) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").unlink()
    (workspaces.path("ada", "A1") / "data.csv").write_bytes(b"mine")
    assert workspaces.ensure("ada", release)
    assert workspaces.notebook("ada", "A1") == RELEASED
    assert (workspaces.path("ada", "A1") / "data.csv").read_bytes() == b"mine"


def test_a_new_workspace_is_given_to_the_user_that_sessions_run_as(
    tmp_path: Path, history: History, engine: Engine, release: Release
) -> None:
    given: list[tuple[Path, str]] = []

    def give(path: Path, user: str) -> None:
        os.chown(path, 4321, 4321)
        given.append((path, user))

    workspaces = Workspaces(tmp_path / "work", history, CopyTable(engine), prepare=give)
    workspaces.ensure("ada", release)
    workspaces.download("ada", release)
    assert given == [(tmp_path / "work/ada/A1", "ada")]
    assert (tmp_path / "work/ada/A1/A1.py").stat().st_uid == 4321


@pytest.mark.parametrize(
    ("user", "item"), [("../bob", "A1"), ("ada", ".."), ("ada", "user"), ("", "A1"), ("ada", "a/b")]
)
def test_crafted_names_never_become_paths(workspaces: Workspaces, user: str, item: str) -> None:
    for call in (
        workspaces.path,
        workspaces.exists,
        workspaces.notebook,
        workspaces.status,
        workspaces.export,
    ):
        with pytest.raises(NameRefused):
            call(user, item)


def test_without_a_copy_there_is_nothing_to_read_reset_or_export(
    workspaces: Workspaces, release: Release
) -> None:
    for call in (workspaces.notebook, workspaces.export, workspaces.files):
        with pytest.raises(NotFound, match=r"no copy of A1 for ada yet.*press Download"):
            call("ada", "A1")
    with pytest.raises(NotFound, match="no copy of A1 to reset"):
        workspaces.reset("ada", release)
    assert not workspaces.path("ada", "A1").exists()


# -- how a copy stands ----------------------------------------------------------------------------------------


def test_no_copy_is_not_started(workspaces: Workspaces) -> None:
    assert workspaces.status("ada", "A1") is FileStatus.NOT_STARTED


def test_unchanged_since_the_download_is_uploaded(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    assert workspaces.status("ada", "A1") is FileStatus.UPLOADED


def test_unchanged_since_the_upload_is_uploaded(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    workspaces.upload("ada", "A1", MINE)
    assert workspaces.status("ada", "A1") is FileStatus.UPLOADED


def test_anything_else_is_modified(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    assert workspaces.status("ada", "A1") is FileStatus.MODIFIED


def test_changed_back_by_hand_is_uploaded_again(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    for content in (MINE, RELEASED):
        (workspaces.path("ada", "A1") / "A1.py").write_bytes(content)
    assert workspaces.status("ada", "A1") is FileStatus.UPLOADED


def test_exported_and_unchanged_since_is_exported(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    assert workspaces.export("ada", "A1") == MINE
    assert workspaces.status("ada", "A1") is FileStatus.EXPORTED
    assert workspaces.standing("ada", "A1").exported_before


def test_exported_comes_before_uploaded(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    workspaces.export("ada", "A1")
    assert workspaces.status("ada", "A1") is FileStatus.EXPORTED


def test_changed_after_the_export_is_modified(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    workspaces.export("ada", "A1")
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    assert workspaces.status("ada", "A1") is FileStatus.MODIFIED
    assert workspaces.standing("ada", "A1").exported_before


@pytest.mark.parametrize("how", ["download", "reset", "upload"])
def test_a_new_beginning_forgets_the_export(workspaces: Workspaces, release: Release, how: str) -> None:
    workspaces.ensure("ada", release)
    workspaces.export("ada", "A1")
    if how == "upload":
        workspaces.upload("ada", "A1", RELEASED)
    else:
        getattr(workspaces, how)("ada", release)
    assert workspaces.status("ada", "A1") is FileStatus.UPLOADED
    assert not workspaces.standing("ada", "A1").exported_before


def test_a_copy_from_before_the_hubs_state_was_deleted_is_modified(
    workspaces: Workspaces, engine: Engine
) -> None:
    workspaces.path("ada", "A1").mkdir(parents=True)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    assert workspaces.status("ada", "A1") is FileStatus.MODIFIED


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.timeout(60)
def test_a_trap_is_a_modified_copy(
    workspaces: Workspaces, release: Release, tmp_path: Path, trap: str
) -> None:
    (tmp_path / "secret").write_text("SECRET")
    workspaces.path("ada", "A1").mkdir(parents=True)
    lay(workspaces.path("ada", "A1") / "A1.py", trap, tmp_path / "secret")
    assert workspaces.status("ada", "A1") is FileStatus.MODIFIED
    assert workspaces.exists("ada", "A1")
    assert not workspaces.ensure("ada", release)
    for call in (workspaces.notebook, workspaces.export):
        with pytest.raises((UnsafeFile, TooLarge)):
            call("ada", "A1")


# -- nothing is replaced that is not kept ---------------------------------------------------------------------


def test_reset_brings_the_release_back_and_keeps_the_work(
    workspaces: Workspaces, history: History, release: Release
) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    (workspaces.path("ada", "A1") / "data.csv").write_bytes(b"mine")
    kept = workspaces.reset("ada", release)
    assert kept is not None
    assert history.read("ada", "A1", kept.id)[1] == MINE
    assert workspaces.notebook("ada", "A1") == RELEASED
    assert everything(workspaces, history) == {RELEASED, MINE, b"mine", b"1,2\n"}
    assert {v.reason for v in history.versions("ada", "A1")} == {"reset"}


def test_upload_keeps_the_old_notebook(workspaces: Workspaces, history: History, release: Release) -> None:
    workspaces.ensure("ada", release)
    kept = workspaces.upload("ada", "A1", MINE)
    assert kept is not None
    assert history.read("ada", "A1", kept.id)[1] == RELEASED


def test_an_upload_makes_a_copy_where_there_is_none(workspaces: Workspaces) -> None:
    assert workspaces.upload("ada", "A1", MINE) is None
    assert workspaces.notebook("ada", "A1") == MINE


def test_what_was_kept_comes_back_and_what_it_replaces_is_kept(
    workspaces: Workspaces, history: History, release: Release
) -> None:
    workspaces.ensure("ada", release)
    kept = workspaces.upload("ada", "A1", MINE)
    assert kept is not None
    again = workspaces.restore("ada", "A1", kept.id)
    assert again is not None
    assert workspaces.notebook("ada", "A1") == RELEASED
    assert history.read("ada", "A1", again.id)[1] == MINE
    assert workspaces.status("ada", "A1") is FileStatus.MODIFIED  # it is not what she uploaded last


def test_a_file_beside_the_notebook_comes_back_too(
    workspaces: Workspaces, history: History, release: Release
) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "data.csv").write_bytes(b"mine")
    workspaces.reset("ada", release)
    (kept,) = [v for v in history.versions("ada", "A1") if v.file == "data.csv"]
    workspaces.restore("ada", "A1", kept.id)
    assert (workspaces.path("ada", "A1") / "data.csv").read_bytes() == b"mine"


def test_an_unknown_version_changes_nothing(workspaces: Workspaces) -> None:
    with pytest.raises(NotFound):
        workspaces.restore("ada", "A1", "../../secret")
    assert not workspaces.path("ada", "A1").exists()


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("how", ["reset", "download", "upload"])
@pytest.mark.timeout(60)
def test_there_is_a_way_out_of_every_trap_and_nothing_is_lost(
    workspaces: Workspaces, release: Release, tmp_path: Path, trap: str, how: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    top = workspaces.path("ada", "A1")
    top.mkdir(parents=True)
    lay(top / "A1.py", trap, secret)
    if how == "upload":
        workspaces.upload("ada", "A1", RELEASED)
    else:
        getattr(workspaces, how)("ada", release)
    assert workspaces.notebook("ada", "A1") == RELEASED
    assert workspaces.status("ada", "A1") is FileStatus.UPLOADED
    assert secret.read_text() == "SECRET"
    (aside,) = top.glob("A1.py.aside-*")
    if trap == "directory":
        assert (aside / "work.py").read_text() == "mine"
    if trap == "hole":
        assert aside.stat().st_size == 3 << 30


def test_a_file_too_large_for_the_history_stays_under_another_name(
    workspaces: Workspaces, history: History, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces_module, "MAX_VERSION_BYTES", 20)
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "data.csv").write_bytes(b"mine" * 100)
    workspaces.reset("ada", release)
    assert {b"mine" * 100, b"1,2\n"} <= everything(workspaces, history)


def test_a_large_file_of_the_release_that_nobody_changed_is_left_as_it_is(
    workspaces: Workspaces, history: History, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces_module, "MAX_VERSION_BYTES", 2)
    workspaces.ensure("ada", release)
    before = (workspaces.path("ada", "A1") / "data.csv").stat().st_ino
    workspaces.download("ada", release)
    assert (workspaces.path("ada", "A1") / "data.csv").stat().st_ino == before


def test_when_the_history_is_full_the_work_stays(
    workspaces: Workspaces, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MAX_VERSIONS", 0)
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    with pytest.raises(Conflict, match="history of A1 is full"):
        workspaces.reset("ada", release)
    assert workspaces.notebook("ada", "A1") == MINE


def test_pressing_reset_again_keeps_nothing_twice(
    workspaces: Workspaces, history: History, release: Release
) -> None:
    workspaces.ensure("ada", release)
    (workspaces.path("ada", "A1") / "A1.py").write_bytes(MINE)
    for _ in range(3):
        workspaces.reset("ada", release)
    kept = [history.read("ada", "A1", v.id)[1] for v in history.versions("ada", "A1")]
    assert kept == [RELEASED, MINE]


def test_a_link_in_place_of_a_workspace_is_refused(
    workspaces: Workspaces, release: Release, tmp_path: Path
) -> None:
    workspaces.ensure("bob", release)
    (tmp_path / "work" / "ada").mkdir()
    (tmp_path / "work" / "ada" / "A1").symlink_to("../bob/A1")
    for call in (workspaces.notebook, workspaces.export, workspaces.files):
        with pytest.raises(UnsafeFile):
            call("ada", "A1")
    with pytest.raises(UnsafeFile):
        workspaces.upload("ada", "A1", MINE)
    assert workspaces.notebook("bob", "A1") == RELEASED


def test_files_are_listed_without_caches_links_and_depths(workspaces: Workspaces, release: Release) -> None:
    workspaces.ensure("ada", release)
    top = workspaces.path("ada", "A1")
    for path in ("__pycache__/x.pyc", "__marimo__/s.json", ".hidden/x", "sub/mine.txt", ".dot"):
        (top / path).parent.mkdir(exist_ok=True)
        (top / path).write_text("x")
    (top / "link").symlink_to("/etc/passwd")
    dig(top / "deep", 1200)
    assert sorted(entry.path for entry in workspaces.files("ada", "A1")) == [
        "A1.py",
        "data.csv",
        "sub/mine.txt",
    ]


def test_a_notebook_over_the_limit_is_said_to_be_too_large(
    tmp_path: Path, history: History, engine: Engine, release: Release
) -> None:
    workspaces = Workspaces(tmp_path / "work", history, CopyTable(engine), max_notebook=len(RELEASED))
    workspaces.upload("ada", "A1", RELEASED)
    assert workspaces.notebook("ada", "A1") == RELEASED
    workspaces.upload("ada", "A1", RELEASED + b"#")
    with pytest.raises(TooLarge):
        workspaces.notebook("ada", "A1")


# -- full disks, kills, races ---------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_says_so(small_disk: Path, engine: Engine, tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    workspaces = Workspaces(small_disk / "work", history, CopyTable(engine))
    big = Releases(tmp_path / "published").install(
        "A1", {"A1.py": RELEASED, "big.bin": bytes(1 << 20)}, ItemType.ASSIGNMENT
    )
    with pytest.raises(Unavailable, match="disk is full"):
        workspaces.ensure("ada", big)
    assert workspaces.status("ada", "A1") is FileStatus.NOT_STARTED
    workspaces.upload("ada", "A1", MINE)
    for change in (
        lambda: workspaces.upload("ada", "A1", b"#" * (1 << 20)),
        lambda: workspaces.reset("ada", big),
        lambda: workspaces.download("ada", big),
    ):
        with pytest.raises(Unavailable, match="disk is full"):
            change()
        assert workspaces.notebook("ada", "A1") == MINE
        assert workspaces.status("ada", "A1") is FileStatus.UPLOADED


def test_when_the_historys_disk_is_full_nothing_is_replaced(
    small_disk: Path, engine: Engine, tmp_path: Path, release: Release
) -> None:
    workspaces = Workspaces(tmp_path / "work", History(small_disk), CopyTable(engine))
    workspaces.upload("ada", "A1", b"#" * (1 << 20))
    with pytest.raises(Unavailable, match="disk is full"):
        workspaces.reset("ada", release)
    assert workspaces.notebook("ada", "A1") == b"#" * (1 << 20)


RESETTER = """
import sys
from pathlib import Path
from mograder.hub.history import History
from mograder.hub.releases import Releases
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable
from mograder.hub.workspaces import Workspaces
top = Path(sys.argv[1])
workspaces = Workspaces(top / "work", History(top / "history"), CopyTable(open_database(top / "hub.db")))
release = Releases(top / "published").get("A1")
print("up", flush=True)
for number in range(1_000_000):
    workspaces.upload("ada", "A1", b"# answer %d\\n" % number + b"#" * 50_000)
    workspaces.reset("ada", release)
"""


def test_a_hub_killed_while_it_replaces_leaves_a_whole_copy_and_all_work(
    tmp_path: Path, release: Release, history: History, workspaces: Workspaces
) -> None:
    workspaces.ensure("ada", release)
    before: set[bytes] = set()
    for round_ in range(3):
        command = [sys.executable, "-c", RESETTER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hub:
            assert hub.stdout is not None
            assert hub.stdout.readline() == "up\n"
            time.sleep(0.005 + 0.007 * round_)  # somewhere in the middle of something
            hub.send_signal(signal.SIGKILL)
        now = workspaces.notebook("ada", "A1")
        assert now == RELEASED or (now.startswith(b"# answer") and len(now) > 50_000)
        after = everything(workspaces, history)
        assert before <= after
        before = after
        answers = {int(data.split()[2]) for data in after if data.startswith(b"# answer")}
        assert answers == set(range(len(answers)))  # not one that was uploaded is missing
        for version in history.versions("ada", "A1"):
            assert len(history.read("ada", "A1", version.id)[1]) == version.size
        (tmp_path / "hub.db").unlink()


def test_a_student_who_replaces_files_all_the_time_only_hurts_themselves(
    workspaces: Workspaces, release: Release, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    workspaces.ensure("ada", release)
    path, stop = workspaces.path("ada", "A1") / "A1.py", threading.Event()

    def swap() -> None:
        for trap in itertools.cycle(["link", "fifo", "directory", "hard link"]):
            if stop.is_set():
                return
            remove_tree(path)
            for call in (path.unlink, lambda trap=trap: lay(path, trap, secret)):
                try:
                    call()
                except OSError:
                    continue

    student = threading.Thread(target=swap)
    student.start()
    end, done = time.monotonic() + 1, 0
    try:
        while time.monotonic() < end:
            for work in (lambda: workspaces.reset("ada", release), lambda: workspaces.export("ada", "A1")):
                try:
                    work()
                    done += 1
                except MograderError as error:
                    assert "SECRET" not in str(error)
    finally:
        stop.set()
        student.join()
    assert done > 0
    assert secret.read_text() == "SECRET"


# -- lectures -------------------------------------------------------------------------------------------------


def test_a_lecture_runs_on_a_copy_of_its_own(release: Release, tmp_path: Path) -> None:
    given: list[Path] = []
    one, two = (scratch_copy(release, tmp_path / "run", given.append) for _ in range(2))
    assert one != two
    assert given == [one, two]
    assert (one / "A1.py").read_bytes() == RELEASED
    dig(one / "deep", 1200)
    (one / "link").symlink_to(two)
    remove_scratch(one)
    assert os.listdir(tmp_path / "run") == [two.name]
    assert (two / "A1.py").read_bytes() == RELEASED


def test_a_copy_for_a_lecture_that_can_not_be_made_leaves_nothing(release: Release, small_disk: Path) -> None:
    big = Releases(small_disk.parent / "published").install(
        "L1", {"L1.py": RELEASED, "big.bin": bytes(1 << 20)}, ItemType.LECTURE
    )
    with pytest.raises(Unavailable, match="disk is full"):
        scratch_copy(big, small_disk / "run", lambda path: None)
    assert os.listdir(small_disk / "run") == []
