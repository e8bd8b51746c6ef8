"""A course from its sources: generating, building environments, checking a whole class."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.hub import RunningHub, make_demo, running

from bench.report import Measure, Sheet
from bench.sessions import ITEM, interpreter
from mograder.environments import Environments, Requirements
from mograder.environments.uv import find_uv
from mograder.hub.coursework import VALIDATED_AT_ONCE

PACKAGES = ("numpy", "pandas", "matplotlib", "scipy")
PROF = "prof"
WORKERS = VALIDATED_AT_ONCE
"""Notebooks that are run at the same time, by the hub and in the plain way alike."""


def main(
    items: int = 30,
    proven: int = 30,
    rounds: int = 5,
    burst: int = 100,
    plain: int = 20,
    packages: tuple[str, ...] = PACKAGES,
) -> Sheet:
    """Run all; about ten minutes, with downloads.

    ``items`` are generated, ``proven`` of them with their proof; ``plain`` exports stand for the other way.
    An environment of ``packages`` is built (none: not at all).
    """
    sheet = Sheet("Courses: from source to a checked class")
    with tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name:
        root = Path(name)
        course = make_demo(root / "course")
        _teach(course)
        sheet.head()
        with _copies(course, items) as names:
            sheet.add(_generate(course, names))
        with _copies(course, proven) as names:
            sheet.add(_prove(course, root, names))
        for warm in (False, True) if packages else ():
            sheet.add(_build(root, packages, warm=warm))
        with running(course) as hub:
            sheet.add(_publish(hub, root, rounds))
            sheet.add(_burst(hub, root, burst, plain))
    return sheet


def _teach(course: Path) -> None:
    """Make ``prof`` an instructor of the course."""
    config = course / "mograder.toml"
    config.write_text(config.read_text().replace("[hub]\n", f'[hub]\ninstructors = ["{PROF}"]\n', 1))
    assert PROF in config.read_text()


@contextlib.contextmanager
def _copies(course: Path, count: int) -> Iterator[list[str]]:
    """That many assignments, all alike but for their names."""
    names = [f"B{number:02}-Copy" for number in range(count)]
    for item in names:
        place = course / "source" / item
        shutil.copytree(course / "source" / ITEM, place)
        (place / f"{ITEM}.py").rename(place / f"{item}.py")
    yield names
    for item in names:
        shutil.rmtree(course / "source" / item)
        shutil.rmtree(course / "release" / item)


def _generate(course: Path, names: list[str]) -> Measure:
    """All in one command, and one command for each."""
    command = [sys.executable, "-m", "mograder", "generate", "--no-validate", "-C", str(course)]
    at_once = _seconds([*command, *names])
    one_by_one = sum(_seconds([*command, item]) for item in names)
    count = len(names)
    return Measure(
        f"generate of {count} assignments, no proof", "s", [at_once], [one_by_one], "other: one by one"
    )


def _prove(course: Path, root: Path, names: list[str]) -> Measure:
    """Solution and release of each are run; plain: two exports for each, `WORKERS` at a time, of the same packages."""
    command = [sys.executable, "-m", "mograder", "generate", "-C", str(course)]
    _seconds([*command, names[0]])  # its packages are there from now on
    ours = _seconds([*command, *names])
    theirs = _plain(interpreter(course), course / "source" / ITEM / f"{ITEM}.py", root, 2 * len(names))
    whole = 2 * len(names) * theirs
    return Measure(
        f"generate of {len(names)} assignments, proven", "s", [ours], [whole], "other: marimo export alone"
    )


def _publish(hub: RunningHub, root: Path, rounds: int) -> Measure:
    """An assignment put up again with other text and the same packages; plain: uv makes them anew from its cache."""
    release = hub.course / "release" / ITEM
    files = {path.name: path.read_bytes() for path in sorted(release.iterdir()) if path.is_file()}
    ours, theirs = [], []
    with hub.client(PROF) as prof:
        for number in range(rounds):
            files[f"{ITEM}.py"] += f"# {number}\n".encode()
            parts = [("files", (name, data)) for name, data in files.items()]
            begun = time.perf_counter()
            prof.post(f"publish/{ITEM}", files=parts).raise_for_status()
            ours.append(time.perf_counter() - begun)
    for number in range(rounds):
        place = root / f"by-hand-{number}"
        begun = time.perf_counter()
        _seconds([str(find_uv()), "venv", "-q", "-p", sys.executable, str(place)])
        _seconds(
            [
                str(find_uv()),
                "pip",
                "install",
                "-q",
                "-p",
                str(place / "bin" / "python"),
                "marimo",
                "numpy",
                "matplotlib",
            ]
        )
        theirs.append(time.perf_counter() - begun)
    return Measure("publish, packages ready", "s", ours, theirs, "other: uv venv and uv pip install, cached")


def _build(root: Path, packages: tuple[str, ...], *, warm: bool) -> Measure:
    """marimo and ``packages``: ours, and venv with pip, without and with what is in the caches."""
    requirements = Requirements(packages)
    environments = Environments(root / f"environments-{warm}", root / "uv-cache")
    begun = time.perf_counter()
    environments.ready(environments.resolve(requirements))
    ours = time.perf_counter() - begun
    place = root / f"plain-{warm}"
    begun = time.perf_counter()
    _seconds([sys.executable, "-m", "venv", str(place)])
    install = [
        str(place / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "-q",
        "--cache-dir",
        str(root / "pip-cache"),
    ]
    _seconds([*install, "marimo", *packages])
    theirs = time.perf_counter() - begun
    kind = "caches full" if warm else "caches empty"
    return Measure(
        f"environment of {' '.join(packages)}, {kind}", "s", [ours], [theirs], "other: venv and pip"
    )


def _burst(hub: RunningHub, root: Path, burst: int, plain: int) -> Measure:
    """Seconds for each of many notebooks that are all handed in at once; plain: exports, `WORKERS` at a time."""
    first, *users = (f"burst{number}" for number in range(burst + 1))
    for user in (first, *users):
        with hub.client(user) as client:
            client.post(f"download-release/{user}/{ITEM}").raise_for_status()
        path = hub.course / "hub-notebooks" / user / ITEM / f"{ITEM}.py"
        path.write_text(f"{path.read_text()}# {user}\n")  # the same content would not be run again

    def check(user: str) -> None:
        with hub.client(user) as client:
            client.timeout = 600
            found = client.post(f"validate/{user}/{ITEM}").raise_for_status().json()
            assert found["checks"], found

    check(first)  # waits for the environment to be warm
    with ThreadPoolExecutor(burst) as pool:
        begun = time.perf_counter()
        list(pool.map(check, users))
        ours = (time.perf_counter() - begun) / burst
    release = hub.course / "hub-release" / ITEM / f"{ITEM}.py"
    theirs = _plain(interpreter(hub.course), release, root, plain)
    note = f"{WORKERS} at a time; other: {plain} exports, {WORKERS} at a time"
    return Measure(f"burst of {burst} validations, for each", "s", [ours], [theirs], note)


def _plain(python: Path, notebook: Path, root: Path, count: int) -> float:
    """Seconds for each of ``count`` plain exports, `WORKERS` at a time."""
    command = [str(python), "-m", "marimo", "-q", "export", "html", "--no-sandbox", "-f", str(notebook)]
    with ThreadPoolExecutor(WORKERS) as pool:
        begun = time.perf_counter()
        outputs = [["-o", str(root / f"{number}.html")] for number in range(count)]
        # The release is not solved: some of its cells fail, and the export says so.
        list(pool.map(lambda to: subprocess.run([*command, *to], capture_output=True, check=False), outputs))
        return (time.perf_counter() - begun) / count


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun
