"""Control groups: limits written, processes entered, counted, ended; trees found, given, swept."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import cgroups
from mograder.sandbox.cgroups import Cgroup, Tree
from mograder.sandbox.limits import Limits

MiB = 1 << 20


@pytest.fixture
def tree() -> Iterator[Tree]:
    found = cgroups.find()
    if found is None:
        pytest.skip("this host lets nobody make control groups")
    yield found
    assert found.remove()


def sleeper(group: Cgroup) -> subprocess.Popen[bytes]:
    entrances = group.open_procs()

    def enter() -> None:
        for descriptor in entrances:
            os.write(descriptor, b"0")

    process = subprocess.Popen(["sleep", "100"], preexec_fn=enter)
    for descriptor in entrances:
        os.close(descriptor)
    return process


@pytest.mark.real
def test_a_process_enters_is_counted_and_ended(tree: Tree) -> None:
    group = tree.session("one", Limits())
    process = sleeper(group)
    assert group.pids() == [process.pid]
    assert group.usage().processes == 1
    assert group.usage().out_of_memory == 0
    group.kill()
    assert process.wait(2) == -9
    assert group.remove()


@pytest.mark.real
def test_limits_are_in_force(tree: Tree) -> None:
    group = tree.session("two", Limits(memory_bytes=64 * MiB, processes=7, cpu_weight=50, cpu_cores=0.5))
    memory = "memory.max" if tree.version == 2 else "memory.limit_in_bytes"
    assert (tree.base["memory"] / "two" / memory).read_text().strip() == str(64 * MiB)
    assert (tree.base["pids"] / "two" / "pids.max").read_text().strip() == "7"
    group.remove()


@pytest.mark.real
def test_a_group_with_a_process_in_it_is_not_removed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_REMOVAL_TIMEOUT", 0.0)
    group = tree.session("three", Limits())
    process = sleeper(group)
    assert not Tree(means=tree.means, base=tree.base).remove()
    group.kill()
    process.wait(2)
    monkeypatch.undo()
    assert group.remove()


def entered(tree: Tree) -> subprocess.Popen[bytes]:
    """A process that stands for the tree's engine."""
    entrances = [cgroups.engine_group(base) for base in set(tree.base.values())]

    def enter() -> None:
        for descriptor in entrances:
            assert descriptor is not None
            os.write(descriptor, b"0")

    process = subprocess.Popen(["sleep", "100"], preexec_fn=enter)
    for descriptor in entrances:
        assert descriptor is not None
        os.close(descriptor)
    return process


def new_tree() -> Tree:
    found = cgroups.find()
    assert found is not None
    return found


@pytest.mark.real
def test_trees_whose_engine_is_gone_are_swept_and_no_others(tree: Tree) -> None:
    left, used, waiting = new_tree(), new_tree(), new_tree()
    left.session("session", Limits())
    gone, engine = entered(left), entered(used)
    gone.kill()
    gone.wait()
    old = time.time() - 3600
    for made in (left, used, waiting):
        for base in made.base.values():
            os.utime(base, (old, old))
    again = new_tree()
    assert not any(base.exists() for base in left.base.values())
    assert all(base.exists() for made in (used, waiting) for base in made.base.values())
    engine.kill()
    engine.wait()
    assert all(made.remove() for made in (used, waiting, again))


