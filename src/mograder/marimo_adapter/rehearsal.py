"""What every session would work out anew, worked out once before the fork.

Importing a library is only half of what its first use costs: matplotlib looks for fonts and lays out letters, Markdown
builds its patterns, marimo takes the published notebook apart. Here a warm process does each of these once, and its
sessions find the results. Nothing of a notebook is run, and nothing is kept but what is the same for every student.
"""

from __future__ import annotations

import functools
import importlib
import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

from mograder.marimo_adapter import (
    ahead,
    decoding,
    figures,
    formatters,
    layouts,
    opened,
    readable,
    remembered,
    settling,
    spared,
    untraced,
)

#: Functions of marimo of a text alone that take most of the time of reading a notebook; in every version from 0.19 on
#: some of them are there.
_PURE = ("fixed_dedent", "smart_dedent", "ends_with_semicolon")

#: Texts whose results are remembered: the cells of the published notebook, and those that a student is working on.
_TEXTS = 2048

#: Something of everything that course notes are made of.
_SAMPLE = """\
# A heading {#id}

Text, *emphasis*, `code`, $x^2$, <kbd>Ctrl</kbd>, :smile:, https://example.org, [a link](/), ~~struck~~, a note[^1].

$$\\int_0^1 x\\,dx$$

| a | b |
|---|---|
| 1 | 2 |

- [x] a task
1. a list

```python
print("code")
```

/// admonition | Note
text
///

[^1]: the note
"""


def rehearse(notebook: Path | None, notes: Iterable[str] = ()) -> list[str]:
    """Go through all of it; what could not be done, in words. ``notebook`` is only read.

    ``notes`` are texts that it was seen to have rendered as Markdown.
    """
    missed = []
    steps: tuple[Callable[[], object], ...] = (
        remember,
        remembered.prepare,
        functools.partial(read, notebook),
        functools.partial(remembered.render, notes),
        _plugins,
        _version,
        _markdown,
        decoding.prepare,
        _messages,
        _values,
        figures.prepare,
        layouts.prepare,
        settling.prepare,
        untraced.prepare,
        spared.prepare,
        opened.prepare,
        formatters.prepare,
        _figure,
    )
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - a library's own business; sessions do it themselves then
            missed.append(f"{getattr(step, '__name__', 'read')}: {type(error).__name__}: {error}")
    return missed


def remember() -> None:
    """Have marimo remember what its pure functions said: it takes the same notebook apart again and again."""
    kept: dict[Any, Any] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("marimo."):
            for function in _PURE:
                _replace(module, function, kept)


def _replace(module: Any, name: str, kept: dict[Any, Any]) -> None:
    original = vars(module).get(name)
    if not str(getattr(original, "__module__", "")).startswith("marimo._ast"):
        return
    if not isinstance(original, functools._lru_cache_wrapper):
        remembering = kept.setdefault(original, functools.lru_cache(_TEXTS)(original))
        setattr(module, name, remembering)


def read(notebook: Path | None) -> None:
    """Take a published notebook apart, as a session does with a student's copy of it."""
    if notebook is not None:
        ahead.compile_notebook(notebook)
        readable.check(notebook)
        remembered.learn(notebook.read_text(encoding="utf-8"))


def _plugins() -> None:
    """Look once for plugins of every kind."""
    try:
        registry: Any = importlib.import_module("marimo._entrypoints.registry")
        ids: Any = importlib.import_module("marimo._entrypoints.ids")
    except ImportError:
        return  # this marimo has none
    for group in get_args(ids.KnownEntryPoint):
        registry.get_entry_points(group)


def _version() -> None:
    """Ask once which marimo this is: that is read from the files of its package."""
    versions: Any = importlib.import_module("marimo._utils.versions")
    versions.is_editable("marimo")


def _messages() -> None:
    """Decode one message of a kernel: the types of all are worked out at the first."""
    serde: Any = importlib.import_module("marimo._messaging.serde")
    message = b'{"op": "completed-run"}'
    serde.deserialize_kernel_notification_name(message)
    serde.deserialize_kernel_message(message)


def _markdown() -> None:
    markdown: Any = importlib.import_module("marimo._output.md")
    markdown.md(_SAMPLE)


def _values() -> None:
    """Ask once whether something is a table: the libraries that make tables are looked for at the first."""
    tables: Any = importlib.import_module("marimo._plugins.ui._impl.tables.utils")
    tables.get_table_manager_or_none(object())


def _figure() -> None:
    """Draw what most first figures have, on a canvas of its own: pyplot's state is left alone."""
    if "matplotlib.backends.backend_agg" not in sys.modules:
        return
    figure: Any = sys.modules["matplotlib.figure"].Figure(figsize=(2, 1))
    sys.modules["matplotlib.backends.backend_agg"].FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [0.0, 1.0], ":o", label="0123456789 −.")
    axes.set(xlabel="abcdefghijklm nopqrstuvwxyz", ylabel=r"$x_0^2$ ABCDEFGHIJ", title="KLMNOPQRS TUVWXYZ")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
