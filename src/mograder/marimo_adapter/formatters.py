"""How marimo shows what libraries make, said to it once before the fork.

Each kernel would say it anew of every library that is there: it changes the same classes, all that Python remembers of
them and of those derived from them is void, and the pages they lie on are copied.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

_MODULE, _FACTORIES = "marimo._output.formatters.formatters", "THIRD_PARTY_FACTORIES"
_CONTEXT, _ASKED = "marimo._runtime.context.utils", "running_in_notebook"


def prepare() -> bool:
    """Register the formatters of all libraries that are imported, here and for every fork, which is a notebook's.

    False: this marimo keeps them in another way. A library whose formatter can not be registered without a kernel is
    left to each kernel.
    """
    try:
        module: Any = importlib.import_module(_MODULE)
        factories = dict(getattr(module, _FACTORIES))
        importlib.import_module(_CONTEXT)
    except (ImportError, AttributeError, TypeError):
        return False
    for name, factory in factories.items():
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
