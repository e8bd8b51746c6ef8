"""Finding an environment's static files."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mograder.errors import EnvironmentFailed
from mograder.marimo_adapter import assets


def test_the_files_of_an_environment_are_found_by_its_interpreter() -> None:
    found = assets.static_files(Path(sys.executable))
    assert found.version == version("marimo")
    assert any((found.directory / "assets").iterdir())


def test_nothing_of_the_environment_is_run(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    (site / "marimo" / "_static").mkdir(parents=True)
    (site / "marimo" / "__init__.py").write_text("raise SystemExit('was run')")
    (site / "marimo" / "_static" / "index.html").touch()
    (site / "marimo-9.8.7.dist-info").mkdir()
    (site / "marimo-9.8.7.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: marimo\nVersion: 9.8.7\n"
    )
    found = assets.static_files(tmp_path / "bin" / "python")
    assert found == (site / "marimo" / "_static", "9.8.7")


def test_an_environment_without_marimo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="has no marimo"):
        assets.static_files(tmp_path / "bin" / "python")
