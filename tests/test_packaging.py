"""What somebody gets who installs the package into an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from packaging.version import Version

from mograder.environments import OLDEST_MARIMO
from mograder.hub.checkup import TESTED_MARIMO
from tests.support.marimo_environments import VERSIONS

ROOT = Path(__file__).parents[1]
UV = uv.find_uv_bin()


def run(*words: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=300, **kwargs
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return done  # type: ignore[no-any-return]


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_plain_install_makes_and_publishes_the_demo_course(course_root: Path) -> None:
    venv = course_root / "installed"
    run(UV, "venv", "-q", "-p", sys.executable, venv)
    run(UV, "pip", "install", "-q", "-p", venv / "bin" / "python", ROOT)
    mograder = venv / "bin" / "mograder"
    assert run(mograder, "--version").stdout.startswith("mograder, version ")
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    run(mograder, "demo", course_root / "plain", "--prepare-only", env=clean)
    assert (course_root / "plain" / "hub-release" / "A1-Heat-Equation" / "files.json").exists()
    check = "import sys, mograder.hub.app; sys.exit('pytest' in sys.modules)"
    run(venv / "bin" / "python", "-I", "-c", check)


def test_what_is_claimed_of_marimo_is_what_is_proven() -> None:
    """The oldest and newest minor version: asked for at installation, accepted in a lock, checked, tested."""
    tested = [".".join(version.split(".")[:2]) for version in VERSIONS]
    oldest, newest = (pick(tested, key=Version) for pick in (min, max))
    assert (oldest, (oldest, newest)) == (OLDEST_MARIMO, TESTED_MARIMO)
    assert f'"marimo>={oldest}"' in (ROOT / "pyproject.toml").read_text()


def test_every_runtime_dependency_names_its_owner() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("\n]", 1)[0]
    lines = [line for line in block.splitlines() if line.strip().startswith('"')]
    assert len(lines) > 10
    assert all("#" in line for line in lines), lines
