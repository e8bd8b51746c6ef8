"""Names in paths: what may be one, and its one spelling."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.gateway.names import decode_name, encode_name, encode_path, is_plain_name


@pytest.mark.parametrize(
    "name", ["alice", "A1-In_to.SciML", "a@b.c", "m+1", "m\xfcller", "\u5b66\u751f1", "a" * 64]
)
def test_a_name_survives_its_spelling(name: str) -> None:
    assert decode_name(encode_name(name)) == name


NO_NAMES = [
    b"",
    b".",
    b"..",
    b"%2e%2e",
    b"a%2fb",
    b"a%5cb",
    b"a%00b",
    b"a b",
    b"a%20b",
    b"a%0ab",
    b"%ff",
    b"%c3%28",
]
NO_NAMES += [
    b"a%",
    b"a;b",
    b"a:b",
    b"a~b",
    b"a*b",
    b"a'b",
    b"%E2%80%AEa",
    b"a" * 65,
    b"%25",
    b"%C2%BD",
    b"%C2%B2",
]


@pytest.mark.parametrize("raw", NO_NAMES)
def test_what_is_no_name_is_refused(raw: bytes) -> None:
    assert decode_name(raw) is None


def test_letters_and_their_accents_become_one() -> None:
    assert decode_name(quote("mu\u0308ller").encode()) == "m\xfcller"


def test_a_path_is_spelt_as_its_names_are() -> None:
    assert encode_path("/edit/user/m\xfc@x/A 1/") == b"/edit/user/m%C3%BC@x/A%201/"


@given(st.binary(max_size=80))
def test_decoding_never_raises_and_never_lets_a_separator_through(raw: bytes) -> None:
    name = decode_name(raw)
    if name is not None:
        assert is_plain_name(name) and not set(name) & set("/\\\0%?#;: ")
        assert unicodedata.normalize("NFC", name) == name
        assert decode_name(encode_name(name)) == name
