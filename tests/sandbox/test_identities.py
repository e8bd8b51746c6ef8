"""Which host user a student's session is."""

from __future__ import annotations

import json
import os

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import identities
from mograder.sandbox.identities import Identities
from tests.sandbox.world import UNPRIVILEGED, World

ROOT = Identities(how="root", engine_uid=5000, engine_gid=5000, first_uid=5001, first_gid=5001, count=10)
SUBUID = Identities(how="subuid", engine_uid=1000, engine_gid=100, first_uid=7000, first_gid=8000, count=10)
SHARED = Identities(how="shared", engine_uid=1000, engine_gid=1000)


def test_each_slot_is_a_user_and_a_group_of_its_own_under_root() -> None:
    assert ROOT.owner(1) == (5001, 5001)
    assert ROOT.owner(10) == (5010, 5010)
    assert (ROOT.inside(3).uid, ROOT.inside(3).gid) == (3, 3)


def test_the_numbers_inside_the_jail_are_mapped_to_those_outside() -> None:
    assert ROOT.uid_map() == [(0, 5000, 1), (1, 5001, 10)]
    assert SUBUID.gid_map() == [(0, 100, 1), (1, 8000, 10)]


@pytest.mark.parametrize("slot", [0, -1, 11])
def test_a_slot_outside_the_range_is_an_error(slot: int) -> None:
    with pytest.raises(SandboxError, match="user number"):
        ROOT.inside(slot)
    with pytest.raises(SandboxError):
        ROOT.owner(slot)


def test_a_hub_that_is_not_root_reaches_its_sessions_files_through_its_group() -> None:
    assert (SUBUID.inside(4).uid, SUBUID.inside(4).gid) == (4, 0)
    assert SUBUID.owner(4) is None
    assert (SUBUID.umask, SUBUID.workspace_mode) == (0o007, 0o770)


def test_without_a_range_sessions_are_the_hubs_own_user() -> None:
    assert SHARED.inside(99).uid is None
    assert SHARED.owner(99) is None
    assert not SHARED.per_student
    assert (SHARED.umask, SHARED.workspace_mode) == (0o077, 0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="root has a range of its own")
def test_root_never_runs_a_session_as_root() -> None:
    users = identities.choose()
    assert users.how == "root"
    assert users.engine_uid != 0
    assert min(first for _, first, _ in users.uid_map()) > 1000


@pytest.mark.parametrize("base", [0, -5, 2**31 - 10])
@pytest.mark.skipif(os.geteuid() != 0, reason="root has a range of its own")
def test_a_range_that_is_none_is_refused(base: int) -> None:
    with pytest.raises(SandboxError, match="No range"):
        identities.choose(root_base=base)


@pytest.mark.real
def test_a_user_whom_nobody_knows_shares_one_identity(world: World) -> None:
    program = f"""
import json, sys
sys.path.insert(0, {str(world.packages)!r})
from mograder.sandbox import identities
print(json.dumps([identities.choose().how, identities.choose().engine_uid]))
"""
    assert json.loads(world.python(program)) == ["shared", UNPRIVILEGED]


@pytest.mark.real
def test_files_of_a_session_belong_to_its_student_and_are_private(world: World) -> None:
    program = world.packages / "touch.py"
    program.write_text("def main(words):\n    open('made', 'w').close()\n")
    outcome = world.jailed([], "fork", as_user="root", code=str(program))
    made = os.stat(os.path.join(outcome.host["workspace"], "made"))
    assert made.st_uid == identities.ROOT_BASE + 7
    assert made.st_mode & 0o077 == 0


@pytest.mark.real
def test_a_hub_with_subordinate_users_can_read_what_they_write(world: World) -> None:
    program = world.packages / "touch.py"
    program.write_text("def main(words):\n    open('made', 'w').close()\n")
    outcome = world.jailed([], "fork", as_user="subuid", code=str(program))
    made = os.stat(os.path.join(outcome.host["workspace"], "made"))
    assert made.st_uid == 3_000_006
    assert (made.st_gid, made.st_mode & 0o777) == (UNPRIVILEGED, 0o660)
