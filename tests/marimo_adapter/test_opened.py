"""What a page has loaded is its session's, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marimo_adapter.test_rehearsal import said

pytestmark = pytest.mark.real

_BEGIN = """
import os
from marimo._config.config import DEFAULT_CONFIG
from marimo._server.session_manager import SessionManager
from marimo._session.notebook.file_manager import AppFileManager
from mograder.marimo_adapter import opened
notebook = Path(PLACE, "notebook.py")
notebook.write_text(Path(sys.argv[1]).read_text())
SessionManager.app_manager = lambda self, key: AppFileManager(key)
print([opened.prepare(), opened.prepare()])
def page():
    return SessionManager.app_manager(None, key=str(notebook)).app
def session(name=notebook):
    return AppFileManager(str(name)).app
"""


def begun(python: Path, place: Path, code: str) -> list[str]:
    known, *lines = said(python, f"PLACE = {str(place)!r}\n" + _BEGIN + code)
    assert known == "['', '']"
    return lines


def test_the_session_has_what_its_page_has_loaded(python: Path, tmp_path: Path) -> None:
    assert begun(python, tmp_path, "print(page() is session())") == ["True"]


def test_a_second_session_has_its_own(python: Path, tmp_path: Path) -> None:
    code = "shown = page()\nprint(session() is shown, session() is shown, session() is session(), page() is shown)"
    assert begun(python, tmp_path, code) == ["True False False False"]


def test_what_a_session_has_is_no_pages(python: Path, tmp_path: Path) -> None:
    code = "mine = session()\nprint(page() is mine, session() is mine)"
    assert begun(python, tmp_path, code) == ["False False"]


def test_of_two_pages_the_later_counts(python: Path, tmp_path: Path) -> None:
    code = "first, second = page(), page()\nprint(session() is second, session() in (first, second))"
    assert begun(python, tmp_path, code) == ["True False"]


def test_a_file_that_changed_is_loaded_anew(python: Path, tmp_path: Path) -> None:
    code = """
shown = page()
notebook.write_text(notebook.read_text().replace("y is", "other"))
mine = session()
print(mine is shown, any("other" in code for code in mine.cell_manager.codes()))
shown = page()
state = notebook.stat()
notebook.rename(notebook.with_name("old.py"))
notebook.write_text(notebook.with_name("old.py").read_text())
os.utime(notebook, ns=(state.st_atime_ns, state.st_mtime_ns))
print(session() is shown)
"""
    assert begun(python, tmp_path, code) == ["False True", "False"]


def test_a_file_that_changes_while_it_is_loaded_is_loaded_anew(python: Path, tmp_path: Path) -> None:
    code = """
from marimo._ast import load
read = load.load_app
def load_app(name):
    found = read(name)
    notebook.write_text(notebook.read_text().replace("y is", "other"))
    return found
load.load_app = load_app
shown = page()
load.load_app = read
mine = session()
print("y is" in str(list(shown.cell_manager.codes())), "other" in str(list(mine.cell_manager.codes())))
"""
    assert begun(python, tmp_path, code) == ["True True"]


def test_another_file_is_another_notebook(python: Path, tmp_path: Path) -> None:
    code = """
os.link(notebook, notebook.with_name("same.py"))
shown = page()
print(session(notebook.with_name("same.py")) is shown, session() is shown)
"""
    assert begun(python, tmp_path, code) == ["False True"]


def test_a_notebook_without_a_file_is_made_as_ever(python: Path, tmp_path: Path) -> None:
    assert begun(python, tmp_path, "print(AppFileManager(None).app is AppFileManager(None).app)") == ["False"]
