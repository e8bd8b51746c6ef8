"""How limits become rlimits and niceness."""

from __future__ import annotations

import resource

from mograder.sandbox.limits import Limits


def test_a_session_dumps_no_core() -> None:
    assert Limits().rlimits(memory_counted=True)[resource.RLIMIT_CORE] == (0, 0)


def test_data_is_bounded_only_where_no_control_group_counts_memory() -> None:
    limits = Limits(memory_bytes=100)
    assert resource.RLIMIT_DATA not in limits.rlimits(memory_counted=True)
    assert limits.rlimits(memory_counted=False)[resource.RLIMIT_DATA] == (200, 200)


def test_processes_files_and_descriptors_are_bounded() -> None:
    bounds = Limits(processes=7, open_files=9, file_bytes=11).rlimits(memory_counted=True)
    assert bounds[resource.RLIMIT_NPROC] == (7, 7)
    assert bounds[resource.RLIMIT_NOFILE] == (9, 9)
    assert bounds[resource.RLIMIT_FSIZE] == (11, 11)


def test_a_smaller_weight_is_nicer_and_none_is_meaner() -> None:
    assert Limits().nice() == 0
    assert Limits(cpu_weight=1000).nice() == 0
    assert 0 < Limits(cpu_weight=50).nice() < Limits(cpu_weight=10).nice() <= 19
    assert Limits(cpu_weight=1).nice() == 19
