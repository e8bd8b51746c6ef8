"""A notebook that was just loaded to show its page: the session behind the page does not load it anew.

marimo's page needs a notebook's settings alone, for which all of it is loaded; a moment later its session loads the
same file. What the page has loaded is handed on, once, and only while the file is as it was.
"""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path
from typing import Any

_MANAGER = ("marimo._server.session_manager", "SessionManager", "app_manager")
_FILE = ("marimo._session.notebook.file_manager", "AppFileManager", "_load_app")

#: (which file, as what) -> what a page has loaded and no session has.
_shown: dict[object, Any] = {}

#: Where marimo's manager of a file has the file as it was before it was read.
_READ = "_mograder_read"


def prepare() -> str:
    """Put it in place; in words, what the installed marimo does in another way. Twice is the same as once."""
    try:
        manager: Any = getattr(importlib.import_module(_MANAGER[0]), _MANAGER[1])
        file: Any = getattr(importlib.import_module(_FILE[0]), _FILE[1])
        show, load = getattr(manager, _MANAGER[2]), getattr(file, _FILE[2])
        known = (*inspect.signature(show).parameters, *inspect.signature(load).parameters)
    except (ImportError, AttributeError) as error:
        return f"marimo's notebooks: {error}"
    if hasattr(load, "original"):
        return ""
    if known != ("self", "key", "self", "path"):
        return "marimo loads its notebooks in another way"

    def load_app(self: Any, path: Any) -> Any:
        which = vars(self)[_READ] = _which(self, path)
        return _shown.pop(which, None) or load(self, path)

    def app_manager(self: Any, key: Any) -> Any:
        """What a page has loaded may be somebody's: nobody changes it."""
        found = show(self, key)
        _shown.clear()
        if (which := vars(found).get(_READ)) is not None:
            _shown[which] = found.app
        return found

    load_app.original = load  # type: ignore[attr-defined]
    setattr(file, _FILE[2], load_app)
    setattr(manager, _MANAGER[2], app_manager)
    return ""


def _which(manager: Any, path: Any) -> object:
    """The file as it is now, and what its notebook has where it says nothing; None: there is no file."""
    try:
        state = os.stat(path)  # noqa: PTH116 - whatever marimo takes for a path
    except (OSError, TypeError, ValueError):
        return None
    file = (state.st_ino, state.st_size, state.st_mtime_ns)
    return str(Path(path).absolute()), file, repr(getattr(manager, "_defaults", None))
