"""A Moodle that is up, and a course on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mograder.moodle.client import Moodle
from mograder.moodle.wire import Wire
from tests.support.moodle import COURSE, FakeMoodle, running_moodle

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def moodle() -> Iterator[FakeMoodle]:
    with running_moodle() as up:
        yield up


@pytest.fixture
def teacher(moodle: FakeMoodle) -> Iterator[Moodle]:
    with Wire(moodle.url, "TOKEN-teacher1") as line:
        yield Moodle(line)


@pytest.fixture
def student(moodle: FakeMoodle) -> Iterator[Moodle]:
    with Wire(moodle.url, "TOKEN-student1") as line:
        yield Moodle(line)


@pytest.fixture
def course(tmp_path: Path, moodle: FakeMoodle) -> Path:
    """A course directory; its configuration has a comment that must survive."""
    root = tmp_path / "course"
    root.mkdir()
    text = (
        f'# keep me\n[hub]\ntitle = "T"  # and me\n\n[moodle]\nurl = "{moodle.url}/"\ncourse_id = {COURSE}\n'
    )
    (root / "mograder.toml").write_text(text)
    return root


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run("teacher1", "sync", …)``: the command as its user types it; what it says and its exit status."""

    def command(who: str, *words: object, given: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        known = {
            "PATH": "/usr/bin:/bin",
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "HOME": str(tmp_path),
            **env,
        }
        if who:
            known["MOGRADER_MOODLE_TOKEN"] = f"TOKEN-{who}"
        words = (sys.executable, "-m", "mograder", "moodle", *words)
        return subprocess.run(
            [str(word) for word in words],
            env=known, cwd=tmp_path, input=given, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    return command
