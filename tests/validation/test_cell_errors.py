"""mograder.validation.cell_errors"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.validation.cell_errors import PAGE_LIMIT, cell_errors
from mograder.validation.model import CellError

TRACEBACK = (
    '<span class="gt">Traceback (most recent call last):</span>\n'
    '  File <span class="nb">"cell"</span>, line 1\n    raise\n'
    '<span class="gr">ValueError</span>: a &lt; b\nand a second line\n'
)


def error(said: str, **more: Any) -> dict[str, Any]:
    return {"outputs": [{"type": "error", "ename": "exception", "evalue": said}], **more}


def page(*cells: Any) -> bytes:
    session = json.dumps({"cells": list(cells), "version": "1"})
    return f'<title>"session": {{"cells": </title><script>"session": {session},</script>'.encode()


def test_the_cells_that_raised_are_named_in_order() -> None:
    cells = [{"outputs": []}, error("division by zero"), error("name 'x' is not defined")]
    assert cell_errors(page(*cells), ["imports", "mean = 1 / 0", "plot"], "") == (
        CellError("mean = 1 / 0", "division by zero"),
        CellError("plot", "name 'x' is not defined"),
    )


def test_the_traceback_says_the_kind_of_the_exception() -> None:
    console = [{"mimetype": "application/vnd.marimo+traceback", "text": TRACEBACK}]
    assert cell_errors(page(error("a < b", console=console)), ["a"], "") == (
        CellError("a", "ValueError: a < b"),
    )


def test_cells_that_only_lack_those_above_them_are_left_out() -> None:
    cells = [error("boom"), error("An ancestor raised an exception (ZeroDivisionError): ")]
    assert [found.cell for found in cell_errors(page(*cells), ["a", "b"], "")] == ["a"]


def test_cells_are_counted_where_their_names_do_not_fit() -> None:
    assert cell_errors(page({}, error("boom")), ["a"], "") == (CellError("cell 2", "boom"),)


@pytest.mark.parametrize("data", [None, b"<html>", b'"session": {"cells": [', b" " * (PAGE_LIMIT + 1)])
def test_without_a_readable_page_the_log_has_to_do(data: bytes | None) -> None:
    raised = "MarimoExceptionRaisedError: "
    log = f"hello\n{raised}division by zero\n{raised}An ancestor raised an exception (X): \n"
    assert cell_errors(data, ["a"], log) == (CellError("a cell", "division by zero"),)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["outputs", "console", "type", "evalue", "mimetype", "text"]), inner
            )
        ),
    )
)
def test_whatever_the_page_says_is_survived(cells: Any) -> None:
    for found in cell_errors(page(cells, error("\x1b[2J")), [], ""):
        assert found.message.isprintable()
