"""``bench.gateway``: every candidate carries every load, and what was measured adds up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.gateway.measure import NAMES, run
from bench.gateway.report import GOALS, ratios, verdicts

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def test_all_candidates_are_measured_with_little_of_everything(tmp_path: Path) -> None:
    sheet = run(rounds=1, seconds=0.4, crowd=20)
    assert set(sheet.medians) == set(NAMES), "a program is missing: `make test` installs what is measured"
    for name, found in sheet.medians.items():
        for what in ("get", "put", "ws1", "ws100", "ws1000", "ws16k"):
            assert found[f"{what}_failed"] == 0, (name, what)
        if name != "httpx":  # too slow to be sure of an answer in so short a time
            for rate in ("get_rate", "big_mb_s", "put_mb_s", "ws1_rate", "ws100_rate", "ws1000_rate"):
                assert found[rate] > 0, (name, rate)
    # What holds on any machine, however busy: an answer is not collected before it is passed on.
    assert sheet.medians["protocol"]["stalled_get_mb"] < 4
    assert sheet.medians["protocol"]["stalled_ws_mb"] < 4
    assert sheet.medians["httpx"]["stalled_get_mb"] > 10
    written = json.loads(sheet.write_to(tmp_path / "gateway.json").read_text())
    assert {"about", "medians", "ratios", "goals"} <= set(written)
    assert len(written["goals"]) == len(GOALS)
    assert all(f" x {name}" in str(sheet) for name in NAMES if name != "protocol")


def test_more_than_one_is_better_and_a_missed_goal_is_said() -> None:
    medians = {
        "protocol": {"get_rate": 300.0, "get_cpu_us": 10.0, "stalled_get_mb": 5.0},
        "nginx": {"get_rate": 100.0, "get_cpu_us": 40.0, "stalled_get_mb": 1.0},
    }
    assert ratios(medians)["get_rate"] == {"nginx": 3.0}
    assert ratios(medians)["get_cpu_us"] == {"nginx": 4.0}
    complete = {"protocol": {key: 5.0 for _, _, key, _, _ in GOALS} | medians["protocol"]}
    met = {goal["what"]: goal["met"] for goal in verdicts({**medians, **complete})}
    assert met["small GET, 50 connections, against nginx + auth_request"] is True
    assert met["500 MB at a reader that does not read, HTTP, growth in MB"] is False
    assert met["5 MB download, against direct"] is None
