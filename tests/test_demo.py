"""``mograder.demo``: the course that comes with the package, and copying it. The real ones take about 15 s."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mograder import config, demo
from mograder.errors import Conflict, MograderError
from mograder.notebook.lecture import find_links, lecture
from mograder.notebook.metadata import read
from mograder.notebook.read import parse_text
from mograder.notebook.release import release
from mograder.notebook.safety import scan

ASSIGNMENT = demo.COURSE / "source/A1-Heat-Equation/A1-Heat-Equation.py"
LECTURE = demo.COURSE / "source/L01-Random-Walks/L01-Random-Walks.py"
QUESTIONS = ["Q1: one step in time", "Q2: the speed limit", "Q3: simulate", "Q4: name that metal"]


class TestCopying:
    def test_the_whole_course_arrives(self, tmp_path: Path) -> None:
        written = demo.copy_to(tmp_path / "new" / "course")
        assert [str(path) for path in written] == [
            "mograder.toml",
            "source/A1-Heat-Equation/A1-Heat-Equation.py",
            "source/A1-Heat-Equation/rod.csv",
            "source/A1-Heat-Equation/rod.svg",
            "source/L01-Random-Walks/L01-Random-Walks.py",
        ]
        for path in written:
            assert (tmp_path / "new" / "course" / path).read_bytes() == (demo.COURSE / path).read_bytes()

    def test_what_exists_is_not_touched_and_what_is_missing_is_completed(self, tmp_path: Path) -> None:
        demo.copy_to(tmp_path)
        (tmp_path / "mograder.toml").write_text("mine")
        (tmp_path / "source/A1-Heat-Equation/rod.csv").unlink()
        assert demo.copy_to(tmp_path) == [Path("source/A1-Heat-Equation/rod.csv")]
        assert (tmp_path / "mograder.toml").read_text() == "mine"
        assert demo.copy_to(tmp_path) == []

    def test_a_link_that_leads_nowhere_counts_as_existing(self, tmp_path: Path) -> None:
        (tmp_path / "mograder.toml").symlink_to(tmp_path / "elsewhere")
        demo.copy_to(tmp_path)
        assert not (tmp_path / "elsewhere").exists()

    def test_only_files_of_the_course_are_left_behind(self, tmp_path: Path) -> None:
        demo.copy_to(tmp_path)
        found = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
        assert sorted(found) == demo.files()

    def test_a_full_disk_leaves_no_half_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(
            MograderError, match=r"mograder\.toml can not be written: No space left on device\."
        ):
            demo.copy_to(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_somebody_who_is_quicker_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        flush = os.fsync

        def slow(descriptor: int) -> None:
            (tmp_path / "mograder.toml").write_text("quicker")
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", slow)
        assert Path("mograder.toml") not in demo.copy_to(tmp_path)
        assert (tmp_path / "mograder.toml").read_text() == "quicker"

    @pytest.mark.parametrize("in_the_way", ["", "source"])
    def test_a_file_in_the_way_of_a_directory_is_named(self, tmp_path: Path, in_the_way: str) -> None:
        target = tmp_path / "course"
        if in_the_way:
            target.mkdir()
        (target / in_the_way).write_text("a file")
        with pytest.raises(Conflict, match=r"is no directory"):
            demo.copy_to(target)

    def test_what_running_the_course_in_place_leaves_is_not_copied(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        demo.copy_to(tmp_path / "course")
        for trace in ("__pycache__", "__marimo__", ".cache"):
            (tmp_path / "course/source/A1-Heat-Equation" / trace).mkdir()
            (tmp_path / "course/source/A1-Heat-Equation" / trace / "x").touch()
        expected = demo.files()
        monkeypatch.setattr(demo, "COURSE", tmp_path / "course")
        assert demo.files() == expected


class TestCourse:
    def test_the_configuration_is_valid_and_names_what_there_is(self) -> None:
        loaded = config.load(demo.COURSE / "mograder.toml")
        assert loaded.hub.title == "Numerical Methods"
        for assignment in loaded.assignments:
            assert (demo.COURSE / "source" / assignment.name / f"{assignment.name}.py").is_file()
            assert isinstance(assignment.duedate, datetime)
            assert assignment.duedate.tzinfo is not None

    @pytest.mark.parametrize("path", [ASSIGNMENT, LECTURE])
    def test_a_notebook_asks_for_three_packages(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").split("# ///")[1].splitlines()[1:]
        header = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
        assert header.pop("mograder-type", "assignment") == ("lecture" if path == LECTURE else "assignment")
        assert header == {"requires-python": ">=3.11", "dependencies": ["marimo", "matplotlib", "numpy"]}

    def test_the_readings_are_what_the_notebook_says(self) -> None:
        with (ASSIGNMENT.parent / "rod.csv").open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
        assert head == ["time_s", "T_at_5cm", "T_at_10cm", "T_at_15cm"]
        assert [int(row[0]) for row in rows] == list(range(0, 601, 15))
        for row in rows:
            near, middle, far = (float(cell) for cell in row[1:])
            assert 18 < far - 1.5 < middle + 1.5 < near + 4 < 105

    def test_the_picture_is_an_image_with_a_description(self) -> None:
        picture = ET.parse(ASSIGNMENT.parent / "rod.svg").getroot()
        assert picture.get("role") == "img"
        title = picture.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert title.get("id") == picture.get("aria-labelledby")

    def test_links_lead_to_items_of_the_course(self) -> None:
        links = find_links(parse_text(LECTURE.read_text(encoding="utf-8"), LECTURE.name))
        assert [link.item for link in links] == ["A1-Heat-Equation"]
        for link in links:
            assert (demo.COURSE / "source" / link.item / f"{link.item}.py").is_file()

    def test_the_release_has_a_place_for_every_answer_and_gives_none(self) -> None:
        released = release(ASSIGNMENT.read_text(encoding="utf-8"), "A1-Heat-Equation")
        assert sum(line.strip() == "# YOUR CODE HERE" for line in released.splitlines()) == 5
        assert released.count("# HIDDEN TESTS") == 3
        assert "def written_analysis(mo):" in released
        for secret in ("34.4e-6", '== "brass"', "weighted mean", "after[1:-1] +=", "dx**2 / (2 * alpha)\n"):
            assert secret in ASSIGNMENT.read_text(encoding="utf-8")
            assert secret not in released
        assert scan(parse_text(released, "A1-Heat-Equation.py")) == []
        assert read(released, "A1-Heat-Equation.py")["mograder-hidden-tests"] is True

    def test_the_lecture_can_be_published(self) -> None:
        text = lecture(LECTURE.read_text(encoding="utf-8"), "L01-Random-Walks", lambda item: item[0] == "L")
        assert "in A1 · The rod without a label you find out" in text


RUNNER = """
import contextlib, importlib.util, io, json, os, sys, time
import marimo, matplotlib.pyplot, numpy
numpy.random.default_rng(1).normal()
for path in sys.argv[1:]:
    os.environ["MOGRADER_SIDECAR_PATH"] = path + ".checks"
    spec = importlib.util.spec_from_file_location("notebook", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    started, trouble = time.process_time(), None
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            module.app.run()
        except Exception as error:
            trouble = repr(error)
    matplotlib.pyplot.close("all")
    print(json.dumps({"cpu": time.process_time() - started, "trouble": trouble}))
"""


@dataclass(frozen=True)
class Run:
    """Results by label, CPU seconds beyond the imports, and the exception that ended the run."""

    results: dict[str, dict[str, Any]]
    cpu: float
    trouble: str | None


class Environment:
    """A Python with what the notebooks ask for, and this package."""

    def __init__(self, directory: Path) -> None:
        self.python = directory / "env" / "bin" / "python"
        uv = [sys.executable, "-m", "uv", "--quiet"]
        wanted = [f"marimo=={importlib.metadata.version('marimo')}", "matplotlib", "numpy"]
        self._run([*uv, "venv", "--python", sys.executable, str(directory / "env")], {})
        self._run([*uv, "pip", "install", "--python", str(self.python), *wanted], {})
        self.env = {
            "PYTHONPATH": str(Path(demo.__file__).parents[2]),
            "MPLCONFIGDIR": str(directory / "matplotlib"),
            "MPLBACKEND": "agg",
            "XDG_CONFIG_HOME": str(directory / "config"),
        }

    def run(self, *arguments: str) -> str:
        return self._run([str(self.python), *arguments], self.env)

    def export(self, notebook: Path) -> str:
        """The page that marimo makes of ``notebook``; cells may fail."""
        out = notebook.with_suffix(".html")
        command = [str(self.python), "-m", "marimo", "export", "html", str(notebook), "-o", str(out)]
        env = {**os.environ, **self.env, "MOGRADER_SIDECAR_PATH": f"{notebook}.checks"}
        subprocess.run(command, env=env, capture_output=True, check=False)
        return out.read_text(encoding="utf-8")

    @staticmethod
    def _run(command: list[str], env: dict[str, str]) -> str:
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def checks(self, *notebooks: Path) -> list[Run]:
        """Run ``notebooks`` one after another."""
        lines = self.run("-c", RUNNER, *map(str, notebooks)).splitlines()
        return [
            Run(dict(_results(Path(f"{path}.checks"))), **json.loads(line))
            for path, line in zip(notebooks, lines, strict=True)
        ]


def _results(sidecar: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = sidecar.read_text().splitlines() if sidecar.exists() else []
    for result in map(json.loads, lines):
        yield result["label"], result


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


def _beside_the_data(directory: Path, name: str, text: str) -> Path:
    demo.copy_to(directory)
    path = directory / "source/A1-Heat-Equation" / name
    path.write_text(text, encoding="utf-8")
    return path


# What a student gets wrong, and the question that must notice.
MISTAKES = {
    "changes_its_input.py": ("after = np.array(u, dtype=float)", "after = u", "Q1"),
    "wrong_sign.py": ("u[2:] - 2 * u[1:-1] + u[:-2]", "u[2:] + 2 * u[1:-1] + u[:-2]", "Q1"),
    "forgot_the_half.py": ("return dx**2 / (2 * alpha)", "return dx**2 / alpha", "Q2"),
    "too_few_steps.py": ("steps = int(np.ceil(", "steps = 1 + 0 * int(np.ceil(", "Q3"),
    "no_root.py": ("return np.sqrt(np.mean(", "return (np.mean(", "Q4"),
    "wrong_metal.py": (
        "metal = min(metals, key=lambda name:",
        'metal = "zinc" or min(metals, key=lambda name:',
        "Q4",
    ),
}


@pytest.mark.real
class TestForReal:
    def test_the_solution_passes_every_check_and_is_quick(
        self, environment: Environment, tmp_path: Path
    ) -> None:
        demo.copy_to(tmp_path)
        solution, talk = (tmp_path / path.relative_to(demo.COURSE) for path in (ASSIGNMENT, LECTURE))
        answers, lesson = environment.checks(solution, talk)
        assert list(answers.results) == QUESTIONS
        assert [found["details"] for found in answers.results.values() if found["status"] != "success"] == []
        assert answers.trouble is lesson.trouble is None
        assert max(answers.cpu, lesson.cpu) < 2

    def test_the_release_waits_for_answers_and_nothing_breaks(
        self, environment: Environment, tmp_path: Path
    ) -> None:
        text = release(ASSIGNMENT.read_text(encoding="utf-8"), "A1-Heat-Equation")
        path = _beside_the_data(tmp_path, "release.py", text)
        (run,) = environment.checks(path)
        assert [(label, found["status"]) for label, found in run.results.items()] == [
            (q, "warn") for q in QUESTIONS
        ]
        assert run.trouble is None

    def test_each_mistake_is_noticed_where_it_is_made(self, environment: Environment, tmp_path: Path) -> None:
        solution = ASSIGNMENT.read_text(encoding="utf-8")
        paths = []
        for name, (right, wrong, _) in MISTAKES.items():
            assert solution.count(right) == 1, name
            paths.append(_beside_the_data(tmp_path, name, solution.replace(right, wrong)))
        for run, (name, (_, _, question)) in zip(environment.checks(*paths), MISTAKES.items(), strict=True):
            statuses = {label.partition(":")[0]: found["status"] for label, found in run.results.items()}
            assert statuses[question] in ("partial", "danger"), name

    @pytest.mark.parametrize("path", [ASSIGNMENT, LECTURE])
    def test_marimo_exports_it(self, environment: Environment, tmp_path: Path, path: Path) -> None:
        demo.copy_to(tmp_path)
        exported = environment.export(tmp_path / path.relative_to(demo.COURSE))
        assert "image/png" in exported
        assert exported.count("data-mograder-check") == (4 if path == ASSIGNMENT else 0)

    def test_an_answer_that_crashes_fails_its_own_check_and_says_why(
        self, environment: Environment, tmp_path: Path
    ) -> None:
        wrong = ASSIGNMENT.read_text(encoding="utf-8").replace("(2 * alpha)", '(2 * "alpha")')
        path = _beside_the_data(tmp_path, "crashes.py", wrong)
        environment.export(path)
        results = dict(_results(Path(f"{path}.checks")))
        assert results["Q1: one step in time"]["status"] == "success"
        assert results["Q2: the speed limit"]["status"] == "danger"
        assert "TypeError" in results["Q2: the speed limit"]["details"][0]
