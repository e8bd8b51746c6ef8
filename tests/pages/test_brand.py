"""The course's own look: ``mograder.hub.pages.brand`` and ``colour``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.config import HubSection
from mograder.errors import ConfigError
from mograder.hub.pages import brand
from mograder.hub.pages.assets import static_table
from mograder.hub.pages.colour import READABLE, accent, contrast, mixed, parse

PART = st.integers(0, 255)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'


@given(st.tuples(PART, PART, PART), st.sampled_from(["light", "dark"]))
def test_any_accent_can_be_read(colour: tuple[int, int, int], scheme: str) -> None:
    found = {name: parse(value) for name, value in accent(colour, scheme).items()}
    text, on, tint = found["--accent"], found["--on-accent"], found["--tint"]
    assert text
    assert on
    assert tint
    papers = [(247, 247, 244), (255, 255, 255)] if scheme == "light" else [(19, 24, 22), (27, 34, 31)]
    for paper in (*papers, tint, on):
        assert contrast(text, paper) >= READABLE


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert accent((31, 90, 76), "light")["--accent"] == "#1f5a4c"


def test_contrast_is_wcags() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)
    assert mixed((0, 0, 0), (255, 255, 255), 0.5) == (128, 128, 128)


@pytest.mark.parametrize("text", ["red", "#12", "#12345g", "url(x)", "#1234567"])
def test_what_is_no_colour_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is no colour"):
        brand.load(HubSection(accent=text), tmp_path)


def test_a_logo_is_a_small_picture(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_bytes(SVG)
    (tmp_path / "page.html").write_bytes(b"<html>")
    (tmp_path / "fake.png").write_bytes(b"<html>")
    (tmp_path / "large.svg").write_bytes(SVG + b" " * brand.MAX_LOGO_BYTES)
    loaded = brand.load(HubSection(logo="logo.svg", notice=" Hello "), tmp_path)
    assert loaded.logo is not None
    assert re.fullmatch(r"static/[0-9a-f]{12}/logo\.svg", loaded.logo)
    assert (loaded.files[loaded.logo], loaded.notice, loaded.css) == ((SVG, "image/svg+xml"), "Hello", None)
    for name, said in {
        "page.html": "no picture",
        "fake.png": "not what",
        "large.svg": "over",
        "no.png": "read",
    }.items():
        with pytest.raises(ConfigError, match=said):
            brand.load(HubSection(logo=name), tmp_path)


def test_both_ways_to_be_dark_have_the_same_colours() -> None:
    css = next(data for address, (data, _) in static_table().items() if address.endswith("hub.css")).decode()
    by_machine = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', css, re.S)
    chosen = re.search(r':root\[data-theme="dark"\] \{\s*color-scheme: dark;(.*?)\}', css, re.S)
    assert by_machine
    assert chosen
    assert by_machine[1].split() == chosen[1].split()
