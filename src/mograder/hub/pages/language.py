"""The language of a request: chosen, or the first that the browser wants and that there is a translation for.

The texts are gettext's: English in the code, one ``locale/<language>.po`` for each other language, read as it is.
"""

from __future__ import annotations

import gettext as gnu
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from mograder.sentences import told

COOKIE = "mograder_language"

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""By their code, in their own words. The first needs no translation."""

_current: ContextVar[str] = ContextVar("language", default="en")


def N_(text: str) -> str:
    """Mark a text that is translated where it is shown."""
    return text


def gettext(text: str) -> str:
    """``text`` in the language of this request."""
    return _catalog(_current.get()).gettext(text) if text else ""


def tell(what: Any) -> Any:
    """A sentence, or all that are in ``what``, in the language of this request; a plain string is looked up."""
    return told(what, gettext)


def ngettext(one: str, many: str, number: int) -> str:
    """The form for ``number``, in the language of this request."""
    return _catalog(_current.get()).ngettext(one, many, number)


def language() -> str:
    """The code of the language of this request."""
    return _current.get()


def locale() -> Locale:
    """How this request's language writes numbers and dates."""
    return Locale.parse(_current.get())


PAGE_SCRIPTS = ("hub.js", "live.js", "ask.js")


def texts(*scripts: str) -> dict[str, str]:
    """Every text that these scripts show (none named: those of most pages), translated; empty in English."""
    return {} if _current.get() == "en" else _texts(_current.get(), scripts or PAGE_SCRIPTS)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language for a while."""
    token = _current.set(code if code in LANGUAGES else "en")
    try:
        yield
    finally:
        _current.reset(token)


def of_request(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The language to answer in: a person's own, and English for a program.

    A person reads what a browser shows (a page), and what a page's own script asks for: it sends the page's form
    token, or listens to events. All others may look for words in the answer.
    """
    fields: dict[bytes, str] = {}
    for name, value in headers:
        key, text = name.lower(), value.decode("latin-1")
        fields[key] = f"{fields[key]};{text}" if key in fields else text
    accepted = fields.get(b"accept", "")
    if "text/html" in accepted or "text/event-stream" in accepted or b"x-csrf-token" in fields:
        return choose(fields.get(b"cookie", ""), fields.get(b"accept-language", ""))
    return "en"


def choose(cookie: str, wanted: str) -> str:
    """The language of a request, from its Cookie and Accept-Language fields."""
    chosen = _cookie(cookie)
    if chosen in LANGUAGES:
        return chosen
    for code in _by_preference(wanted):
        if (short := code.partition("-")[0].lower()) in LANGUAGES:
            return short
    return "en"


def of_fields(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """The language of a request that is header fields (lower-case names) and nothing else."""
    found = {b"cookie": b"", b"accept-language": b""}
    for name, value in fields:
        if name in found:
            found[name] += b";" + value if found[name] else value
    return choose(found[b"cookie"].decode("latin-1"), found[b"accept-language"].decode("latin-1"))


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _by_preference(header: str) -> list[str]:
    """``de-CH,de;q=0.9`` by weight; what makes no sense is left out."""
    found = []
    for part in header[:500].split(","):
        code, _, weight = part.strip().partition(";q=")
        try:
            found.append((float(weight or 1), code.strip()))
        except ValueError:
            continue
    return [code for weight, code in sorted(found, key=lambda pair: -pair[0]) if weight > 0]


@cache
def _catalog(code: str) -> gnu.NullTranslations:
    if code == "en":
        return gnu.NullTranslations()
    text = files("mograder.hub.pages").joinpath("locale", f"{code}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), code))
    compiled.seek(0)
    return gnu.GNUTranslations(compiled)


@cache
def _texts(code: str, scripts: tuple[str, ...]) -> dict[str, str]:
    """Those that Babel found in a script, by the places that it notes."""
    text = files("mograder.hub.pages").joinpath("locale", f"{code}.po").read_bytes()
    catalog = read_po(io.BytesIO(text), code)
    return {
        message.id: str(message.string)
        for message in catalog
        if isinstance(message.id, str)
        and message.id
        and any(place.endswith(scripts) for place, _ in message.locations)
    }
