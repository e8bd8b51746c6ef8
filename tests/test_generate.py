"""``mograder generate``: `mograder.cli.generate` over the package ``mograder.generate``.

Of the package: ``items`` (names and paths), ``kinds`` (lecture or assignment), ``auxiliary`` (the files beside),
``plan``, ``archive`` (the zip), ``write`` (whole or not at all) and ``preview`` (the diff).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mograder.cli.generate import command
from mograder.errors import (
    Conflict,
    Malformed,
    MarkerError,
    MograderError,
    NameRefused,
    NotFound,
    TooLarge,
    UnsafeFile,
)
from mograder.generate.archive import write_zip
from mograder.generate.auxiliary import MAX_FILE_BYTES, auxiliary_files
from mograder.generate.items import Item, is_path, item_at
from mograder.generate.kinds import Neighbours, stated_type
from mograder.generate.plan import MAX_NOTEBOOK_BYTES, Plan, plan_release
from mograder.generate.preview import preview_release
from mograder.generate.write import write_release
from mograder.notebook import metadata
from mograder.notebook.release import release
from tests.notebook.samples import IMPORTS, source, text_of

A1, A2, L01 = "A1-Intro-to-SciML", "A2-Functions", "L01-Welcome"
SMALL = text_of(IMPORTS, "### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "check('Q1', [])")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with two assignments and a lecture; A1 has data and an image."""
    (tmp_path / "mograder.toml").write_text("[hub]\n")
    for name in (A1, A2, L01):
        add_item(tmp_path, name, source(name))
    beside = tmp_path / "source" / A1
    (beside / "data.csv").write_bytes(b"1,2\r\n")
    (beside / "images").mkdir()
    (beside / "images" / "plot.png").write_bytes(b"\x89PNG\0")
    (beside / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    return tmp_path


def add_item(course: Path, name: str, text: str = SMALL) -> Path:
    directory = course / "source" / name
    directory.mkdir(parents=True)
    (directory / f"{name}.py").write_text(text, encoding="utf-8")
    return directory


def run(course: Path, *arguments: str) -> Result:
    """The command without its proof, which has its own tests in tests/proving: these sources are not to be run."""
    return CliRunner().invoke(command, ["-C", str(course), "--no-validate", *arguments])


def made(course: Path, *arguments: str) -> Result:
    result = run(course, *arguments)
    assert result.exit_code == 0, result.output
    return result


def refusal(course: Path, *arguments: str) -> str:
    """The one line that says why; nothing was written."""
    before = snapshot(course)
    result = run(course, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert snapshot(course) == before
    (line,) = (line for line in result.stderr.splitlines() if not line.startswith("note: "))
    return line.removeprefix("mograder: ")


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Everything below ``root``, hidden leftovers too: files with their bytes, directories with None."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
        if not path.is_socket() and not path.is_fifo()
    }


def plan(course: Path, name: str) -> Plan:
    item = item_at(course / "source" / name)
    return plan_release(item, Neighbours(course / "source", course / "release"))


class TestTheCommand:
    def test_writes_the_release_and_prints_where(self, course: Path) -> None:
        result = made(course, "A1", L01)
        assert result.stdout.splitlines() == [str(course / "release" / A1), str(course / "release" / L01)]
        assert result.stderr.splitlines()[-1] == f"{L01}: lecture, 1 file"
        assert snapshot(course / "release" / A1).keys() == {
            f"{A1}.py",
            f"{A1}.zip",
            "data.csv",
            "helper.py",
            "images",
            "images/plot.png",
        }
        assert (course / "release" / A1 / f"{A1}.py").read_text() == release(source(A1), A1)

    def test_takes_names_prefixes_and_paths_each_item_once(self, course: Path) -> None:
        paths = [str(course / "source" / A1), str(course / "source" / A1 / f"{A1}.py")]
        assert len(made(course, "A1", A1, *paths).stdout.splitlines()) == 1

    def test_writes_elsewhere_with_o_also_without_a_course(self, course: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "some" / "where"
        (course / "mograder.toml").unlink()
        made(course, "-o", str(elsewhere), str(course / "source" / A2))
        assert snapshot(elsewhere).keys() == {A2, f"{A2}/{A2}.py"}

    def test_needs_a_course_for_names(self, course: Path) -> None:
        (course / "mograder.toml").unlink()
        assert "this is not a course directory" in refusal(course, "A1")

    def test_a_bad_item_does_not_stop_the_others(self, course: Path) -> None:
        add_item(course, "A4-Broken", SMALL.replace("### END SOLUTION", "# end"))
        result = run(course, "A4", "A9", "A2")
        assert result.exit_code == 1
        assert result.stdout == f"{course / 'release' / A2}\n"
        assert "A4-Broken.py:16: BEGIN SOLUTION is never closed." in result.stderr
        assert 'No item named "A9"' in result.stderr
        assert os.listdir(course / "release") == [A2]

    def test_lecture_makes_a_lecture_of_anything(self, course: Path) -> None:
        add_item(course, "L03", text_of("x = 1"))
        made(course, "L03", "--lecture")
        header = metadata.read((course / "release" / "L03" / "L03.py").read_text())
        assert header == {"mograder-type": "lecture"}

    def test_validate_looks_at_the_markers_and_writes_nothing(self, course: Path) -> None:
        before = snapshot(course)
        result = made(course, "A1", "L01", "--validate")
        assert result.stdout.splitlines() == [
            f"{A1}: ok, 4 solution and 2 hidden-tests blocks",
            f"{L01}: ok, a lecture",
        ]
        assert snapshot(course) == before

    def test_validate_fails_on_bad_markers(self, course: Path) -> None:
        add_item(course, "A4", SMALL.replace("### END SOLUTION", "### END SOLUTOIN"))
        assert refusal(course, "A4", "--validate").startswith(
            'A4.py:18: "### END SOLUTOIN" looks like a misspelt'
        )

    def test_a_disk_error_is_one_line(self, course: Path) -> None:
        (course / "release").write_text("a file in the way")
        assert refusal(course, "A2") == f"{A2}: [Errno 17] File exists: '{course / 'release'}'"

    def test_help_has_an_example(self, course: Path) -> None:
        assert "mograder generate A1" in made(course, "--help").stdout

    def test_nothing_to_do_is_wrong_usage(self, course: Path) -> None:
        assert run(course).exit_code == 2


class TestItems:
    @pytest.mark.parametrize("text", ["source/A1", "./A1", "A1.py", ".", "..", "/x"])
    def test_a_path_is_told_from_a_name(self, text: str) -> None:
        assert is_path(text)

    @pytest.mark.parametrize("text", ["A1", "A1-Intro", "a.b"])
    def test_a_name_is_no_path(self, text: str) -> None:
        assert not is_path(text)

    def test_what_is_not_there_is_said(self, course: Path) -> None:
        for path, sentence in [
            ("nowhere", "there is no such file or directory"),
            (f"source/{A1}/helper.py", f"must be named {A1}.py"),
            (f"source/{A1}/images", "images/ holds no images.py; there is no .py file"),
        ]:
            with pytest.raises(NotFound, match=re.escape(sentence)):
                item_at(course / path)

    def test_a_directory_without_its_notebook_lists_what_is_there(self, course: Path) -> None:
        (course / "source" / "A5").mkdir()
        (course / "source" / "A5" / "notebook.py").write_text(SMALL)
        assert refusal(course, "A5") == "A5/ holds no A5.py; there is notebook.py."

    @pytest.mark.parametrize("name", ["user", "User", "a b", "-x"])
    def test_an_illegal_name_is_refused(self, course: Path, name: str) -> None:
        directory = add_item(course, name)
        with pytest.raises(NameRefused):
            item_at(directory)

    def test_a_name_that_differs_by_case_alone_is_refused(self, course: Path) -> None:
        add_item(course, A2.upper())
        assert f"holds {A2.upper()}, and {A2} differs from it by case alone" in refusal(course, A2)

    def test_a_release_that_differs_by_case_alone_is_refused(self, course: Path) -> None:
        (course / "release" / A2.lower()).mkdir(parents=True)
        assert "differs from it by case alone" in refusal(course, A2)


class TestKinds:
    @pytest.mark.parametrize("value", ["assignment", "lecture"])
    def test_the_header_states_the_type(self, value: str) -> None:
        assert stated_type(f'# /// script\n# mograder-type = "{value}"\n# ///\n', "A1.py") == value

    def test_another_type_is_refused(self) -> None:
        with pytest.raises(Malformed, match="'lectrue' must be"):
            stated_type('# /// script\n# mograder-type = "lectrue"\n# ///\n', "A1.py")

    def test_a_neighbour_is_known_by_its_header_its_markers_or_its_release(self, course: Path) -> None:
        add_item(course, "plain", text_of("x = 1"))
        (course / "release" / "old").mkdir(parents=True)
        (course / "release" / "old" / "old.py").write_text(release(SMALL, "old"))
        neighbours = Neighbours(course / "source", course / "release", lectures=["named"])
        types = {
            name: neighbours.type_of(name) for name in (L01, A1, "old", "plain", "named", "nobody", "../x")
        }
        assert types == {
            L01: "lecture",
            A1: "assignment",
            "old": "assignment",
            "plain": "lecture",
            "named": "lecture",
            "nobody": None,
            "../x": None,
        }

    def test_a_neighbour_with_a_broken_header_is_judged_by_its_markers(self, course: Path) -> None:
        add_item(course, "A7", "# /// script\n# x\n# ///\n" + SMALL)
        assert Neighbours(course / "source", course / "release").type_of("A7") == "assignment"

    def test_a_lectures_links_follow_the_types_of_its_neighbours(self, course: Path) -> None:
        add_item(course, "L02-Vectors", text_of("x = 1"))
        made(course, "L01")
        text = (course / "release" / L01 / f"{L01}.py").read_text()
        assert "[vectors](/run/L02-Vectors/)" in text
        assert "The first exercise is A1 [graded]." in text


class TestFilesBeside:
    def files(self, course: Path) -> list[str]:
        return [file.place for file in auxiliary_files(Item(A1, course / "source" / A1))]

    def test_all_are_listed_but_caches_and_hidden_ones(self, course: Path) -> None:
        beside = course / "source" / A1
        for hidden in (
            "__pycache__/x.pyc",
            "__marimo__/x.json",
            ".ipynb_checkpoints/x",
            ".git/config",
            "images/.x",
        ):
            (beside / hidden).parent.mkdir(exist_ok=True)
            (beside / hidden).write_text("x")
        assert self.files(course) == ["data.csv", "helper.py", "images/plot.png"]

    def test_a_symbolic_link_is_refused(self, course: Path) -> None:
        (course / "source" / A1 / "images" / "link").symlink_to("/etc/passwd")
        assert "link is a symbolic link" in refusal(course, A1)

    def test_a_link_that_came_later_is_not_followed(self, course: Path) -> None:
        planned = plan(course, A1)
        data = course / "source" / A1 / "data.csv"
        data.unlink()
        data.symlink_to("/etc/passwd")
        with pytest.raises(UnsafeFile, match=r"data\.csv can not be read"):
            write_release(planned, course / "release")
        assert os.listdir(course / "release") == []

    @pytest.mark.parametrize("make", [os.mkfifo, lambda path: socket.socket(socket.AF_UNIX).bind(str(path))])
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_what_is_no_file_is_refused(self, course: Path, make: Callable[[Path], None]) -> None:
        make(course / "source" / A1 / "odd")
        with pytest.raises(UnsafeFile, match="neither a file nor a directory"):
            self.files(course)

    def test_a_huge_file_is_refused_without_reading_it(self, course: Path) -> None:
        with (course / "source" / A1 / "huge.bin").open("wb") as stream:
            stream.truncate(MAX_FILE_BYTES + 1)
        with pytest.raises(TooLarge, match="is larger than the 500 MB that a released file may have"):
            self.files(course)

    @pytest.mark.parametrize("name", [f"{A1}.zip", "files.json"])
    def test_names_of_generated_files_are_refused(self, course: Path, name: str) -> None:
        (course / "source" / A1 / name).write_text("x")
        assert "reserved for a file that is generated" in refusal(course, A1)

    @pytest.mark.parametrize("names", [("Data.csv",), ("images/Plot.PNG",), ("e\u0301.txt", "\u00c9.txt")])
    def test_names_that_differ_by_case_alone_are_refused(self, course: Path, names: tuple[str, ...]) -> None:
        for name in names:
            (course / "source" / A1 / name).write_text("x")
        with pytest.raises(NameRefused, match="by case alone"):
            self.files(course)

    def test_a_name_that_can_not_be_published_is_refused(self, course: Path) -> None:
        (course / "source" / A1 / "a\nb").write_text("x")
        with pytest.raises(NameRefused, match="invisible character"):
            self.files(course)

    @pytest.mark.parametrize("name", ["helper2.py", f"{A1}.py~", "old.ipynb", "notes.bin"])
    def test_a_file_with_the_solution_is_never_given_away(self, course: Path, name: str) -> None:
        filler = b"\0line\n" * 300_000  # the marker lies across the border of two chunks
        border = filler[: (1 << 20) - 7]
        (course / "source" / A1 / name).write_bytes(border + b"### BEGIN SOLUTION\n" + filler)
        line = border.count(b"\n") + 1
        with pytest.raises(
            MarkerError, match=rf"^{A1}/{re.escape(name)}:{line}: markers work in the notebook alone"
        ):
            self.files(course)

    @pytest.mark.parametrize("name", ["random.py", "json/__init__.py", "marimo.py", "scikit_learn.py"])
    def test_a_module_that_hides_another_is_warned_of(self, course: Path, name: str) -> None:
        path = course / "source" / A1 / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
        notebook = course / "source" / A1 / f"{A1}.py"
        notebook.write_text(notebook.read_text().replace('"marimo"', '"marimo", "scikit-learn>=1"', 1))
        module = name.split("/")[0].removesuffix(".py")
        assert any(f"module `{module}` from the notebook" in note for note in plan(course, A1).notes)

    def test_data_with_the_name_of_a_module_is_fine(self, course: Path) -> None:
        (course / "source" / A1 / "random.csv").write_text("x")
        (course / "source" / A1 / "images" / "random.py").write_text("x = 1")
        assert not any("hides" in note for note in plan(course, A1).notes)

    def test_a_telling_name_is_noted_and_a_directory_is_published_like_all_else(self, course: Path) -> None:
        (course / "source" / A1 / "A1_Solutions.pdf").write_text("x")
        notes = "\n".join(plan(course, A1).notes)
        assert "A1_Solutions.pdf is given to students" in notes
        assert "images" not in notes


class TestPlans:
    def test_links_to_nowhere_are_noted(self, course: Path) -> None:
        assert plan(course, L01).notes == (
            "L01-Welcome.py:29: links to L02-Vectors, and there is no such item beside it.",
            "L01-Welcome.py:30: links to L02-Vectors, and there is no such item beside it.",
            "L01-Welcome.py:39: links to L02-Vectors, and there is no such item beside it.",
        )

    def test_a_good_assignment_needs_no_notes(self, course: Path) -> None:
        assert plan(course, A2).notes == ()

    def test_a_huge_notebook_is_refused_without_reading_it(self, course: Path) -> None:
        with (add_item(course, "A6") / "A6.py").open("r+b") as stream:
            stream.truncate(MAX_NOTEBOOK_BYTES + 1)
        with pytest.raises(TooLarge, match="is larger than the 20 MB that a notebook may have"):
            plan(course, "A6")

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"\xff\xfe", "A6.py:1: this is not UTF-8 text."),
            (b"", "A6.py: the file is empty."),
            (b"print(1)\n", "A6.py: this is Python, but not a marimo notebook"),
            (b"# /// script\n# x\n# ///\n" + SMALL.encode(), "A6.py:2: the header is not TOML"),
        ],
    )
    def test_what_is_no_notebook_is_said(self, course: Path, data: bytes, sentence: str) -> None:
        (add_item(course, "A6") / "A6.py").write_bytes(data)
        with pytest.raises(MograderError) as caught:
            plan(course, "A6")
        assert str(caught.value).startswith(sentence)


