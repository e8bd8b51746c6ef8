"""``mograder hub warm-cache`` on the instructor's own machine: `mograder.cli.warm`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mograder.course import Course
from mograder.environments import Environments, Requirements, environment_id
from mograder.hub.releases import ItemType, Releases
from tests.support.hub import NOTEBOOK

BROKEN = "# /// script\n# dependencies = [\n# ///\n"
ASKS_FOR_SIX = NOTEBOOK.format(title="Six").replace('"marimo"]', '"marimo", "six"]')


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "mograder.toml").write_text('[hub]\nuv_cache_dir = "packages"\n')
    return tmp_path


def warm(course: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mograder", "hub", "-C", str(course), "warm-cache", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **env})


def write(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.py").write_text(text)
    return directory / f"{name}.py"


def publish(course: Path, name: str, text: str, lock: str | None = None) -> None:
    files = {f"{name}.py": text.encode()}
    Releases(Course.load(course).published_dir).install(name, files, ItemType.ASSIGNMENT, lock)


def test_a_dry_run_tells_what_it_can_and_fails_for_a_header_that_can_not_be_read(course: Path) -> None:
    publish(course, "A1", ASKS_FOR_SIX)
    (course / "hub-release" / "A2").mkdir()
    write(course / "hub-release" / "A2", "A2", BROKEN)
    done = warm(course, "--all", "--dry-run")
    assert (done.returncode, done.stdout) == (1, "A1: marimo, six\n")
    broken, last = done.stderr.splitlines()
    assert broken.startswith("A2: ")
    assert ":2" in broken
    assert last == "mograder: What A2 depends on can not be read."
    (course / "hub-release" / "A2" / "A2.py").write_text("import marimo\n")
    mended = warm(course, "--all", "--dry-run")
    assert (mended.returncode, mended.stdout) == (0, "A1: marimo, six\nA2: marimo alone\n")


def test_two_notebooks_of_one_name_are_both_told(course: Path) -> None:
    one, other = (
        write(course / "a", "A1", ASKS_FOR_SIX),
        write(course / "b", "A1", NOTEBOOK.format(title="x")),
    )
    done = warm(course, "--dry-run", str(one), str(other))
    assert done.stdout == f"{one}: marimo, six\n{other}: marimo\n"


@pytest.mark.parametrize("words", [("A1.py",), ("--dry-run",), ("--all", "A1.py")])
def test_what_a_hub_can_not_be_asked_for_is_wrong_usage(course: Path, words: tuple[str, ...]) -> None:
    done = warm(course, *words, "--url", "http://127.0.0.1:9/", "--token", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "and --url do not go together" in done.stderr
    assert "leave --url out" in done.stderr


def test_an_address_in_the_environment_does_not_keep_local_work_from_being_done(course: Path) -> None:
    path = write(course, "A1", ASKS_FOR_SIX)
    done = warm(course, "--dry-run", str(path), MOGRADER_HUB_URL="http://127.0.0.1:9/")
    assert (done.returncode, done.stdout) == (0, "A1: marimo, six\n")
    assert "MOGRADER_HUB_URL is not asked" in done.stderr


def test_nothing_named_is_wrong_usage(course: Path) -> None:
    assert warm(course).returncode == 2
    assert warm(course, "nowhere.py").returncode == 1


@pytest.mark.real
@pytest.mark.timeout(900)
def test_what_is_published_is_prepared_by_its_own_lock_and_the_configured_cache_is_filled(
    course: Path,
) -> None:
    elsewhere = Environments(course / "elsewhere")
    lock = elsewhere.resolve(Requirements(("marimo", "six==1.16.0")))
    publish(course, "A1", ASKS_FOR_SIX, lock.text)
    done = warm(course, "--all")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "A1: ready"
    made = Environments(course / ".mograder" / "environments").find(lock)
    assert made is not None
    assert made.id == environment_id(lock)
    assert (made.site_packages / "six-1.16.0.dist-info").is_dir()
    others = [path.name for path in (course / ".mograder" / "environments").iterdir() if len(path.name) == 20]
    assert others == [made.id]
    assert any((course / "packages").rglob("six*")), "uv kept nothing in uv_cache_dir"
    named = write(course, "B1", ASKS_FOR_SIX.replace('"six"', '"six==1.16.0"'))
    again = warm(course, "--all", str(named))
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines() == ["A1: ready", "B1: ready"], "what is there was built again"
    failing = write(course, "B2", ASKS_FOR_SIX.replace('"six"', '"no-such-package-of-ours-4"'))
    failed = warm(course, str(failing), str(named))
    assert failed.returncode == 1
    assert "B2:3: no-such-package-of-ours-4 can not be had" in failed.stderr
    assert failed.stderr.splitlines()[-2:] == [
        "B1: ready",
        "mograder: The packages of B2 could not be prepared.",
    ]
