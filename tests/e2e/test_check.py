"""``mograder hub check`` opens a published notebook as a student would, also while a hub runs, and leaves nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hub import RunningHub
from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ITEM = "A1-Heat-Equation"
SECRET = "s" * 64


def check(course: Path) -> dict[str, dict[str, str]]:
    """The probes by name."""
    command = [sys.executable, "-m", "mograder", "hub", "check", "--dev", "--json", str(course)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={"MOGRADER_HUB_SECRET": SECRET}, check=False
    )
    return {probe["name"]: probe for probe in json.loads(done.stdout)["probes"]}


def engines(course: Path) -> list[str]:
    """Command lines of engines that were started for a check of this course."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, mounts = (path / "cmdline").read_text(), (path / "mountinfo").read_text()
        except OSError:
            continue
        if "mograder.sessions.engine" in words and str(course) in mounts:
            found.append(words)
    return found


def test_a_published_notebook_is_opened_and_its_packages_are_told(
    demo_course: Path, demo_hub: RunningHub
) -> None:
    before = len(engines(demo_course))
    run = demo_course / ".mograder" / "run"
    others = set(run.iterdir())  # sessions of the hub, which tests share
    probes = check(demo_course)
    assert re.search(rf"^{ITEM} was open after \d+\.\d s \(warm\)$", probes["session"]["detail"]), probes
    assert probes["session"]["level"] == "ok"
    assert probes[f"warm {ITEM}"]["detail"] == "warm"
    assert not (demo_course / ".mograder" / "check").exists()
    assert set(run.iterdir()) <= others
    assert eventually(lambda: len(engines(demo_course)) == before, 10)


def test_a_notebook_that_can_not_be_opened_is_a_failure_with_its_reason(
    demo_course: Path, course_root: Path
) -> None:
    deep = course_root / ("deep" * 25)
    (deep / ".mograder").mkdir(parents=True, mode=0o700)
    shutil.copy(demo_course / "mograder.toml", deep)
    shutil.copytree(demo_course / "hub-release", deep / "hub-release")
    (deep / ".mograder" / "environments").symlink_to(demo_course / ".mograder" / "environments")
    probe = check(deep)["session"]
    assert probe["level"] == "fail"
    assert "can not be opened: The course lies too deep in the file system for a socket" in probe["detail"]
    assert "move it up" in probe["detail"] + probe["remedy"]
