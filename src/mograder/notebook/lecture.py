"""From the source of a lecture to what the hub serves: links that work there, no files from elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from mograder.errors import MarkerError
from mograder.notebook import metadata
from mograder.notebook.markers import find_blocks
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.text import Edit, Positions, apply_edits

# The source's own files, which do not exist where the lecture runs.
_FOREIGN_OPTIONS = ("layout_file", "html_head_file")

_URL = r"\.\./(?P<item>[^/\s()<>\"'\\?#]+)/(?P<file>[^/\s()<>\"'\\?#]+)\.py(?P<rest>[?#][^\s()<>\"'\\]*)?"
_MARKDOWN_LINK = re.compile(rf"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*<?{_URL}>?(?:\s+[^()]*)?\)")
_HTML_LINK = re.compile(
    rf"<a\b[^<>]*?\bhref=\\?(?P<quote>[\"']){_URL}\\?(?P=quote)[^<>]*>(?P<text>.*?)</a\s*>", re.S | re.I
)

IsLecture = Callable[[str], bool]


@dataclass(frozen=True)
class Link:
    """A link to another item's notebook.

    ``span`` covers the whole link, ``url_span`` what it leads to; ``hub_url`` is that on the hub, and ``text``
    what the reader sees.
    """

    item: str
    lineno: int
    span: tuple[int, int]
    url_span: tuple[int, int]
    hub_url: str
    text: str


def lecture(source: str, name: str, is_lecture: IsLecture) -> str:
    """The lecture ``name`` as published; ``is_lecture`` tells whether the item that a link names is one.

    A link to a lecture leads to ``/run/<item>/``; a link to an assignment is left as plain text.

    Raises:
        NotANotebook: the source is not a marimo notebook.
        MarkerError: it has solution or test markers, which a lecture would show to everybody.
        Malformed: its header is not one.
    """
    notebook = parse_text(source, f"{name}.py")
    blocks = find_blocks(notebook)
    if blocks:
        raise MarkerError(
            f"{notebook.name}:{blocks[0].begin}: {blocks[0].kind} markers, but a lecture is shown whole.",
            tip="generate it as an assignment, or remove the markers.",
        )
    edits = [*_option_edits(notebook), *(_link_edit(link, is_lecture) for link in find_links(notebook))]
    return metadata.write(apply_edits(source, edits), {metadata.TYPE: "lecture"}, notebook.name)


def find_links(notebook: Notebook) -> list[Link]:
    """The links in the notebook's texts to the notebooks of other items, ``../<item>/<item>.py``."""
    links = [
        _link(notebook, match)
        for start, end in _strings(notebook)
        for pattern in (_MARKDOWN_LINK, _HTML_LINK)
        for match in pattern.finditer(notebook.text, start, end)
        if match["item"] == match["file"]
    ]
    return sorted(links, key=lambda link: link.span)


def _link(notebook: Notebook, match: re.Match[str]) -> Link:
    url_start = match.start("item") - len("../")
    url_end = match.end("file") + len(".py") + len(match["rest"] or "")
    return Link(
        item=unquote(match["item"]),
        lineno=notebook.text.count("\n", 0, match.start()) + 1,
        span=match.span(),
        url_span=(url_start, url_end),
        hub_url=f"/run/{match['item']}/{match['rest'] or ''}",
        text=match["text"],
    )


def _link_edit(link: Link, is_lecture: IsLecture) -> Edit:
    if is_lecture(link.item):
        return Edit(*link.url_span, link.hub_url)
    return Edit(*link.span, link.text)


def _strings(notebook: Notebook) -> Iterator[tuple[int, int]]:
    """The spans of the strings in the notebook's cells; of an f-string the whole."""
    positions = Positions(notebook.text)
    stack: list[ast.AST] = [node for cell in notebook.cells for node in cell.body]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            yield positions.span(node)
        else:
            stack.extend(ast.iter_child_nodes(node))


def _option_edits(notebook: Notebook) -> list[Edit]:
    """Edits that take the foreign options out of ``marimo.App(…)``, each with the comma behind it."""
    words = notebook.app_call.keywords
    positions = Positions(notebook.text)
    kept = [word for word in words if word.arg not in _FOREIGN_OPTIONS]
    if len(kept) == len(words):
        return []
    if not kept:  # nothing between the parentheses, not even a comma
        opening = notebook.text.index("(", positions.span(notebook.app_call.func)[1]) + 1
        return [Edit(opening, positions.span(notebook.app_call)[1] - 1, "")]
    edits = []
    for word in words:
        if word.arg in _FOREIGN_OPTIONS:
            start, end = positions.span(word)
            following = [positions.span(other)[0] for other in kept if positions.span(other)[0] > start]
            before = [positions.span(other)[1] for other in kept if positions.span(other)[1] < start]
            edits.append(Edit(start, min(following), "") if following else Edit(max(before), end, ""))
    return edits