def test_what_is_no_tree_has_no_group_for_an_engine(tmp_path: Path) -> None:
    assert cgroups.engine_group(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
def test_a_tree_can_be_given_to_another_user(tree: Tree) -> None:
    tree.give(21500, 21500)
    assert all(base.stat().st_uid == 21500 for base in tree.base.values())


@pytest.fixture
def version_2() -> Iterator[Path]:
    """A group of version 2; its controllers may belong to version 1 on this host, its core is always there."""
    for mount in (cgroups.MOUNT / "unified", cgroups.MOUNT):
        if (mount / "cgroup.procs").exists() and (mount / "cgroup.controllers").exists():
            made = mount / f"mograder-test-{os.getpid()}"
            made.mkdir()
            yield made
            made.rmdir()
            return
    pytest.skip("no control groups of version 2 here")


@pytest.mark.real
def test_version_2_ends_a_whole_group_at_once(version_2: Path) -> None:
    group = Cgroup(2, dict.fromkeys(cgroups.V2_CONTROLLERS, version_2))
    processes = [sleeper(group) for _ in range(5)]
    assert sorted(group.pids()) == sorted(process.pid for process in processes)
    group.kill()
    assert [process.wait(2) for process in processes] == [-9] * 5
    assert group.usage().memory_bytes == 0


def hierarchy(tmp_path: Path, controllers: str) -> Path:
    """A mount of version 2 as files: what we write into a delegated tree that this host may not have."""
    own = next(
        (line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")),
        None,
    )
    if own is None:
        pytest.skip("no hierarchy of version 2 here")
    parent = tmp_path / own.lstrip("/")
    parent.mkdir(parents=True, exist_ok=True)
    (parent / "cgroup.controllers").write_text(controllers)
    (parent / "cgroup.procs").write_text("")
    return parent


def test_a_delegated_tree_is_preferred_and_hands_its_controllers_down(tmp_path: Path) -> None:
    parent = hierarchy(tmp_path, "cpu io memory pids")
    found = cgroups.find(tmp_path)
    assert found is not None
    assert found.means == "cgroup v2"
    assert (parent / "hub").is_dir()  # a group that hands controllers down may hold no process itself
    for path in (parent, found.base["memory"]):
        assert (path / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"


def test_a_hub_in_its_leaf_makes_the_next_tree_beside_the_leaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the service: its group hands controllers down, and may hold no process itself."""
    parent = hierarchy(tmp_path, "cpu memory pids")
    first = cgroups.find(tmp_path)
    assert first is not None
    inside = f"/{parent.relative_to(tmp_path)}/hub"
    monkeypatch.setattr(cgroups, "_own_group", lambda hierarchy, controller: inside)
    second = cgroups.find(tmp_path)
    assert second is not None
    assert second.base["memory"].parent == first.base["memory"].parent == parent
    assert not any(path.is_dir() for path in (parent / "hub").iterdir())


def test_a_session_in_a_delegated_tree_is_limited_as_a_whole(tmp_path: Path) -> None:
    hierarchy(tmp_path, "cpu memory pids")
    found = cgroups.find(tmp_path)
    assert found is not None
    found.session("s", Limits(memory_bytes=5, processes=6, cpu_weight=70, cpu_cores=1.5))
    settings = {path.name: path.read_text() for path in (found.base["memory"] / "s").iterdir()}
    assert settings == {
        "memory.max": "5",
        "memory.oom.group": "1",
        "pids.max": "6",
        "cpu.weight": "70",
        "cpu.max": "150000 100000",
    }


def test_a_tree_without_the_memory_controller_is_no_delegated_tree(tmp_path: Path) -> None:
    hierarchy(tmp_path, "cpu pids")
    assert cgroups.find(tmp_path) is None


def test_a_host_without_control_groups_gives_none(tmp_path: Path) -> None:
    assert cgroups.find(tmp_path) is None


def test_a_tree_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    tree = Tree(means="cgroup v2", base=dict.fromkeys(cgroups.V2_CONTROLLERS, tmp_path / "missing"))
    with pytest.raises(SandboxError, match="No control group"):
        tree.session("x", Limits())


def test_a_jail_sees_the_tree_where_it_was_mounted() -> None:
    two = Tree(means="cgroup v2", base=dict.fromkeys(cgroups.V2_CONTROLLERS, Path("/sys/fs/cgroup/a")))
    assert two.binds("/cgroups") == ((Path("/sys/fs/cgroup/a"), "/cgroups"),)
    assert two.moved("/cgroups").base["pids"] == Path("/cgroups")
    one = Tree(means="cgroup v1", base={"memory": Path("/m/a"), "pids": Path("/p/a")})
    assert one.binds("/cgroups") == ((Path("/m/a"), "/cgroups/memory"), (Path("/p/a"), "/cgroups/pids"))
    assert one.moved("/cgroups").base["pids"] == Path("/cgroups/pids")
