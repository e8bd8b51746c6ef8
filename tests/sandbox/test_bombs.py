"""A bomb ends or stops its own session, which can say why; its neighbour lives, and nothing of it is left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import inside
from tests.sandbox.world import MiB, Outcome, World

pytestmark = pytest.mark.real

LIMITS = {
    "memory_bytes": 200 * MiB,
    "processes": 40,
    "disk_bytes": 64 * MiB,
    "inodes": 500,
    "file_bytes": 32 * MiB,
    "open_files": 256,
    "cpu_cores": 0.5,
}
SECONDS = 2.0  # after which a session that goes on is stopped, as a person would stop it


def watched(world: World, name: str) -> Outcome:
    """Where nothing but rlimits and the watchdog is in force."""
    return world.unprivileged(
        ["bomb", name, "@/opt/facts.json"], "fork", limits={**LIMITS, "cpu_cores": None}, seconds=SECONDS
    )


def grouped(world: World, name: str) -> Outcome:
    """Where control groups are in force."""
    words = ["bomb", name, "@/opt/facts.json"]
    outcome = world.jailed(words, "fork", as_user="root", use_cgroups=True, limits=LIMITS, seconds=SECONDS)
    if outcome.host["means"] is None:
        pytest.skip("this host lets nobody make control groups")
    return outcome


def ended(outcome: Outcome) -> tuple[str, str]:
    return outcome.verdict["ended"], outcome.verdict.get("reason", "")


def refused_after(outcome: Outcome) -> int:
    line = next(line for line in outcome.lines if line.startswith("refused after"))
    return int(line.split()[2])


def over_memory(outcome: Outcome) -> None:
    assert ended(outcome) == ("over a limit", "memory")


def over_disk(outcome: Outcome) -> None:
    assert ended(outcome) == ("over a limit", "disk")


def refused_within(most: int) -> Callable[[Outcome], None]:
    def check(outcome: Outcome) -> None:
        assert refused_after(outcome) <= most

    return check


def stopped(outcome: Outcome) -> None:
    assert ended(outcome) == ("stopped", "")


def little_scratch(outcome: Outcome) -> None:
    taken = json.loads(next(line for line in outcome.lines if line.startswith("{")))
    assert sum(taken.values()) <= 3 * 32
    assert {place for place, size in taken.items() if size} <= {"/tmp", "/dev/shm", "/home/student"}


def too_large(outcome: Outcome) -> None:
    assert "refused EFBIG" in outcome.lines


def few_segments(outcome: Outcome) -> None:
    if ended(outcome) != ("over a limit", "memory"):
        assert refused_after(outcome) == 0


def little_in_memory_files(outcome: Outcome) -> None:
    """Refused where nothing counts them; else bounded as any file is, and counted."""
    assert refused_after(outcome) <= 32 or ended(outcome) == ("over a limit", "memory")


def ends_by_itself(outcome: Outcome) -> None:
    assert ended(outcome) == ("by itself", "")


CONTAINED: dict[str, Callable[[Outcome], None]] = {
    "memory_in_one_process": over_memory,
    "memory_in_many_processes": over_memory,
    "forks": refused_within(40),
    "forks_of_forks": stopped,
    "threads": refused_within(40),
    "processor": stopped,
    "disk": over_disk,
    "disk_in_deleted_files": over_disk,
    "one_sparse_file": too_large,
    "files": over_disk,
    "scratch_space": little_scratch,
    "scratch_files": refused_within(20_000),
    "memory_files": little_in_memory_files,
    "shared_memory_segments": few_segments,
    "pipes": refused_within(64),
    "socket_buffers": refused_within(200),
    "descriptors": refused_within(256),
    "daemon": ends_by_itself,
    "output": stopped,
    "deaf_to_signals": stopped,
    "deep_directories": over_disk,
}


def test_every_bomb_has_its_test() -> None:
    assert set(CONTAINED) == set(inside.BOMBS)


@pytest.mark.parametrize("means", [watched, grouped])
@pytest.mark.parametrize("name", CONTAINED)
def test_a_bomb_harms_its_own_session_only(
    world: World, name: str, means: Callable[[World, str], Outcome]
) -> None:
    outcome = means(world, name)
    CONTAINED[name](outcome)
    assert outcome.verdict["peer_alive"]
    assert outcome.verdict["gone"], "the sandbox did not end"
    assert outcome.verdict["stop_ms"] < 1000
    assert outcome.verdict.get("left", []) == []


def test_the_engine_is_in_a_group_of_the_tree_and_the_tree_goes_with_it(world: World) -> None:
    outcome = grouped(world, "descriptors")
    assert outcome.host["engine_groups"], "the jail did not enter the tree"
    assert not outcome.host["left"]


def test_the_disk_does_not_fill_far_past_the_limit_before_the_watchdog_sees_it(world: World) -> None:
    outcome = grouped(world, "disk")
    workspace = Path(outcome.host["workspace"])
    assert sum(path.stat().st_size for path in workspace.iterdir()) < 64 * MiB * 12


def test_a_spinning_session_gets_the_share_of_the_processor_that_it_may_have(world: World) -> None:
    used: dict[str, Any] = grouped(world, "processor").verdict["usage"]
    assert 0.2 < used["cpu_seconds"] < 0.5 * SECONDS * 1.6


def test_a_daemon_does_not_outlive_its_session(world: World) -> None:
    begin = time.time()
    outcome = watched(world, "daemon")
    assert outcome.verdict["gone"]
    assert not [pid for pid in _processes_since(begin) if b"evil" in pid]


def _processes_since(begin: float) -> list[bytes]:
    names = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_mtime >= begin:
                names.append((path / "comm").read_bytes())
        except OSError:
            continue
    return names
