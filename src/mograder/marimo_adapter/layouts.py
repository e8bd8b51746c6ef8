"""The texts of a figure, each laid out once while marimo draws it: matplotlib does so three to ten times.

It draws a figure twice to show it, the first time only to see how much room all takes, and measures every text again
at each turn of both, the letters of a tick as often as its neighbours: a third of the time of an ordinary figure. What
is laid out once is kept until the figure is drawn, by all that a text's layout depends on.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
import textwrap
import threading
from collections.abc import Iterator
from types import FunctionType
from typing import Any

_LAYOUT = "_get_layout"

#: What a layout depends on, of a text that neither wraps nor is set by TeX; and of its font, all that this has.
_KEYED = ("_text", "_horizontalalignment", "_verticalalignment", "_multialignment", "_linespacing")
_ASKED = ("get_rotation", "get_rotation_mode", "get_parse_math", "get_figure", "figure")
_SETTLED = ("_fontproperties", "_wrap", "_usetex", "_get_wrap_line_width", "_get_rendered_text_width")

_drawing = threading.local()
"""``kept``: the layouts of the figure that this thread draws. ``marimo run`` draws in threads."""


def prepare() -> bool:
    """Make ``kept`` work; False: there is no matplotlib, or it lays texts out by something that is not known here."""
    if "matplotlib.backends.backend_agg" not in sys.modules:
        return False
    text: Any = sys.modules["matplotlib.text"].Text
    original = getattr(text, _LAYOUT, None)
    if not hasattr(original, "original"):
        if not _is_known(text, original):
            return False
        setattr(text, _LAYOUT, _remembering(original))
    return True


def _remembering(original: Any) -> Any:
    agg: Any = sys.modules["matplotlib.backends.backend_agg"].RendererAgg

    def layout(self: Any, renderer: Any) -> Any:
        kept = getattr(_drawing, "kept", None)
        if kept is None or _kind(renderer) is not agg or (key := _key(self, renderer)) is None:
            return original(self, renderer)
        if (found := kept.get(key)) is None:
            found = kept[key] = original(self, renderer)
        return found

    layout.original = original  # type: ignore[attr-defined]
    return layout


def _kind(renderer: Any) -> Any:
    """Its class; of ours, which have no pixels, the one that they are of."""
    return getattr(type(renderer), "measures_as", type(renderer))


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Within it, no text of the same kind is laid out twice by this thread. No setting of matplotlib's may change."""
    before = getattr(_drawing, "kept", None)
    _drawing.kept = {}
    try:
        yield
    finally:
        _drawing.kept = before


def _key(text: Any, renderer: Any) -> tuple[Any, ...] | None:
    """All that the layout of ``text`` depends on; None: more than is known here."""
    figure = text.get_figure()
    own = not type(text).__module__.startswith("matplotlib.")
    if own or figure is None or text.get_wrap() or text.get_usetex():
        return None
    font = [
        tuple(value) if isinstance(value, list) else value for value in vars(text._fontproperties).values()
    ]
    asked = (text.get_rotation(), text.get_rotation_mode(), text.get_parse_math(), figure.dpi, renderer.dpi)
    key = (*asked, *[getattr(text, name) for name in _KEYED], *font)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _is_known(text: Any, original: Any) -> bool:
    """Whether nothing is read for a layout but what ``_key`` has or excludes."""
    if original is None or tuple(inspect.signature(original).parameters) != ("self", "renderer"):
        return False
    return _read(text, _LAYOUT) <= {*_KEYED, *_ASKED, *_SETTLED}


def _read(kind: Any, name: str, seen: set[str] | None = None) -> set[str]:
    """The names of all that the method ``name`` of ``kind`` reads of its object, by itself and in what it calls."""
    seen = set() if seen is None else seen
    if name in seen:
        return set()
    seen.add(name)
    method = getattr(kind, name, None)
    if name in (*_ASKED, *_SETTLED) or not isinstance(method, FunctionType):
        return {name}
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    return set().union(*(_read(kind, each, seen) for each in names))
