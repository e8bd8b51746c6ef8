"""mograder.environments.provided"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mograder.environments import Environment, provided

EVERY_MODULE = """
import importlib, pkgutil, mograder
found = [m.name for m in pkgutil.walk_packages(mograder.__path__, "mograder.")]
for name in found:
    importlib.import_module(name)
print("\\n".join(found))
"""


@pytest.mark.real
def test_every_module_that_is_provided_can_be_imported_there(environment: Environment) -> None:
    done = subprocess.run([environment.python, "-I", "-c", EVERY_MODULE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = done.stdout.split()
    assert {"mograder.runtime", "mograder.errors", "mograder.marimo_adapter", "mograder.sandbox"} <= {*found}


@pytest.mark.real
def test_nothing_of_the_hub_is_provided(environment: Environment) -> None:
    names = {path.stem for path in (environment.site_packages / "mograder").iterdir()}
    assert not names & {"hub", "cli", "moodle", "sessions", "notebook", "config", "environments"}


def test_the_copy_is_what_the_hub_runs(tmp_path: Path) -> None:
    provided.copy_into(tmp_path)
    copied = [path for path in (tmp_path / "mograder").rglob("*") if path.is_file()]
    here = Path(provided.__file__).parent.parent
    assert len(copied) > 5
    assert all(
        path.read_bytes() == (here / path.relative_to(tmp_path / "mograder")).read_bytes() for path in copied
    )
    assert len(provided.digest()) == 64
