"""``mograder.runtime``: what a notebook imports, and what each of its modules promises.

mograder.runtime.checks, .marks, .results, .page, .host, .sidecar. All pure but those marked real.
"""

from __future__ import annotations

import doctest
import html.parser
import json
import math
import multiprocessing
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.runtime import CheckResult, Grader, Test, check, hint, host, marks, page, results, sidecar
from mograder.runtime import checks as checks_module

VOID = {"br", "img", "hr", "input", "meta", "link"}
TEXT = st.text(max_size=200)
WEIGHTS = st.floats(0, 100, allow_nan=False)
ITEMS = st.lists(st.tuples(st.booleans(), TEXT, WEIGHTS), max_size=8)


class Page(html.parser.HTMLParser):
    """Parses strictly enough to see an element that a message brought in, or one left open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(autouse=True)
def no_sidecar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sidecar.VARIABLE, raising=False)


@pytest.mark.parametrize("module", [checks_module, marks, page, results, host, sidecar])
def test_examples_in_the_documentation_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


class TestCheck:
    @pytest.mark.parametrize(
        ("tests", "status"),
        [
            ([], "warn"),
            ([(True, "a"), (True, "b")], "success"),
            ([(True, "a"), (False, "b")], "partial"),
            ([(False, "a"), (False, "b")], "danger"),
        ],
    )
    def test_status_follows_what_passes(self, tests: list[tuple[bool, str]], status: str) -> None:
        assert check("Q1", tests).status == status

    def test_weights_add_up(self) -> None:
        result = check("Q1", [(True, "a", 3), (False, "b", 1.5), (True, "c")])
        assert (result.earned_weight, result.total_weight) == (4.0, 5.5)

    def test_a_generator_is_as_good_as_a_list(self) -> None:
        result = check("Q1", ((n < 2, f"{n} is below 2") for n in range(3)))
        assert [test.ok for test in result.tests] == [True, True, False]

    def test_truth_is_pythons_own(self) -> None:
        class NumpyLike:
            def __init__(self, value: bool) -> None:
                self.value = value

            def __bool__(self) -> bool:
                return self.value

        result = check(
            "Q1", [(NumpyLike(True), "yes"), (NumpyLike(False), "no"), (None, "nothing"), (1, "one")]
        )
        assert [test.ok for test in result.tests] == [True, False, False, True]

    def test_an_ambiguous_truth_is_a_failed_test_that_says_so(self) -> None:
        class Array:
            def __bool__(self) -> bool:
                raise ValueError("The truth value of an array is ambiguous")

        (test,) = check("Q1", [(Array(), "the sum is 3")]).tests
        assert not test.ok
        assert test.message == "the sum is 3 (ValueError: The truth value of an array is ambiguous)"

    def test_a_function_is_called_and_its_exception_becomes_a_message(self) -> None:
        result = check("Q1", [(lambda: 1 + 1 == 2, "sums"), (lambda: None + 1 == 2, "adds")])  # type: ignore[operator]
        assert result.status == "partial"
        assert "TypeError: unsupported operand" in result.details[1]

    def test_an_answer_that_calls_exit_does_not_end_the_notebook(self) -> None:
        result = check("Q1", [(lambda: sys.exit("bye"), "returns"), (True, "goes on")])
        assert [test.ok for test in result.tests] == [False, True]

    def test_a_generator_that_raises_keeps_what_was_tested_and_fails_there(self) -> None:
        result = check("Q1", ((1 / n > 0, f"1/{n}") for n in (1, 0, 2)))
        assert result.details == ["✓ 1/1", "✗ the check stopped here (ZeroDivisionError: division by zero)"]

    @pytest.mark.parametrize("entry", [True, (True,), (True, "a", 1, 2), "ok"])
    def test_an_entry_that_is_no_tuple_is_the_authors_mistake(self, entry: object) -> None:
        with pytest.raises(TypeError, match=r"check\('Q1'\): entry 2 is .*write \(ok, message\)"):
            check("Q1", [(True, "fine"), entry])  # type: ignore[list-item]

    @pytest.mark.parametrize("weight", [-1, math.nan, math.inf, "heavy", None])
    def test_a_weight_is_a_finite_number(self, weight: object) -> None:
        with pytest.raises(ValueError, match=r"the weight is .* finite number"):
            check("Q1", [(True, "fine", weight)])  # type: ignore[list-item]

    def test_outside_a_notebook_the_result_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        check("Q1: speed", [(True, "is positive"), (False, "is small", 2)])
        assert capsys.readouterr().out == (
            "Q1: speed: 1 of 2 tests pass.\n  ✓ is positive\n  ✗ is small (weight 2)\n"
        )

    def test_escape_sequences_never_reach_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        check("Q1\n\x1b[2J", [(False, "got \x1b]0;owned\x07 \u202e")])
        printed = capsys.readouterr().out
        assert "\x1b" not in printed
        assert "\x07" not in printed
        assert "\u202e" not in printed
        assert printed.count("\n") == 2

    def test_the_repr_of_something_huge_is_cut(self) -> None:
        (test,) = check("Q1", [(False, "x" * 1_000_000)]).tests
        assert len(test.message) == 2000
        assert test.message.endswith("…")

    @given(ITEMS)
    def test_counts_are_consistent(self, items: list[tuple[bool, str, float]]) -> None:
        result = checks_module.evaluate("Q", items)
        assert 0 <= result.earned_weight <= result.total_weight
        assert result.passed == sum(ok for ok, _, _ in items)
        assert (result.status == "warn") == (not items)
        assert len(result.details) == len(items)


class TestPage:
    @given(TEXT, ITEMS)
    def test_no_text_brings_in_an_element(self, label: str, items: list[tuple[bool, str, float]]) -> None:
        for hostile in ("", "<script>alert(1)</script>", "`<b>` $<img src=x onerror=1>$ **<i>** \"'"):
            texts = [(ok, hostile + message, weight) for ok, message, weight in items]
            seen = Page(checks_module.evaluate(hostile + label, texts).text)
            assert not seen.open
            assert set(seen.elements) <= {
                *("div", "span", "strong", "ul", "li", "details", "summary", "code", "em", "marimo-tex"),
            }
            assert not [
                name for name, _ in seen.attributes if name.startswith("on") or name in ("href", "src")
            ]

    def test_each_test_is_marked_for_eyes_and_for_screen_readers(self) -> None:
        seen = Page(check("Q1", [(True, "first"), (False, "second")]).text)
        spoken = [value for name, value in seen.attributes if name == "aria-label"]
        assert spoken == ["passes:", "does not pass:"]
        assert "✓first✗second" in seen.text

    def test_a_result_is_announced_when_it_changes(self) -> None:
        assert ("role", "status") in Page(check("Q1", []).text).attributes

    def test_a_green_result_folds_its_tests_away(self) -> None:
        assert "details" in Page(check("Q1", [(True, "a")]).text).elements
        assert "details" not in Page(check("Q1", [(False, "a")]).text).elements

    def test_code_bold_and_emphasis_are_written_as_in_markdown(self) -> None:
        assert page.inline("`a<b` and **very** *odd*") == (
            "<code>a&lt;b</code> and <strong>very</strong> <em>odd</em>"
        )

    @pytest.mark.parametrize("plain", ["2*3*4", "a * b * c", "costs $5 and $6", "$ x $", "**", "`", "it's"])
    def test_signs_that_are_no_markup_stay(self, plain: str) -> None:
        assert Page(page.inline(plain)).text == plain
        assert Page(page.inline(plain)).elements == []

    @given(TEXT)
    def test_text_without_markup_survives_whole(self, text: str) -> None:
        plain = "".join(ch for ch in text if ch not in "`$*\r")
        assert Page(page.inline(plain)).text == plain

    def test_maths_is_shown_by_marimo(self) -> None:
        pytest.importorskip("marimo")
        seen = Page(page.inline(r"at $x < \frac{1}{2}$"))
        assert seen.elements == ["marimo-tex"]
        assert r"x < \frac{1}{2}" in seen.text

    def test_maths_without_marimo_is_the_text_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "marimo", raising=False)
        assert page.inline("$a<b$") == "$a&lt;b$"

    def test_marimo_shows_a_result_a_table_and_hints(self) -> None:
        marimo = pytest.importorskip("marimo")
        grader = Grader({"Q1": 2}, hidden_tests=False)
        shown = [grader.check("Q1", [(True, "a")]), grader.scores(), hint("look at $x$")]
        for thing in shown:
            assert marimo.as_html(thing).text == thing.text
        assert marimo.vstack(shown).text

    def test_hints_open_one_after_another(self) -> None:
        seen = Page(hint("one", "two", "three").text)
        assert seen.elements.count("details") == 3
        assert seen.text.index("one") < seen.text.index("Hint 2 of 3") < seen.text.index("two")
        assert not seen.open


class TestGrader:
    @pytest.fixture
    def grader(self) -> Grader:
        return Grader({"Q1": 10, "Q2": 5}, hidden_tests=False)

    def test_marks_are_found_by_the_label_up_to_the_first_colon(self, grader: Grader) -> None:
        grader.check("Q1: speed: and more", [(True, "a", 2), (False, "b", 1)])
        assert dict(grader.scores()) == {"Q1": 6.7, "Q2": 0.0}

    def test_a_result_shows_its_marks(self, grader: Grader) -> None:
        result = grader.check("Q1", [(True, "a"), (False, "b")])
        assert "5 of 10 marks" in Page(result.text).text

    def test_waiting_shows_no_marks(self, grader: Grader) -> None:
        assert "marks" not in Page(grader.check("Q1", []).text).text

    def test_several_checks_share_a_key(self, grader: Grader) -> None:
        grader.check("Q1: shape", [(True, "a")])
        grader.check("Q1: values", [(False, "b"), (True, "c"), (True, "d")])
        assert grader.scores()["Q1"] == 7.5

    def test_a_waiting_part_gives_no_marks_away(self, grader: Grader) -> None:
        grader.check("Q1: shape", [(True, "a")])
        grader.check("Q1: values", [])
        assert grader.scores()["Q1"] == 5.0

    def test_a_cell_that_runs_again_replaces_its_result(self, grader: Grader) -> None:
        grader.check("Q2", [(False, "a")])
        grader.check("Q2", [(True, "a")])
        assert (grader.scores().earned, grader.scores().available) == (5.0, 15.0)

    def test_a_check_without_marks_is_listed_and_worth_nothing(self, grader: Grader) -> None:
        result = grader.check("Warm-up: hello", [(True, "a")])
        assert result.marks is None
        scores = grader.scores()
        assert "Warm-up" in Page(scores.text).text
        assert set(scores) == {"Q1", "Q2"}
        assert len(scores) == 2
        with pytest.raises(KeyError):
            scores["Warm-up"]

    def test_tests_without_weight_are_worth_nothing(self, grader: Grader) -> None:
        grader.check("Q1", [(True, "a", 0)])
        assert grader.scores()["Q1"] == 0.0

    @pytest.mark.parametrize("value", [-1, math.nan, "ten"])
    def test_marks_are_finite_numbers(self, value: object) -> None:
        with pytest.raises(ValueError, match=r"marks\['Q1'\] is"):
            Grader({"Q1": value})  # type: ignore[dict-item]

    def test_hidden_tests_hide_every_mark(self, capsys: pytest.CaptureFixture[str]) -> None:
        grader = Grader({"Q1": 17}, hidden_tests=True)
        result = grader.check("Q1", [(True, "a"), (False, "b")])
        shown = result.text + grader.scores().text + repr(grader.scores()) + capsys.readouterr().out
        assert result.marks is None
        assert "17" not in shown
        assert "8.5" not in shown
        assert "More tests run when your work is marked" in shown
        assert "not all tests pass yet" in shown

    def test_the_table_says_where_the_student_stands(self, grader: Grader) -> None:
        grader.check("Q1", [(True, "a")])
        assert repr(grader.scores()) == (
            "Q1  all tests pass  10 of 10\nQ2  waiting for your code  0 of 5\nTotal  10 of 15"
        )
        assert Page(grader.scores().text).elements.count("tr") == 4

    def test_results_given_to_scores_change_nothing(self, grader: Grader) -> None:
        result = grader.check("Q1", [(True, "a")])
        assert dict(grader.scores(result)) == dict(grader.scores())

    @given(st.floats(0, 1000), ITEMS)
    def test_earned_is_the_rounded_share_of_the_weight(
        self, available: float, items: list[tuple[bool, str, float]]
    ) -> None:
        grader = Grader({"Q1": available}, hidden_tests=False)
        result = checks_module.evaluate("Q1", items)
        grader.check("Q1", items)
        earned = grader.scores()["Q1"]
        assert 0 <= earned <= available + 0.05
        if result.total_weight:
            assert earned == round(available * result.earned_weight / result.total_weight, 1)


class TestHiddenTestsInTheHeader:
    HEADER = textwrap.dedent("""\
        # /// script
        # dependencies = ["marimo"]
        #
        # mograder-hidden-tests = {value}
        # ///
        """)

    def graded(self, path: Path, text: str) -> str:
        """The scores of a notebook file that makes a Grader as notebooks do."""
        path.write_text(text, encoding="utf-8")
        names = {"__file__": str(path), "Grader": Grader}
        exec(compile("grader = Grader({'Q1': 3})", "cell", "exec"), names)
        return repr(names["grader"].scores())  # type: ignore[attr-defined]

    def test_true_hides_marks(self, tmp_path: Path) -> None:
        assert "of 3" not in self.graded(tmp_path / "a.py", self.HEADER.format(value="true"))

    def test_windows_line_ends_are_read_too(self, tmp_path: Path) -> None:
        text = self.HEADER.format(value="true").replace("\n", "\r\n")
        assert "of 3" not in self.graded(tmp_path / "a.py", text)

    @pytest.mark.parametrize(
        "text",
        [
            HEADER.format(value="false"),
            "# mograder-hidden-tests = true\n",
            HEADER.format(value="false") + "# mograder-hidden-tests = true\n",
            "",
        ],
        ids=["false", "no header", "below the header", "empty"],
    )
    def test_anything_else_shows_them(self, tmp_path: Path, text: str) -> None:
        assert "of 3" in self.graded(tmp_path / "a.py", text)

    def test_the_main_script_speaks_for_a_notebook_without_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        main = tmp_path / "main.py"
        main.write_text(self.HEADER.format(value="true"))
        monkeypatch.setattr(sys.modules["__main__"], "__file__", str(main), raising=False)
        assert host.has_hidden_tests("__marimo__cell_Hbol_")
        assert host.has_hidden_tests(None)
        assert host.has_hidden_tests("bad\x00name")


def _write_many(path: str, name: str) -> None:
    os.environ[sidecar.VARIABLE] = path
    for number in range(50):
        sidecar.record(CheckResult(f"{name}{number}", (Test(True, name * 3000),)))


class TestSidecar:
    def test_each_check_appends_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "checks.jsonl"
        monkeypatch.setenv(sidecar.VARIABLE, str(path))
        check("Q1: a", [(True, "first\nline", 2), (False, "second")])
        Grader({"Q2": 1}, hidden_tests=True).check("Q2", [])
        assert [json.loads(line) for line in path.read_text().splitlines()] == [
            {
                "label": "Q1: a",
                "status": "partial",
                "details": ["✓ first\nline (weight 2)", "✗ second"],
                "earned_weight": 2.0,
                "total_weight": 3.0,
            },
            {"label": "Q2", "status": "warn", "details": [], "earned_weight": 0.0, "total_weight": 0.0},
        ]

    def test_without_the_variable_nothing_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        check("Q1", [(True, "a")])
        assert list(tmp_path.iterdir()) == []

    def test_a_sidecar_that_can_not_be_written_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(sidecar.VARIABLE, str(tmp_path / "missing" / "checks.jsonl"))
        with pytest.raises(FileNotFoundError):
            check("Q1", [])

    def test_a_full_disk_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(sidecar.VARIABLE, "/dev/full")
        with pytest.raises(OSError, match="No space left"):
            check("Q1", [])

    def test_a_half_written_line_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(sidecar.VARIABLE, str(tmp_path / "checks.jsonl"))
        whole = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, line: whole(descriptor, line[:10]))
        with pytest.raises(OSError, match="only 10 of"):
            check("Q1", [])

    def test_lines_of_two_processes_never_mix(self, tmp_path: Path) -> None:
        path = tmp_path / "checks.jsonl"
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_write_many, args=(str(path), name)) for name in "ab"]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        labels = [json.loads(line)["label"] for line in path.read_text().splitlines()]
        assert sorted(labels) == sorted(f"{name}{number}" for name in "ab" for number in range(50))


SCRIPT = """
import sys
class NoMarimo:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "marimo":
            raise ModuleNotFoundError("No module named 'marimo'", name="marimo")
