"""mograder.hub.pages.assets: the pages' own files."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from mograder.hub.pages.assets import asset_url, static_table


def test_every_asset_is_served_at_the_address_that_pages_name() -> None:
    for name in ("hub.css", "hub.js", "ask.js", "start.js", "hub.svg"):
        assert re.fullmatch(rf"static/[0-9a-f]{{12}}/{name}", asset_url(name))
        content, content_type = static_table()[asset_url(name)]
        assert content
        assert "charset=utf-8" in content_type or name.endswith(".svg")


def test_a_script_finds_the_one_that_it_imports_beside_it() -> None:
    for content, _ in static_table().values():
        for imported in re.findall(rb'from "\./(\w+\.js)"', content):
            assert asset_url(imported.decode()) in static_table()


def test_what_is_served_is_what_was_written_without_the_comments() -> None:
    for url, (content, _) in static_table().items():
        written = (files("mograder.hub.pages") / "static" / url.rsplit("/", 1)[1]).read_text(encoding="utf-8")
        served = content.decode().splitlines()
        left_out = [line.strip() for line in written.splitlines() if line.strip() not in served]
        assert all(line.startswith(("//", "/*")) or not line for line in left_out)
        assert [line.strip() for line in written.splitlines() if line.strip() in served] == served


def test_an_asset_that_does_not_exist_has_no_address() -> None:
    with pytest.raises(KeyError):
        asset_url("../render.py")
