"""How marimo shows figures, said to it once before the fork.

Each kernel would say it anew: it changes the same classes, all that Python remembers of them and of those derived from
them is void, and the pages they lie on are copied.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

#: Libraries whose things are shown in one way in all notebooks. Tables, for one, are shown as their reader wants them.
_LIBRARIES = ("matplotlib",)

_MODULE, _FACTORIES = "marimo._output.formatters.formatters", "THIRD_PARTY_FACTORIES"
_CONTEXT, _ASKED = "marimo._runtime.context.utils", "running_in_notebook"


def prepare() -> bool:
    """Register them for those that are imported, here and for every fork, which is a notebook's.

    False: this marimo keeps them in another way.
    """
    try:
        factories = getattr(importlib.import_module(_MODULE), _FACTORIES)
        known = {name: factories[name] for name in _LIBRARIES}
        importlib.import_module(_CONTEXT)
    except (ImportError, AttributeError, TypeError, KeyError):
        return False
    for name, factory in known.items():
        if name in sys.modules and not hasattr(factory.register, "registered"):
            _register(factory)
    return True


def _register(factory: Any) -> None:
    with (
        _in_notebook(),
        contextlib.suppress(Exception),
    ):  # what a library does not like, a kernel will say again
        factory.register()

        def register() -> None:
            """It is."""

        register.registered = True  # type: ignore[attr-defined]
        factory.register = register


@contextlib.contextmanager
def _in_notebook() -> Iterator[None]:
    """Some formatters are registered in another way outside of a notebook."""
    asked = vars(importlib.import_module(_CONTEXT)).get(_ASKED)
    places = [
        vars(module)
        for name, module in list(sys.modules.items())
        if name.startswith("marimo.") and asked is not None and vars(module).get(_ASKED) is asked
    ]
    for place in places:
        place[_ASKED] = lambda: True
    try:
        yield
    finally:
        for place in places:
            place[_ASKED] = asked