sys.meta_path.insert(0, NoMarimo())
from mograder.runtime import Grader, hint
grader = Grader({"Q1": 4})
result = grader.check("Q1: a", [(lambda: 1 / 0, "divides"), (True, "$x$ is right")])
assert "<script>" not in result.text and result._repr_html_() == result.text
print(hint("*think*"), f"{grader.scores()}", sep="\\n")
own = {name for name in sys.modules if name.partition(".")[0] == "mograder"}
assert own <= {"mograder", "mograder.runtime"} | {f"mograder.runtime.{n}" for n in
    ("checks", "host", "marks", "page", "results", "sidecar")}, own
"""

NOTEBOOK = """\
# /// script
# dependencies = ["marimo"]
# mograder-hidden-tests = true
# ///
import marimo

app = marimo.App()


@app.cell
def _():
    from mograder.runtime import Grader

    grader = Grader({"Q1": 7})
    return (grader,)


@app.cell
def _(grader):
    q1 = grader.check("Q1: hidden", [(True, "the area is $x^2$ & more"), (False, "<b>bold</b>")])
    q1
    return (q1,)


@app.cell
def _(grader, q1):
    grader.scores(q1)
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.mark.real
class TestForReal:
    def test_a_script_needs_no_marimo_and_nothing_of_the_rest_of_the_package(self) -> None:
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert "✗ divides (ZeroDivisionError: division by zero)" in done.stdout
        assert "Hint 1: *think*" in done.stdout
        assert "Total  2 of 4" in done.stdout

    def test_a_notebook_run_as_a_script_prints_its_results(self, tmp_path: Path) -> None:
        notebook = tmp_path / "nb.py"
        notebook.write_text(NOTEBOOK)
        done = subprocess.run([sys.executable, str(notebook)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Q1: hidden: 1 of 2 tests pass.\n")
        assert "marks" not in done.stdout

    def test_marimo_exports_the_boxes_and_fills_the_sidecar(self, tmp_path: Path) -> None:
        notebook, out, lines = tmp_path / "nb.py", tmp_path / "nb.html", tmp_path / "checks.jsonl"
        notebook.write_text(NOTEBOOK)
        command = [sys.executable, "-m", "marimo", "export", "html", str(notebook), "-o", str(out)]
        environment = {**os.environ, sidecar.VARIABLE: str(lines)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        exported = out.read_text(encoding="utf-8")
        assert "data-mograder-check" in exported
        assert "marimo-tex" in exported
        assert "of 7" not in exported
        assert [json.loads(line)["status"] for line in lines.read_text().splitlines()] == ["partial"]
