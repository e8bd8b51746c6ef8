"""Positions in Python source: lines as the parser counts them, and edits by character offset."""

from __future__ import annotations

import ast
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

# The parser counts these three alone; str.splitlines() also splits at form feeds and Unicode separators.
_NEWLINE = re.compile(r"\r\n|\r|\n")

# warnings.catch_warnings changes a setting of the whole process: two threads in it could leave it changed.
_parsing = threading.Lock()


@dataclass(frozen=True)
class Edit:
    """Replace the characters from ``start`` up to ``end`` by ``text``."""

    start: int
    end: int
    text: str


def split_lines(text: str) -> list[str]:
    """The lines of ``text`` with their line ends; joining them gives ``text`` back."""
    lines, start = [], 0
    for match in _NEWLINE.finditer(text):
        lines.append(text[start : match.end()])
        start = match.end()
    if start < len(text):
        lines.append(text[start:])
    return lines


def unix_newlines(text: str) -> str:
    """``text`` with every line end written as a line feed."""
    return _NEWLINE.sub("\n", text)


def newline_of(text: str) -> str:
    """The line end that ``text`` uses first; a line feed if it has a single line."""
    match = _NEWLINE.search(text)
    return match[0] if match else "\n"


def indent_of(line: str) -> str:
    """The blanks at the start of ``line``."""
    return line[: len(line) - len(line.lstrip(" \t\f"))]


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with all ``edits`` made. An edit that lies inside a longer one is swallowed by it.

    Raises:
        ValueError: two edits overlap without one holding the other.
    """
    pieces, position = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start < position:
            if edit.end > position:
                raise ValueError("two edits overlap")
            continue
        pieces += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*pieces, text[position:]])


def parse_python(text: str) -> ast.Module:
    """The syntax tree of ``text``; warnings about its style (odd escapes) are nobody's business here.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse` does.
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def printable(text: str, limit: int = 60) -> str:
    """A stranger's text made fit for a message: one line, printable, at most ``limit`` characters."""
    clean = "".join(
        character if character.isprintable() and unicodedata.category(character) != "Cf" else "�"
        for character in " ".join(text[: 4 * limit].split())
    )
    return f"{clean[:limit]}…" if len(clean) > limit else clean


class Positions:
    """Turns the parser's positions (line from 1, column in UTF-8 bytes from 0) into character offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = split_lines(text)
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line))

    def line_start(self, lineno: int) -> int:
        """Offset of the first character of line ``lineno``; one past the last line gives the text's end."""
        return self._starts[min(lineno - 1, len(self.lines))]

    def offset(self, lineno: int, column: int) -> int:
        """Offset of the character at ``column`` bytes into line ``lineno``."""
        line = self.lines[lineno - 1] if lineno <= len(self.lines) else ""
        characters = column if line.isascii() else len(line.encode()[:column].decode("utf-8", "ignore"))
        return self._starts[min(lineno - 1, len(self.lines))] + characters

    def span(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> tuple[int, int]:
        """Start and end offsets of ``node``."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)
