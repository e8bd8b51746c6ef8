"""One turn of the engine's loop: what is ready is acted on, and one mishap stays one mishap."""

from __future__ import annotations

import contextlib
import selectors
import sys
import traceback
from collections.abc import Callable


class Mishaps:
    """What went wrong in acts that are done again and again: the same thing twice in a row is reported once."""

    def __init__(self) -> None:
        self._last: dict[str, type[Exception]] = {}

    def attempt(self, name: str, act: Callable[[], object]) -> None:
        """Do it, and go on whatever it raises: the sessions of a whole class are not to end with it."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - see above
            if self._last.get(name) is not type(error):
                traceback.print_exc(file=sys.stderr)
            self._last[name] = type(error)
        else:
            self._last.pop(name, None)


def turn(selector: selectors.BaseSelector, timeout: float) -> None:
    """Wait at most ``timeout`` seconds, then call the ``data`` of whatever is ready, which must be callable.

    What an earlier act of the same turn has unregistered, or replaced under the same number, is not acted on: its
    descriptor is closed or somebody else's. An act that raises is reported and unregistered; the engine holds the
    sessions of a whole class and goes on.
    """
    for key, _ in selector.select(timeout):
        if selector.get_map().get(key.fd) is not key:
            continue
        try:
            key.data()
        except Exception:  # noqa: BLE001 - see above
            traceback.print_exc(file=sys.stderr)
            with contextlib.suppress(KeyError, ValueError):  # it may have unregistered itself
                selector.unregister(key.fd)
