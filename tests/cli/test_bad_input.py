"""What an author can get wrong, through the commands: a sentence, exit status 1, and nothing half done.

`mograder.cli.generate`, `mograder.cli.lint`, `mograder.cli.validate` and `mograder.cli.local`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mograder.cli import program
from mograder.cli.local import read_release
from mograder.errors import NameRefused, TooLarge, UnsafeFile
from mograder.hub.releases import MAX_PUBLISHED_BYTES, MAX_PUBLISHED_FILES
from tests.proving.sample import source_text

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN, SHOWN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
TWO_HEADERS = "# /// script\n# ///\n\n" + source_text()
NO_TOML = source_text().replace('"marimo",', "marimo")

HALF_A_GB = 500_000_001


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with one item, and no place for environments: nothing here may come so far as to run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "course"
    (root / "source" / "A1").mkdir(parents=True)
    (root / "mograder.toml").write_text("")
    (root / "source" / "A1" / "A1.py").write_text(source_text())
    return root


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Every file's size and time of change."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(root.rglob("*"))}


def refusal(course: Path, *words: str) -> str:
    """What the command says on standard error; it fails without a traceback and changes nothing."""
    before = snapshot(course)
    result = CliRunner().invoke(program, [words[0], "-C", str(course), *words[1:]])
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert snapshot(course) == before
    return result.stderr


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


@pytest.mark.parametrize(
    ("solution", "sentence"),
    [
        (
            f"{BEGIN}\n{HIDDEN}\nanswer = 1\n{END}\n{SHOWN}",
            "BEGIN HIDDEN TESTS inside the SOLUTION block of line",
        ),
        (f"{BEGIN}\n{BEGIN}\nanswer = 1\n{END}\n{END}", "BEGIN SOLUTION inside the SOLUTION block of line"),
        (f"{BEGIN}\nanswer = 1\n{SHOWN}", "END HIDDEN TESTS, but line "),
        (f"{BEGIN}\nanswer = 1", "BEGIN SOLUTION is never closed."),
        (f"answer = 1\n{END}", "END SOLUTION without a BEGIN."),
        (f"### BEGIN SOLUTON\nanswer = 1\n{END}", '"### BEGIN SOLUTON" looks like a misspelt marker'),
    ],
)
@pytest.mark.parametrize(
    "command", [("generate",), ("generate", "--dry-run"), ("generate", "--validate"), ("lint",)]
)
def test_markers_that_do_not_pair_up(
    course: Path, command: tuple[str, ...], solution: str, sentence: str
) -> None:
    (course / "source" / "A1" / "A1.py").write_text(source_text(solution=solution))
    said = refusal(course, *command, "A1")
    assert said.startswith("mograder: A1.py:")
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["generate", "lint"])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TWO_HEADERS, "A1.py:4: a second script header; the first is in line 1"),
        (NO_TOML, "A1.py:4: the header is not TOML"),
    ],
)
def test_a_header_that_is_none(course: Path, command: str, text: str, sentence: str) -> None:
    (course / "source" / "A1" / "A1.py").write_text(text)
    said = refusal(course, command, "A1")
    assert said.startswith(f"mograder: {sentence}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("text", [TWO_HEADERS, NO_TOML])
def test_a_header_that_is_none_is_not_run(course: Path, text: str) -> None:
    notebook = course / "A1.py"
    notebook.write_text(text)
    result = CliRunner().invoke(program, ["validate", str(notebook)])
    assert result.exit_code == 1
    assert "  FAIL  A1.py:4: " in result.stdout


def put_case_clash(course: Path) -> None:
    for name in ("Data.csv", "data.csv"):
        (course / "source" / "A1" / name).write_text("x")


def put_reserved_file(course: Path) -> None:
    (course / "source" / "A1" / "files.json").write_text("{}")


def put_huge_file(course: Path) -> None:
    sparse(course / "source" / "A1" / "huge.bin", HALF_A_GB)


def put_huge_notebook(course: Path) -> None:
    sparse(course / "source" / "A1" / "A1.py", HALF_A_GB)


def put_link(course: Path) -> None:
    (course / "source" / "A1" / "link.csv").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("put", "sentence"),
    [
        (put_case_clash, 'data.csv: its name differs from "Data.csv" by case alone.'),
        (put_reserved_file, "A1/files.json: this name is reserved for a file that is generated."),
        (put_huge_file, "huge.bin is larger than the 500 MB that a released file may have."),
        (put_huge_notebook, "A1.py is larger than the 20 MB that a notebook may have."),
        (put_link, "link.csv is a symbolic link, which would lead nowhere in the release."),
    ],
)
@pytest.mark.parametrize("command", ["generate", "lint"])
def test_files_that_can_not_be_released(
    course: Path, command: str, put: Callable[[Path], None], sentence: str
) -> None:
    put(course)
    said = refusal(course, command, "A1")
    assert said.startswith("mograder: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_an_item_may_not_have_a_reserved_name_or_differ_by_case_alone(course: Path) -> None:
    assert refusal(course, "generate", "user") == (
        'mograder: "user" is a reserved word and can not be the name of an item.\n'
    )
    (course / "source" / "a1").mkdir()
    (course / "source" / "a1" / "a1.py").write_text(source_text())
    assert "differs from it by case alone" in refusal(course, "generate", "A1")


def test_a_module_that_hides_another_and_a_name_that_windows_keeps_are_said(course: Path) -> None:
    for name in ("random.py", "Aux.csv"):
        (course / "source" / "A1" / name).write_text("")
    (course / "source" / "A1" / "nul").mkdir()
    (course / "source" / "A1" / "nul" / "ok.csv").write_text("")
    result = CliRunner().invoke(program, ["generate", "-C", str(course), "A1", "--dry-run"])
    assert result.exit_code == 0
    assert "A1/random.py hides Python's own module `random`" in result.stderr
    assert "A1/Aux.csv: Windows keeps the name Aux for a device" in result.stderr
    assert "A1/nul/ok.csv: Windows keeps the name nul for a device" in result.stderr


def test_half_a_gigabyte_is_not_run(course: Path) -> None:
    sparse(course / "A1.py", HALF_A_GB)
    result = CliRunner().invoke(program, ["validate", str(course / "A1.py")])
    assert result.exit_code == 1
    assert "  FAIL  A1.py is larger than the 20 MB that a notebook may have.\n" in result.stdout


class TestReadingARelease:
    def test_its_visible_files_are_read_with_those_in_directories(self, course: Path) -> None:
        release = course / "source" / "A1"
        for place in ("images/deep/plot.png", ".hidden", "data.csv", "__marimo__/session/A1.json", "lib/.x"):
            (release / place).parent.mkdir(parents=True, exist_ok=True)
            (release / place).write_text("1")
        assert read_release(release) == {
            "A1.py": source_text().encode(),
            "data.csv": b"1",
            "images/deep/plot.png": b"1",
        }

    def test_a_name_that_no_hub_takes_is_refused_before_anything_is_sent(self, course: Path) -> None:
        (course / "source" / "A1" / "images").mkdir()
        (course / "source" / "A1" / "images" / "a\\b.png").write_text("1")
        with pytest.raises(NameRefused, match="not a file name"):
            read_release(course / "source" / "A1")

    def test_more_files_than_a_form_holds_are_refused(self, course: Path) -> None:
        (course / "source" / "A1" / "images").mkdir()
        for number in range(MAX_PUBLISHED_FILES):
            (course / "source" / "A1" / "images" / f"{number}.png").write_text("1")
        with pytest.raises(TooLarge, match="holds 1001 files, and a hub takes 1000"):
            read_release(course / "source" / "A1")

    def test_names_that_differ_by_case_alone_are_refused_before_anything_is_sent(self, course: Path) -> None:
        put_case_clash(course)
        with pytest.raises(NameRefused, match="differ by case alone"):
            read_release(course / "source" / "A1")

    def test_a_symbolic_link_is_refused(self, course: Path) -> None:
        put_link(course)
        with pytest.raises(
            UnsafeFile, match=r"link.csv is a symbolic link, so it can not be published\. Tip"
        ):
            read_release(course / "source" / "A1")

    def test_more_than_a_hub_takes_is_refused_before_it_is_read(self, course: Path) -> None:
        sparse(course / "source" / "A1" / "huge.bin", MAX_PUBLISHED_BYTES)
        with pytest.raises(TooLarge, match=r"A1 holds 268 MB.*the largest is huge.bin with 268 MB"):
            read_release(course / "source" / "A1")
