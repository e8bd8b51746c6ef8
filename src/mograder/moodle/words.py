"""Moodle's HTML as words, and words as HTML. Pure."""

from __future__ import annotations

import html
import re


def plain(text: str) -> str:
    """The words of a piece of HTML; a paragraph is a line."""
    lined = re.sub(r"(?i)<(?:br|/p|/div|/li)\b[^>]*>", "\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", lined)).replace("\xa0", " ").strip()


def as_html(text: str) -> str:
    """Each line as a paragraph; empty for no words."""
    return "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines() if line.strip())


def same(one: str, other: str) -> bool:
    """Whether two pieces of HTML have the same words: Moodle cleans what it is sent."""
    return plain(one).split() == plain(other).split()
