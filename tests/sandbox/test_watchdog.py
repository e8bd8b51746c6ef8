"""The watchdog sees what a session takes; ``test_bombs`` has it end real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mograder.sandbox import join, usage
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.limits import Limits
from mograder.sandbox.profile import Profile
from mograder.sandbox.watchdog import Watchdog, Watched
from tests.sandbox.world import SYSTEM_PYTHON, UNPRIVILEGED, World

pytestmark = pytest.mark.real

MiB = 1 << 20


@pytest.fixture
def workspace(world: World) -> Path:
    return world.student("watched")


@pytest.fixture
def sandbox(workspace: Path) -> Iterator[Holder]:
    """A session that holds 40 MiB and 20 MiB in its private places."""
    program = (
        "x = bytearray(40 << 20); open('/tmp/x', 'wb').write(b'x' * (20 << 20)); open('ready', 'w'); input()"
    )
    program = program.replace("input()", "__import__('signal').pause()")
    holder = Holder.run(
        Profile(workspace=workspace),
        [SYSTEM_PYTHON, "-c", program],
        Start(identity=join.Identity(uid=UNPRIVILEGED)),
    )
    while not (workspace / "ready").exists():
        assert not holder.wait(0.01)
    yield holder
    holder.stop()


def watch(holder: Holder, workspace: Path, *, counted: bool = False, **limits: Any) -> Watchdog:
    dog = Watchdog()
    dog.add(
        Watched(
            name="one",
            init_pid=holder.init_pid,
            workspace=workspace,
            limits=Limits(**limits),
            memory_counted=counted,
        )
    )
    return dog


def test_a_session_within_its_limits_is_left_alone(sandbox: Holder, workspace: Path) -> None:
    assert watch(sandbox, workspace).look() == []


def test_memory_and_private_files_count_together(sandbox: Holder, workspace: Path) -> None:
    assert watch(sandbox, workspace, memory_bytes=100 * MiB).look() == []
    (excess,) = watch(sandbox, workspace, memory_bytes=50 * MiB).look()
    assert (excess.name, excess.reason) == ("one", "memory")
    assert "50 MiB allowed" in excess.detail


def test_memory_that_a_control_group_counts_is_not_looked_at(sandbox: Holder, workspace: Path) -> None:
    assert watch(sandbox, workspace, counted=True, memory_bytes=MiB).look() == []


def test_processes_are_counted_with_their_threads(sandbox: Holder, workspace: Path) -> None:
    dog = watch(sandbox, workspace, processes=1)
    assert dog.look() == []
    assert len(dog.members("one")) >= 2


def test_the_disk_of_a_session_is_measured(sandbox: Holder, workspace: Path) -> None:
    (workspace / "big").write_bytes(b"x" * (3 * MiB))
    (excess,) = watch(sandbox, workspace, disk_bytes=2 * MiB).look()
    assert excess.reason == "disk"
    assert "more than 2 MiB" in excess.detail


def test_one_disk_a_look_and_each_in_its_turn(
    sandbox: Holder, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []
    monkeypatch.setattr(usage, "tree", lambda root, **_: measured.append(root) or 0)
    dog = Watchdog()
    for name in ("a", "b", "c"):
        (workspace / name).mkdir()
        watched = Watched(
            name=name,
            init_pid=sandbox.init_pid,
            workspace=workspace / name,
            limits=Limits(),
            memory_counted=True,
        )
        dog.add(watched)
    for _ in range(6):
        dog.look()
    assert [path.name for path in measured] == ["a", "b", "c"] * 2
    dog.remove("b")
    for _ in range(4):
        dog.look()
    assert [path.name for path in measured[6:]] == ["a", "c"] * 2


def test_a_workspace_that_is_gone_does_not_stop_the_watch(sandbox: Holder, workspace: Path) -> None:
    assert watch(sandbox, workspace / "gone").look() == []


def test_a_session_that_is_gone_takes_nothing(sandbox: Holder, workspace: Path) -> None:
    dog = watch(sandbox, workspace, memory_bytes=1)
    sandbox.stop()
    assert dog.look() == []


def test_nobody_to_watch_is_nothing_to_do() -> None:
    assert Watchdog().look() == []
