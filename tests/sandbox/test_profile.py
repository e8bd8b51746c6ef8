"""What a session sees, as bubblewrap is told and as a program in it finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import profile
from mograder.sandbox.profile import Profile


def words(given: Profile) -> list[str]:
    with profile.arguments(given) as made:
        return list(made.words)


def before(all_words: list[str], first: list[str], then: list[str]) -> bool:
    """Does the run of words ``first`` stand before the run ``then``?"""
    text = "\0".join(["", *all_words, ""])
    return -1 < text.find("\0".join(["", *first, ""])) < text.find("\0".join(["", *then, ""]))


def test_all_namespaces_are_left_and_none_can_be_made(tmp_path: Path) -> None:
    given = words(Profile(workspace=tmp_path))
    kinds = {"user", "pid", "ipc", "uts", "cgroup", "net"}
    assert {f"--unshare-{kind}" for kind in kinds} <= set(given)
    assert "--disable-userns" in given
    assert "--share-net" not in given


def test_the_root_is_made_read_only_after_every_mount(tmp_path: Path) -> None:
    given = words(Profile(workspace=tmp_path, read_only=((tmp_path, "/opt/x"),)))
    assert before(given, ["--bind", str(tmp_path), "/home/student/work"], ["--remount-ro", "/"])
    assert before(given, ["--ro-bind", str(tmp_path), "/opt/x"], ["--remount-ro", "/"])
    last = len(given) - 1 - given[::-1].index("--remount-ro")
    assert not any(word.startswith(("--bind", "--ro-bind", "--tmpfs")) for word in given[last:])


def test_scratch_places_have_their_sizes(tmp_path: Path) -> None:
    given = words(Profile(workspace=tmp_path, tmp_bytes=11, shm_bytes=22, home_bytes=33))
    for size, place in (("11", "/tmp"), ("22", "/dev/shm"), ("33", "/home/student")):
        at = given.index(place, given.index("/dev"))
        assert given[at - 3 : at] == ["--size", size, "--tmpfs"]


def test_the_environment_is_cleared_first_and_holds_what_was_given(tmp_path: Path) -> None:
    given = words(Profile(workspace=tmp_path, env={"A": "b"}))
    assert before(given, ["--clearenv"], ["--setenv", "A", "b"])
    names = {given[at + 1] for at, word in enumerate(given) if word == "--setenv"}
    assert names == {"HOME", "USER", "LANG", "PATH", "TMPDIR", "A"}


def test_a_workspace_below_tmp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="below /home/student"):
        Profile(workspace=tmp_path, workspace_inside="/tmp/work")


def test_no_capability_is_inherited_even_when_root_starts_it(tmp_path: Path) -> None:
    given = words(Profile(workspace=tmp_path))
    assert given[given.index("--cap-drop") + 1] == "ALL"


def test_a_session_outlives_who_started_it_unless_told_otherwise(tmp_path: Path) -> None:
    assert "--die-with-parent" not in words(Profile(workspace=tmp_path))
    assert "--die-with-parent" in words(Profile(workspace=tmp_path, die_with_parent=True))


def test_directories_on_the_way_to_a_mount_can_be_passed_by_everybody(tmp_path: Path) -> None:
    given = words(Profile(workspace=tmp_path, read_only=((tmp_path, "/root/deep/down"),)))
    assert before(given, ["--dir", "/root"], ["--dir", "/root/deep"])
    assert before(given, ["--dir", "/root/deep"], ["--ro-bind", str(tmp_path), "/root/deep/down"])


def test_descriptors_are_closed_after_the_start(tmp_path: Path) -> None:
    count = len(os.listdir("/proc/self/fd"))
    words(Profile(workspace=tmp_path, seccomp=b"12345678"))
    assert len(os.listdir("/proc/self/fd")) == count
