"""The watchdog sees what a session takes; ``test_bombs`` has it end real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mograder.sandbox import join, usage
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.limits import Limits
from mograder.sandbox.profile import Profile
from mograder.sandbox.rota import Watched
from mograder.sandbox.watchdog import Watchdog
from tests.sandbox.world import SYSTEM_PYTHON, UNPRIVILEGED, World
from tests.support.processes import eventually

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


def test_every_disk_at_first_then_one_a_look_and_each_in_its_turn(
    sandbox: Holder, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []
    monkeypatch.setattr(usage, "tree", lambda root, **_: measured.append(root) or 0)
    dog = Watchdog()
    for name in ("a", "b", "c"):
        (workspace / name).mkdir()
        dog.add(watched(name, sandbox, workspace / name))
    dog.look()
    assert [path.name for path in measured] == ["a", "b", "c"]
    for _ in range(5):
        dog.look()
    assert [path.name for path in measured[3:]] == ["a", "b", "c", "a", "b"]
    dog.remove("b")
    for _ in range(4):
        dog.look()
    assert [path.name for path in measured[8:]] == ["c", "a"] * 2


def watched(name: str, holder: Holder, workspace: Path, **limits: Any) -> Watched:
    """A session whose memory is somebody else's business."""
    return Watched(
        name=name,
        init_pid=holder.init_pid,
        workspace=workspace,
        limits=Limits(**limits),
        memory_counted=True,
    )


GROWS = {
    "writes": "open('big', 'wb').write(b'x' * (30 << 20))",
    "reserves": "import os; os.posix_fallocate(os.open('big', os.O_CREAT | os.O_WRONLY), 0, 200 << 20)",
}


@pytest.mark.parametrize("how", GROWS)
def test_among_fifty_the_one_that_fills_its_disk_is_found_in_the_next_look(world: World, how: str) -> None:
    program = (
        f"import os, time; open('up', 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)\n{GROWS[how]}"
    )
    program += "\nopen('done', 'w'); __import__('signal').pause()"
    start, dog = Start(identity=join.Identity(uid=UNPRIVILEGED)), Watchdog()
    writer = world.student("writer")
    with ExitStack() as stack:
        for number in range(50):
            workspace = writer if number == 37 else world.student(f"of-fifty-{number}")
            profile = Profile(workspace=workspace)
            holder = (
                Holder.run(profile, [SYSTEM_PYTHON, "-c", program], start)
                if number == 37
                else Holder.start(profile, start)
            )
            stack.callback(holder.stop)
            dog.add(watched(f"{number}", holder, workspace, disk_bytes=20 * MiB))
        assert eventually((writer / "up").exists, 20)
        for _ in range(60):
            assert dog.look() == []
        (writer / "go").write_text("")
        assert eventually((writer / "done").exists, 20)
        (excess,) = dog.look()
        assert (excess.name, excess.reason) == ("37", "disk")


def test_a_workspace_that_is_gone_does_not_stop_the_watch(sandbox: Holder, workspace: Path) -> None:
    assert watch(sandbox, workspace / "gone").look() == []


def test_a_session_that_is_gone_takes_nothing(sandbox: Holder, workspace: Path) -> None:
    dog = watch(sandbox, workspace, memory_bytes=1)
    sandbox.stop()
    assert dog.look() == []


def test_nobody_to_watch_is_nothing_to_do() -> None:
    assert Watchdog().look() == []
