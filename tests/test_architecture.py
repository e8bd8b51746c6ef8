"""The rooms and the direction of imports between them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "mograder"


def modules() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if "course" not in path.parts]


def test_imports_point_one_way() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo"]
    done = subprocess.run(command, cwd=SOURCE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_only_the_adapter_knows_marimos_internals() -> None:
    for path in modules():
        if "marimo_adapter" not in path.parts:
            assert not re.search(r"^\s*(import|from) marimo\._", path.read_text(), re.M), path


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    for path in modules():
        assert path.read_text().startswith('"""'), path


def test_no_module_has_grown_over_its_measure() -> None:
    long = {path.name: n for path in modules() if (n := path.read_text().count("\n")) > 500}
    long.pop("syscalls.py", None)  # a table
    assert long == {}


def test_nothing_names_a_package_registry() -> None:
    root = SOURCE.parents[1]
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    hosts = re.compile(rb"(files\.pythonhosted|registry\.npmjs|//pypi)\.org")
    for name in tracked.splitlines():
        path = root / name
        assert not path.is_file() or path == Path(__file__) or not hosts.search(path.read_bytes()), name
