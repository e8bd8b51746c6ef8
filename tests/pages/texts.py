"""The texts of the pages: ``python -m tests.pages.texts`` brings every ``.po`` file up to date with them."""

from __future__ import annotations

import ast
import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from tests.pages.sources import HUB, spoken

LOCALE = HUB / "pages" / "locale"
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("**/static/**.js", "javascript")]
_OPTIONS = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
_KEYWORDS = {"_": None, "gettext": None, "N_": None, "t": None, "ngettext": (1, 2)}


def extracted() -> Catalog:
    """Every text in the code."""
    catalog = Catalog(charset="utf-8")
    for file, _, message, _, _ in extract_from_dir(HUB, _METHODS, _OPTIONS, _KEYWORDS):
        catalog.add(message, locations=[(file, 1)])
    for file, _, text in spoken():
        if isinstance(text, ast.Constant) and text.value:
            catalog.add(text.value, locations=[(file, 1)])
    return catalog


def known(path: Path) -> Catalog:
    """What a ``.po`` file holds."""
    return read_po(io.BytesIO(path.read_bytes()), path.stem)


def update(path: Path) -> None:
    """Bring a ``.po`` file up to date: new texts are empty, those that are gone are gone."""
    head, _, _ = path.read_text(encoding="utf-8").partition("\n\n")
    catalog = known(path)
    catalog.update(extracted(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    body = io.BytesIO()
    write_po(body, catalog, width=120, omit_header=True, include_lineno=False)
    path.write_bytes(head.encode() + b"\n\n" + body.getvalue())


if __name__ == "__main__":
    for po in sorted(LOCALE.glob("*.po")):
        update(po)
        print(po.name)
