"""A language in which every text that is marked for translation stands in brackets: what has none was forgotten."""

from __future__ import annotations

import gettext as gnu
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

import pytest

from mograder.hub.pages import language, render, words
from mograder.hub.pages.rows import Rows
from tests.pages.texts import extracted

_GROUP = re.compile(r"⟦[^⟦⟧]*⟧")
_LETTER = re.compile(r"[^\W\d_]")
_UNIT = re.compile(r"\b(kB|MB|GB|UTC|GMT|CET|CEST)\b")  # the same everywhere
_DATA = {"bdi", "time", "code", "pre", "kbd", "script", "style"}
"""Elements that hold names, numbers, text that somebody wrote."""

_VOID = {"meta", "link", "input", "img", "br", "col", "wbr", "hr"}
_READ_OUT = {"aria-label", "title", "placeholder", "alt", "data-label"}


class _Pseudo(gnu.NullTranslations):
    """Puts brackets around every text that the extractor finds."""

    def __init__(self) -> None:
        super().__init__()
        ids = [message.id for message in extracted() if message.id]
        self._known = {text for one in ids for text in (one if isinstance(one, tuple) else (one,))}

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧" if message in self._known else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@contextmanager
def pseudo() -> Iterator[None]:
    """Let German be this language for a while; times and dates, which Babel says, stand in brackets, too."""

    def bracketed(say: Any) -> Any:
        return lambda *args, **options: f"⟦{say(*args, **options)}⟧"

    catalog = _Pseudo()
    real = language._catalog
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "_catalog", lambda code: catalog if code == "de" else real(code))
        fresh = Rows(render._assignment).html  # the other's may hold rows in German
        patch.setitem(render._ENVIRONMENT.globals, "assignment_row", fresh)
        patch.setattr(words, "format_timedelta", bracketed(words.format_timedelta))
        patch.setattr(words, "format_datetime", bracketed(words.format_datetime))
        yield


def forgotten(page: str, said: Collection[str] = (), named: Collection[str] = ()) -> list[str]:
    """What a page shows or reads out without brackets.

    ``said`` are texts of the page that are no text of its template; ``named`` are the names that may stand in its
    title, in choices and in what is read out, where no element can mark them.
    """
    reader = _Reader()
    reader.feed(page)
    left = _rest("".join(reader.shown), said).split("\n")  # a sentence may have elements in it
    for text in reader.read_out:
        left.append(_rest(text, [*said, *named]))
    return [" ".join(text.split()) for text in left if _LETTER.search(text)]


def _rest(text: str, known: Collection[str]) -> str:
    while _GROUP.search(text):
        text = _GROUP.sub("", text)
    for one in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(one, "")
    return _UNIT.sub("", text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.read_out: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        self.read_out += [value for name, value in attrs if name in _READ_OUT and value]
        if tag not in _VOID:
            is_data = tag in _DATA or fields.get("translate") == "no" or ("lang" in fields and tag != "html")
            self._inside.append("bdi" if is_data else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if _DATA & set(self._inside):
            return
        by_name = {"title", "option"} & set(self._inside)
        (self.read_out if by_name else self.shown).append(data + "\n")
