"""One turn of the engine's loop: what is ready is acted on, and one mishap stays one mishap."""

from __future__ import annotations

import contextlib
import selectors
import sys
import traceback


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
