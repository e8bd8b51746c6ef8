"""mograder.validation.sidecar"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.validation.model import STATUSES
from mograder.validation.sidecar import (
    CHECKS_LIMIT,
    DETAIL_LIMIT,
    DETAILS_LIMIT,
    FILE_LIMIT,
    LABEL_LIMIT,
    LINE_LIMIT,
    Sidecar,
)


def line(**changes: Any) -> bytes:
    said = {"label": "Q1", "status": "success", "details": ["✓ fine"], "earned_weight": 1, "total_weight": 1}
    return json.dumps(said | changes).encode() + b"\n"


def test_a_line_becomes_a_result() -> None:
    sidecar = Sidecar()
    [check] = sidecar.feed(line(status="partial", details=["✓ a", "✗ b"], earned_weight=1, total_weight=2.5))
    assert check.to_json() == {"label": "Q1", "status": "partial", "details": ["✓ a", "✗ b"]}
    assert (check.earned_weight, check.total_weight) == (1.0, 2.5)
    assert sidecar.checks == (check,)
    assert sidecar.notes == ()


def test_a_result_comes_when_its_line_is_whole() -> None:
    sidecar = Sidecar()
    assert sidecar.feed(line()[:20]) == []
    assert len(sidecar.feed(line()[20:] + line(label="Q2")[:5])) == 1


def test_the_last_result_of_a_label_counts_and_this_is_said() -> None:
    sidecar = Sidecar()
    sidecar.feed(line(status="danger") + line(label="Q2") + line() + line(status="partial"))
    assert [(check.label, check.status) for check in sidecar.checks] == [("Q1", "partial"), ("Q2", "success")]
    assert sidecar.notes == ('The check "Q1" reported 3 results; the last one counts.',)


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense\n",
        b"[1]\n",
        b'"x"\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"label": ' + b"9" * 10_000 + b"}\n",
        line(label=3),
        line(label=None),
        line(status="great"),
        line(status=["success"]),
        line(status=None),
        line(details={"a": 1}),
        line(details="x" * LINE_LIMIT),
    ],
)
def test_a_line_that_is_no_result_is_passed_over_and_this_is_said(bad: bytes) -> None:
    sidecar = Sidecar()
    assert [check.label for check in sidecar.feed(bad + line(label="Q2"))] == ["Q2"]
    assert sidecar.notes == ("1 line among the results could not be read.",)


def test_a_line_that_was_cut_off_is_said() -> None:
    sidecar = Sidecar()
    sidecar.feed(b"x\n" + line() + b'{"label": "Q2", "sta')
    assert sidecar.notes == ("2 lines among the results could not be read.",)


def test_what_is_said_is_printable_and_short() -> None:
    sidecar = Sidecar()
    [check] = sidecar.feed(
        line(label="Q1\n\x1b[2J\u202e" + "x" * 999, details=["\x1b]0;x\x07" + "y" * 3000, 3] * 150)
    )
    assert check.label.isprintable()
    assert len(check.label) <= LABEL_LIMIT + 1
    assert len(check.details) == DETAILS_LIMIT
    assert all(detail.isprintable() and len(detail) <= DETAIL_LIMIT + 1 for detail in check.details)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 10**400, True, "1", None, [1]])
def test_a_weight_that_is_none_counts_nothing(weight: Any) -> None:
    [check] = Sidecar().feed(line(earned_weight=weight, total_weight=weight))
    assert (check.earned_weight, check.total_weight) == (0.0, 0.0)


def test_only_so_many_checks_are_kept() -> None:
    sidecar = Sidecar()
    sidecar.feed(b"".join(line(label=f"Q{number}") for number in range(CHECKS_LIMIT + 1)))
    assert len(sidecar.checks) == CHECKS_LIMIT
    assert sidecar.notes == ("There are more results than are read; the rest was left out.",)


def test_only_so_many_bytes_are_read() -> None:
    sidecar = Sidecar()
    sidecar.feed(line())
    while not sidecar.is_full:
        sidecar.feed(b"\n" * (FILE_LIMIT // 3))
    sidecar.feed(line(label="Q2"))
    assert [check.label for check in sidecar.checks] == ["Q1"]


@given(st.lists(st.binary(max_size=200) | st.just(line()) | st.just(b"\n")))
def test_whatever_is_written_gives_results_of_the_known_kinds(pieces: list[bytes]) -> None:
    sidecar = Sidecar()
    for piece in pieces:
        sidecar.feed(piece)
    assert all(check.status in STATUSES and check.label.isprintable() for check in sidecar.checks)
    assert all(note.isprintable() for note in sidecar.notes)
