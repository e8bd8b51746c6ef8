"""A course from its sources: generating, building environments, checking a whole class."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.hub import RunningHub, running

from bench.report import Measure, Sheet
from bench.sessions import ITEM, demo_course, interpreter
from mograder.environments import Environments, Requirements

PACKAGES = ("numpy", "pandas", "matplotlib", "scipy")


def main(items: int = 30, burst: int = 100) -> Sheet:
    """Run all; about four minutes, with downloads."""
    sheet = Sheet("Courses: from source to a checked class")
    with tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name:
        root = Path(name)
        course = demo_course(root / "course")
        sheet.head()
        sheet.add(_generate(course, items))
        sheet.add(_build(root, warm=False))
        sheet.add(_build(root, warm=True))
        with running(course) as hub:
            sheet.add(_burst(hub, root, burst))
    return sheet


def _generate(course: Path, items: int) -> Measure:
    """All in one command, and one command for each."""
    names = [f"B{number:02}-Copy" for number in range(items)]
    for item in names:
        place = course / "source" / item
        shutil.copytree(course / "source" / ITEM, place)
        (place / f"{ITEM}.py").rename(place / f"{item}.py")
    command = [sys.executable, "-m", "mograder", "generate", "--no-validate", "-C", str(course)]
    at_once = _seconds([*command, *names])
    one_by_one = sum(_seconds([*command, item]) for item in names)
    for item in names:
        shutil.rmtree(course / "source" / item)
        shutil.rmtree(course / "release" / item)
    return Measure(f"generate of {items} assignments", "s", [at_once], [one_by_one], "other: one by one")


def _build(root: Path, *, warm: bool) -> Measure:
    """numpy, pandas, matplotlib, scipy and marimo: ours, and venv with pip, without and with what is in the caches."""
    requirements = Requirements(PACKAGES)
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
    _seconds([*install, "marimo", *PACKAGES])
    theirs = time.perf_counter() - begun
    kind = "caches full" if warm else "caches empty"
    return Measure(f"environment of numpy … scipy, {kind}", "s", [ours], [theirs], "other: venv and pip")


def _burst(hub: RunningHub, root: Path, burst: int) -> Measure:
    """Seconds for each of many notebooks that are all handed in at once; plain: two exports at a time."""
    users = [f"burst{number}" for number in range(burst)]
    for user in users:
        with hub.client(user) as client:
            client.post(f"download-release/{user}/{ITEM}").raise_for_status()
        path = hub.course / "hub-notebooks" / user / ITEM / f"{ITEM}.py"
        path.write_text(f"{path.read_text()}# {user}\n")  # the same content would not be run again

    def check(user: str) -> None:
        with hub.client(user) as client:
            client.timeout = 600
            found = client.post(f"validate/{user}/{ITEM}").raise_for_status().json()
            assert found["checks"], found

    check(users.pop())  # waits for the environment to be warm
    with ThreadPoolExecutor(len(users)) as pool:
        begun = time.perf_counter()
        list(pool.map(check, users))
        ours = (time.perf_counter() - begun) / len(users)
    plain = _plain(hub.course, root, 20)
    return Measure(
        f"burst of {burst} validations, for each", "s", [ours], [plain], "other: 20 exports, 2 at a time"
    )


def _plain(course: Path, root: Path, count: int) -> float:
    python, notebook = interpreter(course), course / "hub-release" / ITEM / f"{ITEM}.py"
    command = [str(python), "-m", "marimo", "-q", "export", "html", "--no-sandbox", "-f", str(notebook)]
    with ThreadPoolExecutor(2) as pool:
        begun = time.perf_counter()
        outputs = [["-o", str(root / f"{number}.html")] for number in range(count)]
        # The release is not solved: some of its cells fail, and the export says so.
        list(pool.map(lambda to: subprocess.run([*command, *to], capture_output=True, check=False), outputs))
        return (time.perf_counter() - begun) / count


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun
