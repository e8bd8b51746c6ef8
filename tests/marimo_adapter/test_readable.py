"""Files that can and can not be run as a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from mograder.errors import NotANotebook
from mograder.marimo_adapter import readable


@pytest.mark.parametrize(
    "text", ["import marimo\napp = marimo.App()\n", "from marimo import App\napp = App(width='full')\n"]
)
def test_a_notebook_is_accepted(tmp_path: Path, text: str) -> None:
    (tmp_path / "A1.py").write_text(text)
    readable.check(tmp_path / "A1.py")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"import marimo\napp = marimo.App(\n", "A1.py:2:"),
        (b"print('no notebook')\n", "makes no marimo.App"),
        (b"", "makes no marimo.App"),
        (b"\xff\xfe\x00", "A1.py"),
        (b"(" * 5000, "A1.py"),
    ],
)
def test_what_can_not_be_run_is_refused_with_the_reason(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "A1.py").write_bytes(content)
    with pytest.raises(NotANotebook, match=words):
        readable.check(tmp_path / "A1.py")


def test_a_missing_notebook_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotANotebook, match=r"A1\.py can not be read"):
        readable.check(tmp_path / "A1.py")


def test_nothing_of_the_file_is_run(tmp_path: Path) -> None:
    (tmp_path / "A1.py").write_text("raise SystemExit\nimport marimo\napp = marimo.App()\n")
    readable.check(tmp_path / "A1.py")
