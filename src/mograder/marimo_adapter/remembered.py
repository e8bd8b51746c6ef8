"""What marimo works out from a text alone, remembered: a notebook's parts and its file, notes as HTML, plugins.

A warm process fills the memory with the published notebooks, so that its sessions look up what is still as it was
published; a session's own texts are worked out once in it, where marimo does it three times.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import dataclasses
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

#: Notebooks that are kept, notes, and cells.
_NOTEBOOKS, _NOTES, _CELLS = 64, 2000, 2000

_PARSE = ("marimo._ast.parse", "parse_notebook", ("contents", "filepath"))
_WRITE = ("marimo._ast.codegen", "generate_filecontents_from_ir", ("ir",))
_PLACE = ("marimo._ast.toplevel", "compile_cell", None)
_TREE = ("marimo._ast.cell", "ast_parse", None)
_RENDER = ("marimo._output.md", "_render_markdown", ("text",))

#: The text of a notebook -> its parts, which nobody has.
_parts: dict[str, Any] = {}

#: The text of a notebook -> copies of its parts, made ahead: each is handed out once.
_copies: dict[str, list[Any]] = {}

#: Those that were handed out: to free what lies on pages that all sessions share would first copy these pages.
_given: list[Any] = []

#: How often a process takes a notebook apart that it opens.
_OPENINGS = 3

#: Markdown -> the HTML that marimo makes of it.
_html: dict[str, str] = {}

#: Markdown that was rendered anew, while somebody wants to know.
_noted: list[str] | None = None


class NotRemembered(Exception):
    """The installed marimo does this in another way than is known here."""


def prepare() -> list[str]:
    """Have marimo look here first; what it does in another way, in words. Twice is the same as once."""
    missed = []
    for part in (_remember_parts, _remember_places, _remember_trees, _remember_html, _remember_plugins):
        try:
            part()
        except NotRemembered as unknown:
            missed.append(str(unknown))
    return missed


def learn(text: str) -> None:
    """Remember what marimo makes of a published notebook. Nothing of it is run.

    Raises what marimo says of a text that is no notebook.
    """
    with contextlib.suppress(NotRemembered):
        parse = _function(*_PARSE)
        for spelling in {text, text.strip()}:  # marimo reads a file in both ways
            parts = parse(spelling)
            if (kept := _parts.get(spelling)) is not None:
                _copies[spelling] = [_copied(kept) for _ in range(_OPENINGS)]
        if parts is not None:
            _function(*_WRITE)(parts)
    render(_constant_notes(text))


def render(notes: Iterable[str]) -> None:
    """Remember the HTML of these."""
    with contextlib.suppress(NotRemembered):
        html = _function(*_RENDER)
        for text in notes:
            # The names of footnotes are counted on in each session.
            if len(_html) < _NOTES and "[^" not in text:
                _html[text] = html(text)


@contextlib.contextmanager
def noting() -> Iterator[None]:
    """What is rendered in processes that are forked meanwhile can be asked for there (``noted``)."""
    global _noted  # of a process, and handed down by its fork
    prepare()
    _noted = []
    try:
        yield
    finally:
        _noted = None


def noted() -> list[str]:
    """Markdown that this process has rendered and did not know."""
    return list(_noted or ())


def _remember_parts() -> None:
    original = _function(*_PARSE)

    def parse_notebook(contents: str, filepath: str = "<marimo>") -> Any:
        kept = _parts.get(contents)
        if kept is None:
            made = original(contents, filepath)
            if made is None or not made.valid:
                return made
            kept = dataclasses.replace(_copied(made), filename="<marimo>")
            if len(_parts) >= _NOTEBOOKS:
                oldest = next(iter(_parts))
                _parts.pop(oldest)
                _copies.pop(oldest, None)
            _parts[contents] = kept
            return made
        try:
            parts = _copies[contents].pop()
        except (KeyError, IndexError):
            return dataclasses.replace(_copied(kept), filename=filepath)
        _given.append(parts)
        return dataclasses.replace(parts, filename=filepath)

    _replace(original, parse_notebook)


def _remember_places() -> None:
    """To write a notebook's file, also at every save, marimo compiles each cell only to see where it belongs."""
    compile_cell = _function(*_PLACE)
    if not hasattr(compile_cell, "cache_info"):
        importlib.import_module(_PLACE[0]).compile_cell = functools.lru_cache(_CELLS)(compile_cell)  # type: ignore[attr-defined]


def _remember_trees() -> None:
    """After each run of a cell marimo parses it anew, only to see whether it is one function. It changes no tree."""
    parse = _function(*_TREE)
    if not hasattr(parse, "cache_info"):
        importlib.import_module(_TREE[0]).ast_parse = functools.lru_cache(_CELLS)(parse)  # type: ignore[attr-defined]


def _remember_html() -> None:
    original = _function(*_RENDER)

    def _render_markdown(text: str) -> str:
        kept = _html.get(text)
        if kept is not None:
            return str(kept)
        if _noted is not None and len(_noted) < _NOTES:
            _noted.append(text)
        return original(text)  # type: ignore[no-any-return]

    _replace(original, _render_markdown)


def _remember_plugins() -> None:
    """Which plugins there are is read from the files of every package; a session's packages do not change."""
    original = _function("marimo._entrypoints.registry", "get_entry_points", ("group",))
    _replace(original, functools.cache(original))


def _constant_notes(text: str) -> set[str]:
    """The Markdown that stands in calls of ``md`` as it is, as marimo renders it."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr="md"), args=[ast.Constant(value=str(notes))]):
                found.add(inspect.cleandoc(notes))
    return found


def _copied(thing: Any) -> Any:
    """The same parts in objects of their own; only what can not be changed is shared, and the syntax trees."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        made = copy.copy(thing)
        for field in dataclasses.fields(thing):
            value = getattr(thing, field.name)
            if isinstance(value, list | dict) or dataclasses.is_dataclass(value):
                object.__setattr__(made, field.name, _copied(value))
        return made
    if isinstance(thing, list):
        return [_copied(value) for value in thing]
    if isinstance(thing, dict):
        return {key: _copied(value) for key, value in thing.items()}
    return thing


def _function(module: str, name: str, parameters: tuple[str, ...] | None) -> Callable[..., Any]:
    """A function of marimo's, if it is there and takes these (None: whatever). Raises ``NotRemembered``."""
    try:
        found: Any = getattr(importlib.import_module(module), name)
        known = tuple(inspect.signature(getattr(found, "original", found)).parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise NotRemembered(f"marimo has no {module}.{name}") from error
    if parameters is not None and known != parameters:
        raise NotRemembered(f"{module}.{name} takes other things")
    return found  # type: ignore[no-any-return]


def _replace(original: Any, function: Any) -> None:
    """Put ``function`` in the place of ``original`` wherever marimo has its name, unless that is one of ours."""
    if hasattr(original, "original"):
        return
    function.original = original
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("marimo."):
            for name, value in list(vars(module).items()):
                if value is original:
                    setattr(module, name, function)
