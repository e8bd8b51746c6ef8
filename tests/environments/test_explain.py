"""mograder.environments.explain: words that uv 0.13 really said."""

from __future__ import annotations

import pytest

from mograder.environments import Requirements
from mograder.environments.explain import not_installed, not_resolved
from mograder.errors import EnvironmentFailed, IndexUnreachable, Unavailable, UnusablePackages

ASKED = Requirements(("marimo", "six"), source="A1.py", lines={"six": 4})
PINNED = {"marimo": "0.25.2", "six": "1.17.0", "jedi": "0.19.2"}

MISMATCH = """\
Resolved 1 package in 116ms
error: Failed to download `six==1.17.0`
  cause: Hash mismatch for `six==1.17.0`

         Expected:
           sha256:0721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
"""
NO_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of jedi==0.19.2 and you require jedi==0.19.2, we can conclude that your \
requirements are unsatisfiable.
"""
NO_PACKAGE = """\
error: No solution found when resolving dependencies
  cause: Because six was not found in the package registry and you require six==1.17.0, we can conclude that your \
requirements are unsatisfiable.
"""
GONE = """\
error: Failed to download `six==1.17.0`
  cause: Failed to fetch: http://127.0.0.1:1/six-1.17.0-py2.py3-none-any.whl
  cause: HTTP status client error (404 Not Found) for url (http://127.0.0.1:1/six-1.17.0-py2.py3-none-any.whl)
"""
AWAY = """\
error: Request failed after 3 retries in 9.8s
  cause: Failed to fetch: http://127.0.0.1:9/simple/six/
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because six was not found in the cache and you require six==1.17.0, we can conclude that your requirements \
are unsatisfiable.

hint: Packages were unavailable because the network was disabled.
"""
FULL = """\
error: Failed to install: six-1.17.0-py2.py3-none-any.whl (six==1.17.0)
  cause: No space left on device (os error 28)
"""


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (MISMATCH, "A1.py:4: six 1.17.0 can not be had: the index has another file"),
        (NO_VERSION, "A1.py: jedi 0.19.2 can not be had: the index has no such version."),
        (NO_PACKAGE, "A1.py:4: six 1.17.0 can not be had: the index has no package of that name."),
        (GONE, "A1.py:4: six 1.17.0 can not be had: its file is not in the index any more."),
    ],
)
def test_a_package_that_can_not_be_installed_is_named_with_reason_and_line(said: str, sentence: str) -> None:
    error = not_installed(said, PINNED, ASKED)
    assert isinstance(error, UnusablePackages)
    assert error.message.startswith(sentence)
    assert error.status == 422


@pytest.mark.parametrize("said", [AWAY, OFFLINE])
def test_an_index_that_does_not_answer_is_no_fault_of_the_notebook(said: str) -> None:
    for error in (not_installed(said, PINNED, ASKED), not_resolved(said, ASKED)):
        assert isinstance(error, IndexUnreachable)
        assert isinstance(error, Unavailable)
        assert (error.status, error.retry_after) == (503, 60)
        assert "A1.py: the package index can not be reached" in error.message


@pytest.mark.parametrize("said", [FULL, "it ended\nwithout a word"])
def test_what_the_machine_lacks_is_neither(said: str) -> None:
    for error in (not_installed(said, PINNED, ASKED), not_resolved(said, ASKED)):
        assert type(error) is EnvironmentFailed
        assert said.splitlines()[-1].removeprefix("  cause: ") in error.message
