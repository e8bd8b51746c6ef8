"""What is judged before the packages of an item are prepared, which takes long (``mograder.hub.publishing``)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mograder.errors import Conflict, Malformed, NameRefused
from mograder.hub.publishing import Publishing
from mograder.hub.releases import ItemType, Releases

NOTEBOOK = b"import marimo\n\napp = marimo.App()\n"


class Untouched:
    """Stands for the packages: nobody may ask for any."""

    def prepare(self, *_: Any) -> Any:
        raise AssertionError("packages were prepared for what can not be published")


@pytest.mark.parametrize(
    ("name", "files", "error"),
    [
        ("A1", {"A1.py": NOTEBOOK, "Data.csv": b"", "data.csv": b""}, NameRefused),
        ("A1", {"A1.py": NOTEBOOK, "files.json": b""}, NameRefused),
        ("A1", {"A1.py": NOTEBOOK, "a": b"", "a/b.csv": b""}, NameRefused),
        ("A1", {"A1.py": NOTEBOOK, "../b.csv": b""}, NameRefused),
        ("user", {"user.py": NOTEBOOK}, NameRefused),
        ("A1", {"A2.py": NOTEBOOK}, Malformed),
        ("l01", {"l01.py": NOTEBOOK}, Conflict),
    ],
)
def test_what_can_not_be_published_is_said_before_its_packages_are_prepared(
    tmp_path: Path, name: str, files: dict[str, bytes], error: type[Exception]
) -> None:
    releases = Releases(tmp_path / "published")
    releases.install("L01", {"L01.py": NOTEBOOK}, ItemType.LECTURE)
    publishing = Publishing(releases, Untouched(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(error):
        asyncio.run(publishing.publish(name, files, None))
    assert [release.name for release in releases.all()] == ["L01"]
