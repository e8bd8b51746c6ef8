"""Memory that sessions share stays untouched. Each case runs in a process of its own: what it does is for ever."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.marimo_environments import NEWEST, find_python, python_with_marimo

pytestmark = pytest.mark.real


def said(python: Path, code: str) -> list[str]:
    """What ``code`` prints, word by word."""
    done = subprocess.run(
        [python, "-c", f"import gc, sys\nfrom mograder.marimo_adapter import stillness\n{code}"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(params=["3.12", "3.13"])
def immortal(request: pytest.FixtureRequest) -> Path:
    base = find_python(request.param)
    if base is None:
        pytest.skip(f"no Python {request.param} here")
    return python_with_marimo(NEWEST, base=base)


def test_what_is_imported_is_out_of_the_collector_s_sight(newest: Path) -> None:
    code = "stillness.settle()\nprint(gc.isenabled(), gc.get_freeze_count() > 1000)"
    assert said(newest, code) == ["False", "True"]


def test_the_references_to_what_was_there_are_no_longer_counted(immortal: Path) -> None:
    code = """
class Known: pass
def used(): return 12345.5
thing = Known()
stillness.settle()
before = [sys.getrefcount(x) for x in (Known, used, thing, used.__code__, used.__code__.co_consts)]
held = [Known, used, thing, used.__code__, used.__code__.co_consts] * 5
after = [sys.getrefcount(x) for x in (Known, used, thing, used.__code__, used.__code__.co_consts)]
print(before == after, stillness.can_immortalise())
"""
    assert said(immortal, code) == ["True", "True"]


def test_what_comes_later_is_freed_as_ever(immortal: Path) -> None:
    code = """
import weakref
class Known: pass
stillness.settle()
gc.enable()
later = Known()
seen = weakref.ref(later)
del later
ring = Known(); ring.self = ring
round = weakref.ref(ring)
del ring
gc.collect()
print(seen() is None, round() is None)
"""
    assert said(immortal, code) == ["True", "True"]


def test_an_interpreter_of_another_kind_is_left_as_it_is(
    newest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "stillness.__dict__['_IMMORTAL'] = ()\nthing = object()\nstillness.settle()\n"
    code += "a = sys.getrefcount(thing); held = [thing]; print(sys.getrefcount(thing) - a)"
    assert said(newest, code) == ["1"]


_DIRTY = """
import os, resource
import json, asyncio, email.parser, http.client, logging.config, typing, inspect
{settle}
def private():
    return next(int(l.split()[1]) for l in open("/proc/self/smaps_rollup") if l.startswith("Private_Dirty"))
if os.fork() == 0:
    before = private()
    for module in list(sys.modules.values()):
        for value in list(vars(module).values()):
            repr(type(value)); hash(id(value))
    print(private() - before, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_fork_that_looks_at_everything_copies_much_less(immortal: Path) -> None:
    plain = int(said(immortal, _DIRTY.format(settle="gc.freeze()"))[0])
    still = int(said(immortal, _DIRTY.format(settle="stillness.settle()"))[0])
    assert still < plain / 2
