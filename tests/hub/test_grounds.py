"""``mograder.hub.grounds``: what makes a validation's result one of yesterday."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub import grounds as module
from mograder.hub.grounds import grounds

BASE: dict[str, Any] = {
    "notebook": b"n",
    "release": b"r",
    "environment": "e",
    "time_limit": 120.0,
    "files": [("a.csv", b"1"), ("b.csv", b"2")],
}


def test_the_same_grounds_have_the_same_hash() -> None:
    assert grounds(**BASE) == grounds(**BASE)
    assert len(grounds(**BASE)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"notebook": b"m"},
        {"release": b"s"},
        {"notebook": b"r", "release": b"n"},
        {"environment": "f"},
        {"time_limit": 60.0},
        {"files": []},
        {"files": [("a.csv", b"1"), ("b.csv", b"3")]},
        {"files": [("a.csv", b"1"), ("c.csv", b"2")]},
        {"files": [("a.csv", b"1"), ("b.csv", b"2"), ("c.csv", b"")]},
    ],
)
def test_whatever_changes_makes_another_hash(change: dict[str, Any]) -> None:
    assert grounds(**{**BASE, **change}) != grounds(**BASE)


def test_another_mograder_judges_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = grounds(**BASE)
    monkeypatch.setattr(module, "__version__", "another")
    assert grounds(**BASE) != before


FILES = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=4),
    st.binary(max_size=4),
    max_size=3,
)


@given(FILES, FILES)
def test_different_files_never_share_a_hash(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    hashes = {grounds(**{**BASE, "files": sorted(files.items())}) for files in (one, other)}
    assert (len(hashes) == 1) == (one == other)
