"""``mograder.sessions.launchers.slots``: whose a workspace becomes, whatever is in it and whoever is at work there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.sandbox.identities import ROOT_BASE, Identities
from mograder.sandbox.usage import MAX_DEPTH
from mograder.sessions.launchers.slots import Slots, give_workspace
from mograder.trees import remove_tree
from tests.support.trees import dig

USERS = Identities(
    how="root",
    engine_uid=ROOT_BASE,
    engine_gid=ROOT_BASE,
    first_uid=ROOT_BASE + 1,
    first_gid=ROOT_BASE + 1,
    count=100,
)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a file may have another owner and be linked: one file system for all."""
    made = Path(tempfile.mkdtemp(prefix="slots-", dir="/var/tmp"))
    (made / "work").mkdir()
    yield made
    remove_tree(made)


@pytest.fixture
def work(place: Path) -> Path:
    return place / "work"


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_a_student_keeps_a_number_and_no_two_have_the_same(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "slots.json")
    assert [slots.of(name) for name in ("ada", "bob", "ada")] == [1, 2, 1]
    assert Slots(tmp_path / "slots.json").of("bob") == 2


def test_where_sessions_share_a_user_nothing_is_touched(place: Path) -> None:
    give_workspace(place / "nothing", Identities(how="shared", engine_uid=1, engine_gid=1), 1)


def test_where_the_hub_has_a_range_its_group_gets_in(work: Path) -> None:
    users = Identities(how="subuid", engine_uid=1, engine_gid=1, first_uid=2, first_gid=2, count=9)
    give_workspace(work, users, 1)
    assert stat.S_IMODE(work.stat().st_mode) == 0o770


@AS_ROOT
def test_a_copy_that_the_hub_made_becomes_its_students(work: Path) -> None:
    (work / "data").mkdir()
    (work / "data" / "x.csv").write_text("x")
    (work / "link").symlink_to("/etc/passwd")
    give_workspace(work, USERS, 7)
    assert {owner(path) for path in (work, *work.rglob("*"))} == {USERS.owner(7)}
    assert owner(Path("/etc/passwd")) == (0, 0)
    assert stat.S_IMODE(work.stat().st_mode) == 0o700


@AS_ROOT
def test_what_is_its_students_already_is_not_walked_again(work: Path) -> None:
    give_workspace(work, USERS, 7)
    (work / "hubs").write_text("x")
    give_workspace(work, USERS, 7)
    assert owner(work / "hubs") == (0, 0)


@AS_ROOT
def test_a_file_with_another_name_elsewhere_is_not_given_away(place: Path, work: Path) -> None:
    (place / "precious").write_text("mine")
    (work / "mine").hardlink_to(place / "precious")
    give_workspace(work, USERS, 7)
    assert owner(place / "precious") == (0, 0)


@AS_ROOT
def test_a_tree_deeper_than_a_session_may_make_it_is_given_as_far_as_it_may(work: Path) -> None:
    dig(work / "deep", 3000)
    give_workspace(work, USERS, 7)
    assert owner(work) == USERS.owner(7)
    assert owner(work.joinpath("deep", *["d"] * 5)) == USERS.owner(7)
    assert MAX_DEPTH < 3000


SWAP = """
import os, sys
name, aside, aim = sys.argv[1:]
print("at work", flush=True)
while True:
    os.rename(name, aside)
    os.symlink(aim, name)
    os.unlink(name)
    os.rename(aside, name)
"""


@AS_ROOT
@pytest.mark.parametrize("target", ["directory", "file"])
def test_links_put_in_place_of_what_is_given_lead_nowhere(place: Path, work: Path, target: str) -> None:
    """A session that is still at work swaps names as fast as it can, while its workspace is given to another."""
    precious = place / "precious"
    (precious / "below").mkdir(parents=True)
    (precious / "below" / "file").write_text("mine")
    (work / "sub" / "below").mkdir(parents=True)
    (work / "sub" / "below" / "file").write_text("theirs")
    swapped = work / "sub" if target == "directory" else work / "sub" / "below" / "file"
    aim = precious if target == "directory" else precious / "below" / "file"
    words = [sys.executable, "-c", SWAP, str(swapped), str(place / "aside"), str(aim)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdout is not None
        assert attacker.stdout.readline()
        for turn in range(1000):
            give_workspace(work, USERS, 1 + turn % 2)
        assert attacker.poll() is None
        attacker.kill()
    assert {owner(path) for path in (precious, *precious.rglob("*"))} == {(0, 0)}


def test_what_the_hub_made_is_opened_to_its_group_and_what_others_closed_is_left(work: Path) -> None:
    users = Identities(how="subuid", engine_uid=1, engine_gid=1, first_uid=2, first_gid=2, count=9)
    (work / "data").mkdir(mode=0o711)
    (work / "data" / "x.csv").write_text("x")
    (work / "data" / "x.csv").chmod(0o644)
    (work / "closed").mkdir(mode=0o500)
    (work / "link").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat().st_mode
    give_workspace(work, users, 1)
    modes = {
        path.name: stat.S_IMODE(path.lstat().st_mode) for path in work.rglob("*") if not path.is_symlink()
    }
    assert modes == {"data": 0o771, "x.csv": 0o664, "closed": 0o770}
    assert Path("/etc/passwd").stat().st_mode == before
    (work / "later").write_text("x")
    (work / "later").chmod(0o600)
    give_workspace(work, users, 1)
    assert stat.S_IMODE((work / "later").stat().st_mode) == 0o600, "it was walked again"
