"""mograder.environments.build"""

from __future__ import annotations

import sys

import pytest

from mograder.environments import Step, build, run_check
from mograder.environments.build import Progress
from mograder.errors import EnvironmentFailed


def test_uvs_talk_becomes_steps_that_only_go_forward() -> None:
    steps: list[Step] = []
    progress = Progress(steps.append)
    for line in [
        "Using Python 3.11.7 environment at: v",
        "Resolved 26 packages in 113ms",
        "Downloading numpy (16.1MiB)",
        "Downloading marimo (37.6MiB)",
        " Downloaded numpy",
        "Downloading loro (3.7MiB)",
        " Downloaded marimo",
        "Prepared 26 packages in 789ms",
        " + numpy==2.4.6",
    ]:
        progress.line(line)
    assert [step.text for step in steps] == [
        "Downloading numpy (16.1MiB)",
        "Downloading marimo (37.6MiB)",
        "Downloaded numpy",
        "Downloading loro (3.7MiB)",
        "Downloaded marimo",
        "Installing",
    ]
    fractions = [step.fraction for step in steps if step.fraction is not None]
    assert len(fractions) == len(steps)
    assert fractions == sorted(fractions)


@pytest.mark.real
def test_a_check_that_fails_says_its_last_line() -> None:
    with pytest.raises(EnvironmentFailed, match="do not work together: ZeroDivisionError"):
        run_check([sys.executable, "-I", "-c", "1/0"])


def test_the_package_that_fails_is_named_and_what_to_do() -> None:
    said = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "/e/lib/python3.11/site-packages/marimo/__init__.py", line 9, in <module>
    import narwhals
  File "/e/lib/python3.11/site-packages/narwhals/__init__.py", line 1, in <module>
    raise RuntimeError("made for another machine")
RuntimeError: made for another machine
"""
    error = build.broken(said, 1)
    assert error.message.endswith("narwhals fails with RuntimeError: made for another machine.")
    assert "published again" in (error.tip or "")


def test_a_module_of_one_file_is_named_too() -> None:
    said = '  File "/e/lib/python3.11/site-packages/six.py", line 1, in <module>\nImportError: no'
    assert build.broken(said, 1).message.endswith("six fails with ImportError: no.")


@pytest.mark.real
def test_a_check_sees_nothing_of_the_hubs_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOGRADER_HUB_SECRET", "canary")
    run_check([sys.executable, "-I", "-c", "import os; assert 'canary' not in os.environ.values()"])


@pytest.mark.real
def test_a_check_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "CHECK_SECONDS", 0.2)
    with pytest.raises(EnvironmentFailed, match="did not start within"):
        run_check([sys.executable, "-I", "-c", "import time; time.sleep(60)"])
