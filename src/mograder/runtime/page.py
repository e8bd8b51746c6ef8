"""What a notebook shows, as HTML.

Colours are marimo's own variables, which follow its light and dark themes; the value after each is for other
pages and reads on both. Meaning is carried by words and signs too, never by colour alone. Styles are inline
because an output travels alone into an export or a report.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from mograder.runtime import host

# By status: marimo's colour, a colour for other pages, a sign.
_LOOKS = {
    "warn": ("amber", "#b45309", "…"),
    "success": ("grass", "#2a7e3b", "✓"),
    "partial": ("sky", "#00749e", "◐"),
    "danger": ("red", "#ce2c31", "✗"),
}
_TEXT = {"warn": 12}  # the shade of text; amber's usual one, 11, has a contrast of 4.4 on its own background


def box(status: str, label: str, summary: str, listing: str) -> str:
    """A check's box; ``label`` and ``summary`` are text, ``listing`` is HTML."""
    colour, fallback, sign = _LOOKS[status]
    edge = (
        f"border:1px solid var(--{colour}-6,{fallback});border-left:.35rem solid var(--{colour}-9,{fallback})"
    )
    frame = f"{edge};background:var(--{colour}-2,transparent);border-radius:.4rem;padding:.6rem .9rem;margin:.25rem 0"
    tint = f"color:var(--{colour}-{_TEXT.get(status, 11)},{fallback})"
    return (
        f'<div role="status" data-mograder-check="{status}" style="{frame}">'
        '<div style="display:flex;flex-wrap:wrap;gap:.1rem .6rem;align-items:baseline">'
        f'<span aria-hidden="true" style="{tint};font-weight:700">{sign}</span>'
        f'<strong style="{tint}">{inline(label)}</strong><span>{inline(summary)}</span></div>'
        f"{listing}</div>"
    )


def test_list(tests: Iterable[tuple[bool, str]]) -> str:
    """The tests of a check, each with a tick or a cross that a screen reader speaks; empty for none."""
    items = "".join(_test(ok, sentence) for ok, sentence in tests)
    return f'<ul style="list-style:none;margin:.4rem 0 0;padding:0">{items}</ul>' if items else ""


def _test(ok: bool, sentence: str) -> str:
    colour, fallback, sign = _LOOKS["success" if ok else "danger"]
    spoken = "passes:" if ok else "does not pass:"
    return (
        '<li style="display:flex;gap:.6rem;margin:.2rem 0;padding:0">'
        f'<span role="img" aria-label="{spoken}" style="color:var(--{colour}-11,{fallback});'
        f'font-weight:700">{sign}</span>'
        '<span style="min-width:0;overflow-wrap:anywhere;white-space:pre-line">'
        f"{inline(sentence)}</span></li>"
    )


def folded(title: str, body: str) -> str:
    """``body`` (HTML) behind a ``title`` (text) that opens it, also without JavaScript."""
    return (
        '<details style="margin:.3rem 0"><summary style="cursor:pointer;padding:.2rem 0">'
        f"{html.escape(title)}</summary>{body}</details>"
    )


def table(heads: Iterable[str], rows: Iterable[list[str]], note: str) -> str:
    """A table of text whose first column names the rows, with a ``note`` below it."""
    head = "".join(f'<th scope="col" style="{_CELL}">{html.escape(text)}</th>' for text in heads)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    below = f'<p style="margin:.5rem 0 0">{html.escape(note)}</p>' if note else ""
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{below}"
    )


_CELL = "text-align:left;padding:.3rem 1.2rem .3rem 0;border-bottom:1px solid var(--slate-6,#8886)"


def _cells(row: list[str]) -> str:
    first, *others = row
    cells = "".join(f'<td style="{_CELL}">{html.escape(text)}</td>' for text in others)
    return f'<th scope="row" style="{_CELL}">{inline(first)}</th>{cells}'


class Hints:
    """Hints that open one after another."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._texts = texts

    @property
    def text(self) -> str:
        """HTML: each hint holds the next one."""
        inner, count = "", len(self._texts)
        for number in range(count, 0, -1):
            title = "Hint" if count == 1 else f"Hint {number} of {count}"
            body = (
                f'<div style="padding:.1rem 0 .1rem 1rem">{_markdown(self._texts[number - 1])}{inner}</div>'
            )
            inner = folded(title, body)
        return inner

    def _mime_(self) -> tuple[str, str]:
        return "text/html", self.text

    def _repr_html_(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return self.text if host.in_notebook() else format(str(self), spec)

    def __repr__(self) -> str:
        return "\n".join(f"Hint {number}: {text}" for number, text in enumerate(self._texts, 1))


def hint(*texts: str) -> Hints:
    """Hints that a student opens one after another: each appears inside the one before.

    Args:
        texts: Markdown as in ``mo.md``, written by the author (it is not escaped).

    >>> hint("Draw it first.", "Use the product rule.")
    Hint 1: Draw it first.
    Hint 2: Use the product rule.
    """
    return Hints(texts)


def _markdown(text: str) -> str:
    marimo = host.marimo()
    return str(marimo.md(text).text) if marimo else f"<p>{html.escape(text)}</p>"


# Code, maths, bold, emphasis: what a message may hold. Everything else is text.
_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|\$(?P<maths>[^\s$](?:[^$\n]*[^\s$])?)\$(?!\w)"
    r"|\*\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*\*"
    r"|(?<!\w)\*(?P<em>[^\s*](?:[^*\n]*[^\s*])?)\*(?!\w)"
)


def inline(text: str) -> str:
    """Escaped HTML of ``text`` with ```code```, ``$maths$``, ``**bold**`` and ``*emphasis*``."""
    parts, end = [], 0
    for match in _INLINE.finditer(text):
        parts += [html.escape(text[end : match.start()]), _TAGS[str(match.lastgroup)](match)]
        end = match.end()
    return "".join([*parts, html.escape(text[end:])])


def _maths(match: re.Match[str]) -> str:
    marimo = host.marimo()
    template = _maths_element(marimo) if marimo else ""
    return template.replace("MATHS", html.escape(match["maths"])) if template else html.escape(match[0])


@lru_cache(maxsize=1)
def _maths_element(marimo: Any) -> str:
    """How this version of marimo writes inline maths, learnt from its own Markdown; empty if it does not."""
    found = re.search(r"<marimo-tex\b.*</marimo-tex>", marimo.md("$MATHS$").text, re.DOTALL)
    return found[0] if found else ""


_TAGS: dict[str, Callable[[re.Match[str]], str]] = {
    "code": lambda match: f"<code>{html.escape(match['code'])}</code>",
    "maths": _maths,
    "bold": lambda match: f"<strong>{html.escape(match['bold'])}</strong>",
    "em": lambda match: f"<em>{html.escape(match['em'])}</em>",
}
