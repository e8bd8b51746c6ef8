"""What the host can do, tried; and that each probe can say no."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import breakout, bubblewrap, cgroups, preflight, selftest
from mograder.sandbox.identities import Identities
from mograder.sandbox.preflight import Report
from mograder.sandbox.selftest import Result
from tests.sandbox.world import World

pytestmark = pytest.mark.real

GOOD = Result(joined="", fresh="", escapes=(), start_ms=20.0)


@pytest.fixture
def place(world: World) -> Path:
    return world.workspaces


def levels(report: Report) -> dict[str, str]:
    return {probe.name: probe.level for probe in report.probes}


def test_this_host_confines_sessions(place: Path) -> None:
    report = preflight.examine(place)
    found = levels(report)
    assert (found["sandbox"], found["containment"], found["forked sessions"]) == ("ok", "ok", "ok")
    assert report.can_join
    assert report.verdict in ("strict", "standard", "degraded")
    assert (report.verdict == "degraded") == (report.means == "rlimits and a watchdog")


def test_nothing_is_left_of_the_self_test(place: Path) -> None:
    before = set(place.iterdir())
    preflight.examine(place)
    assert set(place.iterdir()) == before


def test_every_probe_that_is_not_ok_has_a_remedy(place: Path) -> None:
    for probe in preflight.examine(place).probes:
        assert bool(probe.remedy) == (probe.level != "ok"), probe


def test_an_ordinary_user_is_examined_as_what_it_is(world: World) -> None:
    place = world.student("workspaces")
    program = f"""
import json, sys
sys.path.insert(0, {str(world.packages)!r})
from pathlib import Path
from mograder.sandbox import preflight
report = preflight.examine(Path({str(place)!r}))
failed = [probe.name for probe in report.probes if probe.level == "fail"]
print(json.dumps([report.verdict, report.identities.how, report.can_join, failed]))
"""
    assert json.loads(world.python(program)) == ["degraded", "shared", True, []]


def test_without_bubblewrap_the_verdict_is_to_refuse(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_SYSTEM_PATH", "/nonexistent")
    report = preflight.examine(place)
    assert report.verdict == "refuse"
    assert levels(report)["bubblewrap"] == "fail"
    assert not report.can_join


def test_an_escape_is_a_reason_to_refuse(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leaky = Result(joined="", fresh="", escapes=("mount",), start_ms=1.0)
    monkeypatch.setattr(selftest, "run", lambda *_: leaky)
    report = preflight.examine(place)
    assert report.verdict == "refuse"
    assert (
        next(probe.detail for probe in report.probes if probe.name == "containment") == "a session can mount"
    )


def test_a_host_where_forks_can_not_join_starts_fresh_sessions(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        selftest, "run", lambda *_: Result(joined="EPERM", fresh="", escapes=(), start_ms=1.0)
    )
    report = preflight.examine(place)
    assert not report.can_join
    assert report.verdict != "refuse"


def test_a_jail_that_can_not_be_made_is_a_reason_to_refuse(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Result:
        raise SandboxError("no jail today")

    monkeypatch.setattr(selftest, "run", broken)
    report = preflight.examine(place)
    assert report.verdict == "refuse"
    assert "no jail today" in [probe.detail for probe in report.probes]


def test_without_control_groups_the_verdict_is_degraded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "find", lambda: None)
    monkeypatch.setattr(selftest, "run", lambda *_: GOOD)
    assert preflight.examine(place).verdict == "degraded"


def test_groups_that_sessions_keep_are_counted_in_the_verdict(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getgroups", lambda: [os.getegid(), 4321])
    own, shared = preflight.identities.choose(), Identities(how="shared", engine_uid=1, engine_gid=1)
    monkeypatch.setattr(preflight, "_self_test", lambda workspaces, users: ([], True))
    assert "degraded" not in (preflight.examine(place).verdict, own.how)
    monkeypatch.setattr(preflight.identities, "choose", lambda **_: shared)
    report = preflight.examine(place)
    (groups,) = [probe for probe in report.probes if probe.name == "supplementary groups"]
    assert (report.verdict, groups.level, groups.detail) == ("degraded", "warn", "member of 4321")


def test_workspaces_that_can_fill_the_hubs_own_disk_are_told(place: Path) -> None:
    state = place.parent / "hub-state"
    state.mkdir(mode=0o700)
    (disk,) = [probe for probe in preflight.examine(place, state=state).probes if probe.name == "disk"]
    assert disk.level == "warn"
    assert disk.detail in ("on the file system of the hub's state", "on the system's file system")


@pytest.mark.parametrize(
    ("version", "words"),
    [(7, "version 7, not needed: what it could hide is not in a sandbox"), (0, "none, and none is needed")],
)
def test_landlock_is_told_and_decides_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, version: int, words: str
) -> None:
    monkeypatch.setattr(selftest, "run", lambda *_: GOOD)
    usual = preflight.examine(place).verdict
    monkeypatch.setattr(preflight.kernel, "landlock", lambda: version)
    report = preflight.examine(place)
    (landlock,) = [probe for probe in report.probes if probe.name == "landlock"]
    assert (landlock.level, landlock.detail, report.verdict) == ("ok", words, usual)


@pytest.mark.parametrize(("mode", "level"), [(0o700, "ok"), (0o750, "fail"), (0o701, "fail")])
def test_the_hubs_state_is_private(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, level: str
) -> None:
    monkeypatch.setattr(selftest, "run", lambda *_: GOOD)
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    assert levels(preflight.examine(place, state=tmp_path / "state"))["private state"] == level


def test_state_below_the_workspaces_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "run", lambda *_: GOOD)
    state = place / "state"
    state.mkdir(mode=0o700)
    assert preflight.examine(place, state=state).verdict == "refuse"
    state.rmdir()


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, "AppArmor"),
        ({"kernel/unprivileged_userns_clone": "0"}, "unprivileged_userns_clone=1"),
        ({"user/max_user_namespaces": "0"}, "max_user_namespaces"),
        ({}, "container"),
    ],
)
def test_missing_namespaces_have_the_remedy_for_their_reason(
    place: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], remedy: str
) -> None:
    monkeypatch.setattr(preflight, "_setting", settings.get)
    monkeypatch.setattr(bubblewrap, "find", lambda: "/bin/false")
    found = {probe.name: probe for probe in preflight.examine(place).probes}
    assert found["user namespaces"].level == "fail"
    assert remedy in found["user namespaces"].remedy


def test_the_self_test_would_notice_that_there_is_no_sandbox(world: World) -> None:
    """The same tries, by an ordinary user without a sandbox: most succeed."""
    place = world.student("unconfined")
    facts = {
        "secret": world.facts["secret_file"],
        "peer": str(world.workspaces),
        "canary": "",
        "port": str(world.facts["hub_port"]),
        "abstract": world.facts["hub_abstract"],
        "runtime": str(place),
    }
    program = f"""
import json, os, sys
sys.path.insert(0, {str(world.packages)!r})
os.chdir({str(place)!r})
from mograder.sandbox import breakout
print(json.dumps(breakout.run({facts!r})))
"""
    escapes = set(json.loads(world.python(program)))
    assert escapes >= set(breakout.tries(facts)) - {
        "mount",
        "become another user",
        "change the interpreter it runs on",
    }


def test_a_self_test_whose_session_says_nothing_fails(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_command", lambda _: ["/bin/true"])
    with pytest.raises(SandboxError, match="said nothing"):
        selftest.run(place, preflight.examine(place).identities)


def test_the_examination_leaves_no_descriptor(place: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    preflight.examine(place)
    assert sorted(os.listdir("/proc/self/fd")) == before
