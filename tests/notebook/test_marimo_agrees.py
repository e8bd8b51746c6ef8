"""marimo itself, run for real: it loads what we generate, and saving leaves the fingerprints as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mograder.notebook import metadata
from mograder.notebook.fingerprints import fingerprints
from mograder.notebook.integrity import check_integrity
from mograder.notebook.lecture import lecture
from mograder.notebook.read import parse_text
from mograder.notebook.release import release
from mograder.notebook.restore import with_release_checks
from tests.notebook.samples import ASSIGNMENTS, LECTURE, source
from tests.notebook.test_integrity import FORGED, NAME, given, insert, solved

pytestmark = pytest.mark.real


def saved_by_marimo(text: str, directory: Path) -> str:
    """``text`` as marimo writes it: ``check --fix`` loads the notebook and saves it."""
    path = directory / "notebook.py"
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "marimo", "check", "--fix", "-q", str(path)]
    subprocess.run(command, capture_output=True, timeout=300, check=False)
    saved = path.read_text(encoding="utf-8")
    assert saved != text, "marimo did not save: the test would compare a file with itself"
    return saved


def results(text: str, directory: Path) -> dict[str, str]:
    """Run the notebook; the status of each check by its label."""
    path, sidecar = directory / "notebook.py", directory / "results.jsonl"
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "MOGRADER_SIDECAR_PATH": str(sidecar)}
    subprocess.run(
        [sys.executable, str(path)], capture_output=True, timeout=300, env=environment, check=False
    )
    lines = [json.loads(line) for line in sidecar.read_text(encoding="utf-8").splitlines()]
    assert len({line["label"] for line in lines}) == len(lines)
    return {line["label"]: line["status"] for line in lines}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_fingerprints_survive_saving(name: str, tmp_path: Path) -> None:
    text = release(source(name), name)
    saved = parse_text(saved_by_marimo(text, tmp_path))
    assert metadata.read(saved.text) == metadata.read(text)
    assert [cell.kind for cell in saved.cells] == [cell.kind for cell in parse_text(text).cells]
    for reference in (None, parse_text(text), parse_text(source(name), f"{name}.py")):
        assert check_integrity(saved, reference).warnings == ()
    if name != "A3-Old-format":  # marimo rewrites the texts of that one
        assert fingerprints(saved.cells) == fingerprints(parse_text(text).cells)


def test_a_lecture_is_saved_without_loss(tmp_path: Path) -> None:
    text = lecture(source(LECTURE), LECTURE, lambda item: item.startswith("L"))
    saved = saved_by_marimo(text, tmp_path)
    assert [cell.code for cell in parse_text(saved).cells] == [cell.code for cell in parse_text(text).cells]
    assert metadata.read(saved)["mograder-type"] == "lecture"


@pytest.mark.parametrize("name", ["A1-Intro-to-SciML", "A2-Functions"])
def test_a_fresh_release_runs_and_waits_for_code(name: str, tmp_path: Path) -> None:
    text = release(source(name), name)
    text = (
        text.replace(text[text.index("app._unp") : text.index("if __name__")], "")
        if "app._unp" in text
        else text
    )
    statuses = results(text, tmp_path)
    assert "success" not in statuses.values()
    assert "warn" in statuses.values()


def test_an_honest_solution_passes_the_hidden_tests_too(tmp_path: Path) -> None:
    text = solved().replace("# YOUR CODE HERE\n            pass", "x = x - f(x) / df(x)")
    text = text.replace("root = ...", "root = newton(f, df, 1.0)")
    run = with_release_checks(parse_text(text), parse_text(source(NAME), f"{NAME}.py"))
    assert results(run, tmp_path) == {"Q1: mean of a list": "success", "Q2: Newton's method": "success"}


def test_a_forged_check_does_not_pass(tmp_path: Path) -> None:
    lines = insert(given().text, FORGED).split("\n")
    check = next(cell for cell in parse_text("\n".join(lines)).cells if "# HIDDEN TESTS" in cell.code)
    forged = "\n".join(lines[: check.first_line - 1] + lines[check.last_line :])
    assert results(forged, tmp_path)["Q1: mean of a list"] == "success"
    (tmp_path / "results.jsonl").unlink()
    restored = with_release_checks(parse_text(forged), given())
    assert results(restored, tmp_path)["Q1: mean of a list"] == "warn"
