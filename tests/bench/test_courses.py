"""bench.courses and bench.report: they run and write sheets; small numbers, not to be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.__main__ import main
from bench.report import Measure, Sheet

from bench import courses, report


def test_a_sheet_is_written_with_the_machine_and_the_ratio_of_medians(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    sheet = Sheet("Title", [Measure("a", "s", [1, 2, 9], [4], "note")])
    written = json.loads(sheet.write("a").read_text())
    assert written["title"] == "Title"
    assert written["machine"]["cores"] > 0
    [measure] = written["measures"]
    assert (measure["product"], measure["alternative"], measure["ratio"]) == (2, 4, 2.0)


def test_a_benchmark_that_is_not_there_is_said() -> None:
    with pytest.raises(SystemExit, match=r"There is no benchmark nothing\. There are: sessions, restart"):
        main(["nothing"])


@pytest.mark.real
@pytest.mark.timeout(1200)
def test_the_benchmark_of_courses_measures_everything_once() -> None:
    sheet = courses.main(items=2, proven=1, rounds=1, burst=2, plain=1, packages=())
    assert [measure.name for measure in sheet.measures] == [
        "generate of 2 assignments, no proof",
        "generate of 1 assignments, proven",
        "publish, packages ready",
        "burst of 2 validations, for each",
    ]
    for measure in sheet.measures:
        assert min(*measure.product, *measure.alternative) > 0


@pytest.mark.real
@pytest.mark.timeout(900)
def test_the_benchmark_of_environments_builds_one_each_way(tmp_path: Path) -> None:
    measure = courses._build(tmp_path, ("six",), warm=False)
    assert measure.name == "environment of six, caches empty"
    assert min(*measure.product, *measure.alternative) > 0
    for place in ("environments-False", "plain-False"):
        assert list((tmp_path / place).rglob("site-packages/six.py")), f"{place} has no six"
    assert any((tmp_path / "uv-cache").rglob("six*"))
