"""A kernel's messages are read by one decoder, and say what they said to marimo's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marimo_adapter.test_rehearsal import said

pytestmark = pytest.mark.real

_BEGIN = """
import msgspec
from marimo._messaging import serde
from marimo._messaging.notification import CellNotification
from marimo._session.state import session_view
from mograder.marimo_adapter import decoding
marimos = serde.deserialize_kernel_message
"""


def test_every_module_has_the_decoder_and_it_reads_the_same(python: Path) -> None:
    code = """
print(decoding.prepare(), decoding.prepare())
print(serde.deserialize_kernel_message is session_view.deserialize_kernel_message is not marimos)
cell = CellNotification(cell_id="Hbol", status="running", run_id="1", timestamp=2.5)
for message in (serde.serialize_kernel_message(cell), b'{"op": "completed-run"}', b'{"op": "interrupted"}'):
    print(serde.deserialize_kernel_message(message) == marimos(message))
"""
    assert said(python, _BEGIN + code) == ["True True", *["True"] * 4]


def test_what_is_no_message_is_refused_as_ever(python: Path) -> None:
    code = """
def refusal(read, message):
    try:
        read(message)
    except Exception as error:
        return type(error), str(error)
decoding.prepare()
for message in (b"", b"{", b'{"op": "no such thing"}', b'{"op": "cell-op", "cell_id": 1}'):
    said = refusal(marimos, message)
    print(said is not None, refusal(serde.deserialize_kernel_message, message) == said)
"""
    assert said(python, _BEGIN + code) == ["True True"] * 4


def test_a_marimo_that_reads_in_another_way_is_left_alone(python: Path) -> None:
    code = """
def deserialize_kernel_message(message):
    return message
serde.deserialize_kernel_message = deserialize_kernel_message
import inspect
inspect.getsource = lambda thing: "return message"
print(decoding.prepare(), serde.deserialize_kernel_message is deserialize_kernel_message)
"""
    assert said(python, _BEGIN + code) == ["False True"]
