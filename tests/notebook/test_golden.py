"""What a course repository got from its sources yesterday it gets tomorrow: releases, headers and hashes, byte by byte.

The files in ``tests/data/releases`` were looked at once, line by line, against the format that is promised to courses.
They are not made anew when a test fails: a difference is a broken promise.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mograder.cli.generate import command
from mograder.marimo_adapter.parser import cells
from mograder.notebook import metadata
from mograder.notebook.lecture import lecture
from mograder.notebook.release import release
from tests.notebook.samples import ASSIGNMENTS, DATA, LECTURE, source

RELEASES = DATA.parent / "releases"

HASHES = {
    "A1-Intro-to-SciML": "6d54d43b,ca5a344b,0e24b3d4,9b2bedb2,67f3b64c,d0583b59,9ad10a7a,b4c05d02,b5f5459d",
    "A2-Functions": "2ddbe457,9f0d660c,71485205,2d125d8c,c51627f8,e3b0c442,c61d536e",
    "A3-Old-format": "bcb4f297,814b5e5d,3c849a10,bb1d4527,52c2e90b",
}


def golden(name: str) -> str:
    return (RELEASES / f"{name}.py").read_bytes().decode()


def by_the_contract(text: str) -> list[str]:
    """The hashes of a release as the format defines them, with marimo's parser and nothing of ours."""
    kept = [
        cell.code.strip()
        for cell in cells(text)
        if not re.fullmatch(r"written_analysis(_\d+)?", cell.name)
        and not any(line.strip() == "# YOUR CODE HERE" for line in cell.code.splitlines())
    ]
    return [hashlib.sha256(code.encode()).hexdigest()[:8] for code in kept]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_gives_the_same_release(name: str) -> None:
    assert release(source(name), name) == golden(name)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_command_writes_the_same_bytes(name: str, tmp_path: Path) -> None:
    place = tmp_path / "source" / name
    place.mkdir(parents=True)
    (place / f"{name}.py").write_bytes((DATA / f"{name}.py").read_bytes())
    words = ["-C", str(tmp_path), "-o", str(tmp_path / "release"), "--no-validate", str(place)]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "release" / name / f"{name}.py").read_bytes() == golden(name).encode()


def test_a_lecture_gives_the_same_release() -> None:
    assert lecture(source(LECTURE), LECTURE, lambda item: item.startswith("L")) == golden(LECTURE)
    assert metadata.read(golden(LECTURE))["mograder-type"] == "lecture"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_header_holds_the_hashes_that_the_format_defines(name: str) -> None:
    header = metadata.read(golden(name))
    assert header["mograder-assignment"] == name
    assert header.get("mograder-hidden-tests", False) is ("HIDDEN TESTS" in source(name))
    assert header["mograder-cell-hashes"] == HASHES[name] == ",".join(by_the_contract(golden(name)))
