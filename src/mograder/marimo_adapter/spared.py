"""What marimo does around each start and each cell though nothing has come since the last time: left out.

Reading the same settings from the same files ten times before the first cell runs, waking the thread that sends on what
cells have printed after each that printed nothing, looking for the same missing package after each cell, noting which
notebook was open last where there is one, making a selector to ask whether one pipe has something, setting the same
loggers up anew, and looking for ports for language servers that are locked.
"""

from __future__ import annotations

import importlib
import inspect
import logging.config
import pickle
import select
import time
from collections import deque
from multiprocessing import connection
from typing import Any

from mograder.marimo_adapter import hooks

#: Seconds for which settings are as they were read; those that are saved in the page are new at once.
_SETTINGS_SECONDS = 1.0

#: Seconds for which a package that was looked for and not found is not there.
_MISSING_SECONDS = 1.0

_MEMORY = "_mograder_settings"


def prepare() -> list[str]:
    """Put it in place; what the installed marimo does in another way, in words. Twice is the same as once."""
    parts = (
        _spare_settings,
        _spare_flushes,
        _spare_searches,
        _spare_recents,
        _spare_selectors,
        _spare_loggers,
        _spare_ports,
    )
    return [words for words in (part() for part in parts) if words]


def _spare_settings() -> str:
    try:
        module: Any = importlib.import_module("marimo._config.manager")
        manager = module.MarimoConfigManager
        store = getattr(module, "UserConfigStore", None) or module.UserConfigManager
        read, save = manager.get_config, store.save_config
        known = tuple(inspect.signature(read).parameters)
    except (ImportError, AttributeError) as error:
        return f"marimo's settings: {error}"
    if hasattr(read, "original"):
        return ""
    if known != ("self", "hide_secrets"):
        return "marimo's settings are read in another way"
    saves = [0]

    def get_config(self: Any, *, hide_secrets: bool = True) -> Any:
        memory = vars(self).setdefault(_MEMORY, {})
        when, saved, packed = memory.get(hide_secrets, (0.0, -1, b""))
        if saved != saves[0] or time.monotonic() - when > _SETTINGS_SECONDS:
            saved = saves[0]
            found = read(self, hide_secrets=hide_secrets)
            # Packed, so that everybody has settings of their own, as ever.
            memory[hide_secrets] = (time.monotonic(), saved, pickle.dumps(found))
            return found
        return pickle.loads(packed)  # noqa: S301 - packed by this process

    def save_config(self: Any, *words: Any, **named: Any) -> Any:
        try:
            return save(self, *words, **named)
        finally:
            saves[0] += 1

    get_config.original = read  # type: ignore[attr-defined]
    manager.get_config, store.save_config = get_config, save_config
    return ""


def _spare_flushes() -> str:
    try:
        module: Any = importlib.import_module("marimo._messaging.streams")
        stream: Any = module.ThreadSafeStream
    except (ImportError, AttributeError) as error:
        return f"marimo's console: {error}"
    flush = getattr(stream, "flush_console", None)
    if flush is None or hasattr(flush, "original"):
        return ""  # before 0.23.16 nothing waits for what was printed
    if inspect.getsource(module).count("deque()") != 1 or not hasattr(module, "FlushMarker"):
        return "marimo's console is queued in another way"

    def flush_console(self: Any) -> None:
        queue = getattr(self, "console_msg_queue", None)
        if isinstance(queue, _Console):
            if not queue.unsent:
                return
            queue.unsent = False
        flush(self)

    flush_console.original = flush  # type: ignore[attr-defined]
    module.deque, stream.flush_console = _Console, flush_console
    return ""


def _spare_searches() -> str:
    """After each cell marimo looks for DuckDB along all of Python's path."""
    try:
        package: Any = importlib.import_module("marimo._dependencies.dependencies").Dependency
        has = package.has
        known = tuple(inspect.signature(has).parameters)
    except (ImportError, AttributeError) as error:
        return f"marimo's packages: {error}"
    if hasattr(has, "original"):
        return ""
    if known != ("self", "quiet"):
        return "marimo's packages are looked for in another way"
    missing: dict[str, float] = {}

    def has_now(self: Any, quiet: bool = False) -> Any:
        name = getattr(self, "pkg", "")
        if time.monotonic() < missing.get(name, 0.0):
            return False
        if not (found := has(self, quiet)):
            missing[name] = time.monotonic() + _MISSING_SECONDS
        return found

    has_now.original = has  # type: ignore[attr-defined]
    package.has = has_now
    return ""


def _spare_recents() -> str:
    """The list of notebooks that were open last is a file of the session's, which has one notebook and no such page."""
    try:
        recents: Any = importlib.import_module("marimo._server.recents").RecentFilesManager
        known = tuple(inspect.signature(recents.touch).parameters)
    except (ImportError, AttributeError) as error:
        return f"marimo's list of notebooks: {error}"
    if known != ("self", "filename"):
        return "marimo's list of notebooks is kept in another way"

    def touch(self: Any, filename: str) -> None:
        """There is nothing to note."""

    recents.touch = touch
    return ""


def _spare_selectors() -> str:
    """Server and kernel ask their pipe before each message whether there is one."""
    kind: Any = connection.Connection
    ask = getattr(kind, "_poll", None)
    if ask is None or tuple(inspect.signature(ask).parameters) != ("self", "timeout"):
        return "pipes are asked in another way"

    def poll(self: Any, timeout: float | None) -> bool:
        """Whether something came, or the other end was closed, within ``timeout`` seconds (None: ever)."""
        asked = select.poll()
        asked.register(self.fileno(), select.POLLIN)
        return bool(asked.poll(None if timeout is None else max(timeout, 0.0) * 1000))

    kind._poll = poll
    return ""


def _spare_loggers() -> str:
    """The web server's loggers are set up here as its own settings say: a session only says how loud they are."""
    try:
        module: Any = importlib.import_module("uvicorn.config")
        usual, config = module.LOGGING_CONFIG, module.Config
        configure = config.configure_logging
    except (ImportError, AttributeError) as error:
        return f"uvicorn's loggers: {error}"
    if hasattr(configure, "original"):
        return ""
    if not isinstance(usual, dict) or tuple(inspect.signature(configure).parameters) != ("self",):
        return "uvicorn's loggers are set up in another way"
    logging.config.dictConfig(usual)

    def configure_logging(self: Any) -> None:
        asked = self.log_config
        # Cells that start a web server of their own have it set up, whatever they want.
        if hooks.is_server() and asked is usual and getattr(self, "use_colors", None) is None:
            self.log_config = None
        try:
            configure(self)
        finally:
            self.log_config = asked

    configure_logging.original = configure  # type: ignore[attr-defined]
    config.configure_logging = configure_logging
    return ""


def _spare_ports() -> str:
    """Language servers are locked (``options.LOCKED_SETTINGS``): any port does for one that never starts."""
    try:
        servers: Any = importlib.import_module("marimo._server.lsp")
        find = servers.find_free_port
    except (ImportError, AttributeError) as error:
        return f"marimo's language servers: {error}"
    if next(iter(inspect.signature(find).parameters), "") != "port":
        return "ports of marimo's language servers are looked for in another way"
    servers.find_free_port = lambda port, *_words, **_named: port
    return ""


class _Console(deque[Any]):
    """What cells have printed, on its way; ``unsent``: some of it may not have been sent on by the last flush."""

    unsent = False

    def append(self, message: Any) -> None:
        if not hasattr(message, "done"):  # a mark of the flush itself
            self.unsent = True
        super().append(message)
