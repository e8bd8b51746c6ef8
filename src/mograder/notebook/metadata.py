"""The script header (PEP 723) of a notebook: TOML inside comments, read and written without disturbing it.

    # /// script
    # dependencies = ["numpy"]
    # mograder-assignment = "A1-Intro"
    # ///

https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mograder.errors import Malformed
from mograder.notebook.text import newline_of, split_lines

ASSIGNMENT = "mograder-assignment"
HIDDEN_TESTS = "mograder-hidden-tests"
CELL_HASHES = "mograder-cell-hashes"
TYPE = "mograder-type"

_OPENING, _CLOSING = "# /// script", "# ///"
# Lines that Python wants first: the interpreter, and the encoding in line 1 or 2.
_SHEBANG = re.compile(r"#!")
_ENCODING = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


@dataclass(frozen=True)
class _Block:
    """Where the header is: ``lines[first:last]`` hold the TOML, between the opening and the closing line."""

    first: int
    last: int
    toml: str


def read(text: str, name: str = "notebook") -> dict[str, Any]:
    """The header's keys as plain values; empty if there is no header.

    Raises:
        Malformed: several headers, one that does not end, or not TOML; the message starts with ``name:line``.
    """
    block = _find(split_lines(text), name)
    if block is None:
        return {}
    try:
        return tomllib.loads(block.toml)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"^(.*) \(at line (\d+), column \d+\)$", str(error))
        line = block.first + (int(match[2]) if match else 1)
        raise Malformed(
            "{name}:{line}: the header is not TOML: {reason}.",
            name=name,
            line=line,
            reason=match[1] if match else error,
        ) from None


def write(text: str, changes: Mapping[str, str | bool | None], name: str = "notebook") -> str:
    """``text`` with these top-level keys set in its header (None removes one); all else stays as it is.

    A header is made if there is none and something to set. Raises Malformed as `read` does.
    """
    values = read(text, name)
    wanted = {key: value for key, value in changes.items() if value is not None or key in values}
    lines, newline = split_lines(text), newline_of(text)
    block = _find(lines, name)
    if not wanted:
        return text
    if block is None:
        header = [_OPENING, *_commented(_changed("", wanted, name)), _CLOSING, ""]
        at = _first_free_line(lines)
        return "".join([*lines[:at], *(line + newline for line in header), *lines[at:]])
    toml = _changed(block.toml, wanted, f"{name}:{block.first}")
    expected = {key: value for key, value in (values | wanted).items() if value is not None}
    if tomllib.loads(toml) != expected:
        raise Malformed(
            "{name}:{line}: the header can not be added to without changing its meaning.",
            name=name,
            line=block.first,
        )
    return "".join([*lines[: block.first], *_recommented(lines, block, toml, newline), *lines[block.last :]])


def _find(lines: list[str], name: str) -> _Block | None:
    bare = [line.rstrip("\r\n") for line in lines]
    openings = [index for index, line in enumerate(bare) if line == _OPENING]
    if not openings:
        return None
    first = last = openings[0] + 1
    while last < len(bare) and (bare[last] == "#" or bare[last].startswith("# ")):
        last += 1
    if len(openings) > 1:
        raise Malformed(
            "{name}:{line}: a second script header; the first is in line {first}.",
            name=name,
            line=openings[1] + 1,
            first=first,
        )
    # A closing line is content too if more comments follow: the last one counts.
    ends = [index for index in range(first, last) if bare[index] == _CLOSING]
    if not ends:
        raise Malformed(
            '{name}:{first}: the script header has no end ("{closing}").',
            name=name,
            first=first,
            closing=_CLOSING,
        )
    return _Block(first, ends[-1], "".join(f"{line[2:]}\n" for line in bare[first : ends[-1]]))


def _changed(toml: str, wanted: Mapping[str, str | bool | None], place: str) -> str:
    """``toml`` with the keys set: a key that is there in its place, a new one before the first table."""
    # Not above: it takes a fifth of the time of the process that reads a notebook for a validation, and only writers
    # need it.
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(toml)
        for key, value in wanted.items():
            if value is None:
                document.remove(key)
            elif key in document:
                document[key] = value
        new = tomlkit.document()
        for key, value in wanted.items():
            if value is not None and key not in document:
                new.add(key, value)
    except TOMLKitError as error:
        raise Malformed(
            "{place}: the header can not be changed: {error}.", place=place, error=error
        ) from None
    return _before_tables(document.as_string(), new.as_string())


def _before_tables(toml: str, added: str) -> str:
    """``toml`` with the lines ``added`` at the end of its top level, above the first table."""
    lines = split_lines(toml)
    at = next((index for index in range(len(lines)) if _starts_tables(lines, index)), len(lines))
    while at and at < len(lines) and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    return "".join([*lines[:at], added, *lines[at:]])


def _starts_tables(lines: list[str], index: int) -> bool:
    """Whether line ``index`` opens a table: it looks so, and what is above it is whole TOML by itself."""
    if not lines[index].lstrip().startswith("["):
        return False
    try:
        tomllib.loads("".join(lines[:index]))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _recommented(lines: list[str], block: _Block, toml: str, newline: str) -> list[str]:
    """The header's lines for the new ``toml``; those that did not change stay to the last blank."""
    old, new = split_lines(block.toml), split_lines(toml)
    result: list[str] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            result += lines[block.first + a : block.first + b]
        else:
            result += [line + newline for line in _commented("".join(new[c:d]))]
    return result


def _commented(toml: str) -> list[str]:
    return [f"# {line}" if line else "#" for line in toml.split("\n")[:-1]]


def _first_free_line(lines: list[str]) -> int:
    at = 1 if lines and _SHEBANG.match(lines[0]) else 0
    while at < min(2, len(lines)) and _ENCODING.match(lines[at]):
        at += 1
    return at
