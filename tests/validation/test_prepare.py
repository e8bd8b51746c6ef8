"""mograder.validation.prepare"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.errors import NotANotebook
from mograder.validation import prepare as module
from mograder.validation.prepare import prepare, prepare_apart
from tests.support.processes import alive, eventually
from tests.validation.notebooks import cell, check, notebook

RELEASE = notebook(cell("# YOUR CODE HERE\npass"), check("Q1", (False, "right")))


def test_a_check_that_was_made_easier_is_the_releases_again() -> None:
    student = notebook(cell("x = 1"), check("Q1", (True, "right")))
    prepared = prepare(student.encode(), "A1.py", RELEASE.encode())
    assert "(False, 'right')" in prepared.text
    assert "(True, 'right')" not in prepared.text
    assert prepared.level == "source"
    assert any('The check "Q1" was changed' in warning for warning in prepared.warnings)


def test_without_a_release_the_notebook_is_run_as_it_is() -> None:
    student = notebook(check("Q1", (True, "right")))
    prepared = prepare(student.encode(), "A1.py")
    assert prepared.text == student
    assert prepared.level == "hash"


def test_cells_are_named_or_shown_by_their_first_line() -> None:
    prepared = prepare(notebook(cell("x = 1\ny = 2"), cell("z = 1", name="plot")).encode(), "A1.py")
    assert prepared.labels == ("imports", "x = 1", "plot")


@pytest.fixture
def nobody_waits() -> Iterator[None]:
    module._let_go()
    yield
    module._let_go()


@pytest.mark.usefixtures("nobody_waits")
def test_a_process_that_was_kept_ready_is_asked_again_and_again() -> None:
    module.keep_ready()
    module.keep_ready()
    (waiting,) = module._ready
    student = notebook(cell("x = '€'"), check("Q1", (True, "right"))).encode()
    expected = prepare(student, "A1.py", RELEASE.encode())
    for _ in range(3):
        assert prepare_apart(student, "A1.py", RELEASE.encode()) == expected
        with pytest.raises(NotANotebook, match="this is not Python"):
            prepare_apart(b"import marimo\napp = marimo.App(\n", "A1.py")
    assert module._ready == [waiting]


@pytest.mark.usefixtures("nobody_waits")
def test_each_notebook_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_SECONDS", 1)
    module.keep_ready()
    (waiting,) = module._ready
    student = notebook(cell("\n".join(f"x{n} = {n}" for n in range(20_000)))).encode()
    while _seconds(waiting.pid) < 2.5:
        prepare_apart(student, "A1.py")
        assert module._ready == [waiting]


def _seconds(pid: int) -> float:
    """What a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.usefixtures("nobody_waits")
def test_a_process_that_read_something_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_SECONDS", 100)
    student = notebook(cell("x = 1\n" + "#" * 3_000_000)).encode()
    assert prepare_apart(student, "A1.py").labels == ("imports", "x = 1")
    assert module._ready == []
    assert prepare_apart(notebook(cell("x = 1")).encode(), "A1.py").labels == ("imports", "x = 1")
    assert len(module._ready) == 1


@pytest.mark.usefixtures("nobody_waits")
def test_what_python_says_about_a_students_code_holds_nobody_up() -> None:
    """A warning for each line is more than a pipe takes."""
    student = notebook(cell("\n".join(rf"x{n} = '\d'" for n in range(5000)))).encode()
    for _ in range(3):
        prepare_apart(student, "A1.py")


@pytest.mark.usefixtures("nobody_waits")
def test_one_that_did_not_live_to_be_asked_is_not_asked() -> None:
    module.keep_ready()
    (waiting,) = module._ready
    os.kill(waiting.pid, signal.SIGKILL)
    os.waitid(os.P_PID, waiting.pid, os.WEXITED | os.WNOWAIT)
    student = notebook(cell("x = 1")).encode()
    assert prepare_apart(student, "A1.py") == prepare(student, "A1.py")


@pytest.mark.usefixtures("nobody_waits")
def test_one_that_waits_ends_with_its_program() -> None:
    code = "from mograder.validation import prepare as p; p.keep_ready(); print(p._ready[0].pid, flush=True); {end}"
    for end in ("pass", "import os; os._exit(0)"):
        done = subprocess.run([sys.executable, "-c", code.format(end=end)], capture_output=True, check=True)
        assert done.stderr == b""
        pid = int(done.stdout)
        assert eventually(lambda pid=pid: not alive(pid))


def test_apart_finds_the_same() -> None:
    student = notebook(cell("x = '€'"), check("Q1", (True, "right")))
    assert prepare_apart(student.encode(), "A1.py", RELEASE.encode()) == prepare(
        student.encode(), "A1.py", RELEASE.encode()
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"A1\.py: the file is empty"),
        (b"import marimo\napp = marimo.App(\n", r"A1\.py:2: this is not Python"),
        (b"print(1)\n", r"A1\.py: this is Python, but not a marimo notebook"),
        (b"\xff\xfe", r"A1\.py:1: this is not UTF-8"),
    ],
)
def test_what_is_no_notebook_is_said_apart_too(data: bytes, message: str) -> None:
    with pytest.raises(NotANotebook, match=message):
        prepare_apart(data, "A1.py")


def test_a_file_made_to_be_read_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_SECONDS", 1)
    slow = "import marimo\napp = marimo.App()\n" + "x = " + "-" * 80 + "1\n" + "[[1, 2, 3]] * 4\n" * 400_000
    with pytest.raises(NotANotebook, match="takes longer than 1 s to read"):
        prepare_apart(slow.encode(), "A1.py")
