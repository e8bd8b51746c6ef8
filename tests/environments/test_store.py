"""mograder.environments.store"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mograder.environments import Environment, Environments, Lock, Requirements, Step, store
from mograder.environments.store import TRUSTED_SECONDS, environment_id
from mograder.errors import EnvironmentFailed, IndexUnreachable, UnusablePackages
from tests.support.environments import NUMPY_NOTEBOOK

PREPARE = """
import sys
from pathlib import Path
from mograder.environments import Environments, Lock
environments = Environments(Path(sys.argv[1]), Path(sys.argv[3]))
lock = Lock(Path(sys.argv[2]).read_text())
print(environments.ready(lock, lambda step: print(step.text, flush=True)).id, flush=True)
"""


def start_preparing(root: Path, lock: Lock, cache: Path) -> subprocess.Popen[str]:
    kept = root.with_name("lock.txt")
    kept.write_text(lock.text)
    command = [sys.executable, "-c", PREPARE, str(root), str(kept), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def linked_copy(environment: Environment, root: Path) -> Environments:
    """The environment again in another directory, its files shared (so: replace them, never write to them)."""
    root.mkdir()
    subprocess.run(["cp", "-al", environment.root, root / environment.id], check=True)
    return Environments(root)


@pytest.mark.real
def test_two_processes_that_start_with_nothing_build_once_and_both_get_it(lock: Lock, tmp_path: Path) -> None:
    root, cache = tmp_path / "environments", tmp_path / "cache"
    both = [start_preparing(root, lock, cache) for _ in range(2)]
    said = [process.communicate(timeout=100)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][-1] == said[1][-1] == environment_id(lock)
    assert sorted("Compiling" in lines for lines in said) == [False, True]
    downloads = [line for lines in said for line in lines if line.startswith("Downloading ")]
    assert any("numpy" in line for line in downloads)
    assert sorted(path.name for path in root.iterdir()) == sorted([environment_id(lock), "locks"])


@pytest.mark.real
def test_a_builder_that_is_killed_leaves_nothing_that_counts(lock: Lock, tmp_path: Path) -> None:
    root = tmp_path / "environments"
    process = start_preparing(root, lock, tmp_path / "cache")
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Downloading "):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    environments = Environments(root)
    assert environments.find(lock) is None
    assert [path.name for path in root.iterdir() if path.name.startswith("building-")]
    environments.prune(keep=())
    assert [path.name for path in root.iterdir()] == ["locks"]


@pytest.mark.real
def test_an_environment_works_is_complete_and_says_what_it_is(environment: Environment, lock: Lock) -> None:
    code = (
        "import sys, numpy, marimo, mograder, mograder.runtime, importlib.metadata as m;"
        "print(numpy.__version__, marimo.__version__, m.version('mograder'), mograder.__file__)"
    )
    done = subprocess.run([environment.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    numpy, marimo, version, file = done.stdout.split()
    assert numpy == lock.packages["numpy"]
    assert marimo == lock.marimo_version == environment.marimo_version
    assert version == sys.modules["mograder"].__version__
    assert Path(file).is_relative_to(environment.site_packages)
    assert environment.base == Path(sys.base_prefix)


@pytest.mark.real
def test_nobody_may_write_anywhere_in_it_and_everybody_may_read(environment: Environment) -> None:
    paths = [environment.root, *environment.root.rglob("*")]
    modes = {path.stat().st_mode & 0o777 for path in paths if not path.is_symlink()}
    assert len(paths) > 5000
    assert modes == {0o555, 0o444}


@pytest.mark.real
def test_nothing_in_it_is_shared_with_the_cache(environment: Environment) -> None:
    links = {path.stat().st_nlink for path in environment.site_packages.glob("*/*.py")}
    assert links == {1}


@pytest.mark.real
def test_the_second_time_it_is_simply_there(
    environments: Environments, environment: Environment, lock: Lock
) -> None:
    def refuse(step: Step) -> None:
        pytest.fail(f"built again: {step}")

    assert environments.ready(lock, refuse) == environment
    assert Environments(environments.root).ready(lock, refuse) == environment


def delete_a_module(root: Path) -> None:
    next(root.rglob("numpy/linalg/__init__.py")).unlink()


def truncate_a_module(root: Path) -> None:
    path = next(root.rglob("marimo/__init__.py"))
    path.unlink()
    path.touch()


def add_a_start_hook(root: Path) -> None:
    (next(root.rglob("site-packages")) / "evil.pth").write_text("import os")


def lose_the_interpreter(root: Path) -> None:
    (root / "bin" / "python").unlink()


def lose_the_marker(root: Path) -> None:
    (root / "environment.json").unlink()


def garble_the_marker(root: Path) -> None:
    (root / "environment.json").unlink()
    (root / "environment.json").write_text("[]")


def delete_everything(root: Path) -> None:
    shutil.rmtree(root)


@pytest.mark.real
@pytest.mark.parametrize(
    "damage",
    [
        delete_a_module,
        truncate_a_module,
        add_a_start_hook,
        lose_the_interpreter,
        lose_the_marker,
        garble_the_marker,
        delete_everything,
    ],
)
def test_damage_is_noticed(
    environment: Environment, lock: Lock, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    environments = linked_copy(environment, tmp_path / "copy")
    assert environments.find(lock)
    damage(tmp_path / "copy" / environment.id)
    assert Environments(environments.root).find(lock) is None


@pytest.mark.real
def test_an_environment_that_was_looked_at_is_trusted_for_a_minute_or_until_it_is_doubted(
    environment: Environment, lock: Lock, tmp_path: Path
) -> None:
    now = 1000.0
    root = linked_copy(environment, tmp_path / "copy").root
    environments = Environments(root, clock=lambda: now)
    found = environments.find(lock)
    assert found
    delete_a_module(found.root)
    assert environments.find(lock) == found
    environments.doubt(found)
    assert environments.find(lock) is None


@pytest.mark.real
@pytest.mark.parametrize(
    "damage", [delete_a_module, add_a_start_hook, lose_the_interpreter, delete_everything]
)
def test_who_looked_at_every_file_once_notices_what_comes_and_goes_without_doing_so_again(
    environment: Environment,
    lock: Lock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
) -> None:
    now = 1000.0
    environments = Environments(linked_copy(environment, tmp_path / "copy").root, clock=lambda: now)
    found = environments.find(lock)
    assert found
    with monkeypatch.context() as patched:
        patched.setattr(store, "_fingerprint", lambda _: pytest.fail("every file is looked at again"))
        for _ in range(3):
            now += TRUSTED_SECONDS
            assert environments.find(lock) == found
    damage(found.root)
    now += TRUSTED_SECONDS
    assert environments.find(lock) is None


@pytest.mark.real
def test_a_damaged_environment_is_built_anew_once_for_all_threads(
    environment: Environment, lock: Lock, tmp_path: Path
) -> None:
    environments = linked_copy(environment, tmp_path / "copy")
    delete_a_module(environments.root / environment.id)
    steps: list[Step] = []
    threads = [threading.Thread(target=environments.ready, args=(lock, steps.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert environments.find(lock)
    assert [step.text for step in steps].count("Ready") == 1
    assert sum(step.text.startswith("Waiting for the same packages") for step in steps) == 2
    fractions = [step.fraction for step in steps if step.fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    check = [environments.root / environment.id / "bin" / "python", "-I", "-c", "import numpy.linalg"]
    assert subprocess.run(check, check=False).returncode == 0


@pytest.mark.real
def test_pruning_deletes_what_nobody_keeps(environment: Environment, lock: Lock, tmp_path: Path) -> None:
    environments = linked_copy(environment, tmp_path / "copy")
    (environments.root / ("0" * 20)).mkdir()
    assert environments.prune(keep={environment.id}) == ["0" * 20]
    assert environments.find(lock)
    assert environments.prune(keep=()) == [environment.id]
    assert environments.find(lock) is None
    assert environments.prune(keep=()) == []


def test_pruning_where_there_is_nothing_is_no_error(tmp_path: Path) -> None:
    assert Environments(tmp_path / "never").prune(keep=()) == []


@pytest.mark.real
def test_a_build_that_fails_leaves_nothing_and_says_the_package_the_reason_and_the_line(
    lock: Lock, tmp_path: Path
) -> None:
    block = re.findall(r"^numpy==.*\n(?: .*\n)+", lock.text, flags=re.MULTILINE)[0]
    wrong = Lock(lock.text.replace(block, re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", block)))
    asked = Requirements.from_notebook(NUMPY_NOTEBOOK, name="A1.py")
    environments = Environments(tmp_path / "environments", tmp_path / "cache")
    with pytest.raises(UnusablePackages) as error:
        environments.ready(wrong, asked=asked)
    version = re.escape(lock.packages["numpy"])
    assert re.match(
        rf"A1\.py:5: numpy {version} can not be had: the index has another file", str(error.value)
    )
    assert [path.name for path in environments.root.iterdir()] == ["locks"]


@pytest.mark.real
def test_an_index_that_goes_away_between_choosing_and_fetching_is_said(
    lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    environments = Environments(tmp_path / "environments", tmp_path / "cache")
    with pytest.raises(IndexUnreachable, match="the package index can not be reached"):
        environments.ready(lock)


def test_a_place_that_can_not_be_written_is_said(lock: Lock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match=r"can not be written to .*file"):
        Environments(tmp_path / "file").ready(lock)


def test_another_mograder_makes_another_environment(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment_id(lock)
    monkeypatch.setattr("mograder.environments.provided.digest", lambda: "other")
    assert environment_id(lock) != before
    assert os.path.basename(before) == before