class TestWriting:
    def test_the_same_source_gives_the_same_bytes(self, course: Path, tmp_path: Path) -> None:
        made(course, A1)
        first = snapshot(course / "release")
        for path in (course / "source" / A1).rglob("*"):
            os.utime(path, (1, 1))
            path.chmod(0o700)
        made(course, A1, "-o", str(tmp_path / "again"))
        assert snapshot(tmp_path / "again") == first

    def test_the_zip_holds_the_release_flat_sorted_and_without_times(self, course: Path) -> None:
        made(course, A1)
        root = course / "release" / A1
        with zipfile.ZipFile(root / f"{A1}.zip") as archive:
            entries = archive.infolist()
            assert [entry.filename for entry in entries] == [
                f"{A1}.py",
                "data.csv",
                "helper.py",
                "images/plot.png",
            ]
            assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
            assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
            assert all(archive.read(entry) == (root / entry.filename).read_bytes() for entry in entries)

    def test_a_single_file_gets_no_zip(self, course: Path) -> None:
        made(course, A2)
        assert snapshot(course / "release") == {A2: None, f"{A2}/{A2}.py": release(source(A2), A2).encode()}

    def test_files_that_are_no_longer_made_disappear(self, course: Path) -> None:
        made(course, A1)
        for name in ("data.csv", "helper.py"):
            (course / "source" / A1 / name).unlink()
        shutil.rmtree(course / "source" / A1 / "images")
        made(course, A1)
        assert os.listdir(course / "release") == [A1]
        assert os.listdir(course / "release" / A1) == [f"{A1}.py"]

    def test_an_unchanged_release_is_left_alone(self, course: Path) -> None:
        made(course, A1)
        before = (course / "release" / A1 / "data.csv").stat()
        result = made(course, A1)
        assert f"{A1}: unchanged" in result.stderr
        assert (course / "release" / A1 / "data.csv").stat() == before
        assert os.listdir(course / "release") == [A1]

    def test_everybody_can_read_a_release(self, course: Path) -> None:
        before = os.umask(0o077)
        try:
            made(course, A1)
        finally:
            os.umask(before)
        modes = {path.name: path.stat().st_mode & 0o777 for path in (course / "release" / A1).rglob("*")}
        assert modes.pop("images") == 0o755
        assert set(modes.values()) == {0o644}
        assert (course / "release" / A1).stat().st_mode & 0o777 == 0o755

    @pytest.mark.parametrize("broken", ["notebook", "link"])
    def test_an_error_leaves_the_old_release_as_it_was(self, course: Path, broken: str) -> None:
        made(course, A1)
        directory = course / "source" / A1
        if broken == "notebook":
            (directory / f"{A1}.py").write_text(source(A1).replace("### END SOLUTION", "", 1))
        else:
            (directory / "link").symlink_to("data.csv")
        refusal(course, A1)

    def test_a_failure_in_the_middle_leaves_nothing_half_done(
        self, course: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made(course, A1)
        before = snapshot(course)
        (course / "source" / A1 / "data.csv").write_text("new")
        planned = plan(course, A1)
        rename, renamed = Path.rename, []

        def failing(path: Path, target: Path) -> Path:
            renamed.append(path)
            if len(renamed) == 2:
                raise OSError(28, "No space left on device")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(OSError, match="No space left"):
            write_release(planned, course / "release")
        after = snapshot(course)
        assert after.pop(f"source/{A1}/data.csv") == b"new"
        before.pop(f"source/{A1}/data.csv")
        assert after == before

    def test_a_proof_that_fails_stops_it_before_anything_is_written(self, course: Path) -> None:
        seen = []

        def prove(plan: Plan) -> None:
            seen.append(plan.item.notebook)
            raise Malformed("A1: the solution does not pass its own check Q1.")

        with pytest.raises(Malformed, match="does not pass"):
            write_release(plan(course, A1), course / "release", prove=prove)
        assert seen == [course / "source" / A1 / f"{A1}.py"]
        assert not (course / "release").exists()

    def test_the_source_is_never_overwritten(self, course: Path) -> None:
        for output in (course / "source", course / "source" / A1):
            assert "is the source itself" in refusal(course, A1, "-o", str(output))

    def test_files_that_are_not_a_release_are_never_lost(self, course: Path) -> None:
        precious = course / "release" / A1
        precious.mkdir(parents=True)
        (precious / "thesis.tex").write_text("years of work")
        assert "would be lost" in refusal(course, A1)
        (precious / f"{A1}.py").write_text(source(A1))  # a source, by its header
        assert "would be lost" in refusal(course, A1)

    def test_a_link_in_place_of_the_release_is_not_followed(self, course: Path) -> None:
        (course / "release").mkdir()
        (course / "elsewhere").mkdir()
        (course / "release" / A2).symlink_to(course / "elsewhere")
        with pytest.raises(Conflict, match="is not a directory"):
            write_release(plan(course, A2), course / "release")

    def test_a_zip_is_never_written_over(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a")
        write_zip(tmp_path / "a.zip", tmp_path, ["a"])
        with pytest.raises(FileExistsError):
            write_zip(tmp_path / "a.zip", tmp_path, ["a"])


class TestPreview:
    def test_a_new_release_is_shown_whole_and_nothing_is_written(self, course: Path) -> None:
        before = snapshot(course)
        shown = made(course, A1, "--dry-run").stdout
        assert snapshot(course) == before
        assert f"--- /dev/null\n+++ b/{A1}/{A1}.py\n" in shown
        assert "+    # YOUR CODE HERE\n" in shown
        assert f"Binary files /dev/null and b/{A1}/images/plot.png differ\n" in shown
        assert f"Binary files /dev/null and b/{A1}/{A1}.zip differ\n" in shown

    def test_only_what_changes_is_shown(self, course: Path) -> None:
        made(course, A1)
        (course / "source" / A1 / "data.csv").write_text("3,4")
        (course / "source" / A1 / "helper.py").unlink()
        lines = made(course, A1, "--dry-run").stdout.splitlines()
        assert [line for line in lines if line[:3] in ("---", "+++", "Bin")] == [
            f"Binary files a/{A1}/{A1}.zip and b/{A1}/{A1}.zip differ",
            f"--- a/{A1}/data.csv",
            f"+++ b/{A1}/data.csv",
            f"--- a/{A1}/helper.py",
            "+++ /dev/null",
        ]
        assert "\\ No newline at end of file" in lines

    def test_data_in_another_encoding_is_shown_as_binary(self, course: Path) -> None:
        (course / "source" / A2 / "umlaut.txt").write_bytes("ä".encode("latin-1"))
        shown = made(course, A2, "--dry-run").stdout
        assert f"Binary files /dev/null and b/{A2}/umlaut.txt differ\n" in shown

    def test_no_change_shows_nothing(self, course: Path) -> None:
        made(course, A1)
        result = made(course, A1, "--dry-run")
        assert result.stdout == ""
        assert f"{A1}: unchanged" in result.stderr

    def test_what_writing_would_refuse_is_refused(self, course: Path) -> None:
        with pytest.raises(Conflict):
            preview_release(plan(course, A2), course / "source")

    @pytest.mark.real
    @pytest.mark.skipif(shutil.which("patch") is None, reason="the patch program is not installed")
    def test_the_diff_can_be_applied(self, course: Path, tmp_path: Path) -> None:
        made(course, A2)
        path = course / "source" / A2 / f"{A2}.py"
        path.write_text(path.read_text().replace("Falling bodies", "Free fall"))
        difference = made(course, A2, "--dry-run").stdout
        subprocess.run(
            ["patch", "-p1", "-s", "-d", str(course / "release")], input=difference, text=True, check=True
        )
        assert made(course, A2, "--dry-run").stdout == ""
