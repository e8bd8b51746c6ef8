"""What of the disk a Python needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import interpreters


def test_our_own_interpreter_is_inside_what_is_shown() -> None:
    shown = interpreters.own()
    for path in (Path(sys.executable).resolve(), Path(interpreters.__file__), Path(sys.prefix, "pyvenv.cfg")):
        if not path.is_relative_to("/usr") and path.exists():
            assert any(path.is_relative_to(root) for root in shown), path


def test_an_environment_and_the_python_it_was_made_from(tmp_path: Path) -> None:
    base = tmp_path / "python-3.12"
    (base / "bin").mkdir(parents=True)
    (base / "bin" / "python3.12").touch()
    (tmp_path / "python-3").symlink_to(base)
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(tmp_path / "python-3" / "bin" / "python3.12")
    (environment / "pyvenv.cfg").write_text(f"home = {tmp_path}/python-3/bin\nversion = 3.12\n")
    shown = interpreters.of_environment(environment)
    assert {environment, tmp_path / "python-3", base} == set(shown)


def test_the_systems_python_needs_nothing_more_than_the_environment(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/usr/bin/python3")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert interpreters.of_environment(tmp_path) == (tmp_path,)


def test_what_is_no_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no virtual environment"):
        interpreters.of_environment(tmp_path)
    (tmp_path / "pyvenv.cfg").write_text("version = 3.12\n")
    with pytest.raises(SandboxError, match="names no home"):
        interpreters.of_environment(tmp_path)


def test_links_that_go_round_in_circles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("python")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    with pytest.raises(SandboxError, match="without an end"):
        interpreters.of_environment(tmp_path)


def test_a_directory_within_another_is_not_named_twice(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    missing = tmp_path / "missing"
    found = interpreters.outermost(
        [tmp_path / "a" / "b", tmp_path / "a", missing, Path("/usr"), Path("/usr/lib")]
    )
    assert found == (tmp_path / "a",)
