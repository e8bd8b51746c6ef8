"""How long an export waits after its last cell for what cells have printed.

marimo sleeps for a tenth of a second, a fifth of a check. Since its kernels send on what a cell has printed before they
say that it has ended, nothing of a cell is on its way by then; what its threads print later is gathered every 10 ms.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from typing import Any

#: What marimo sleeps, and what is enough; seconds.
_THEIRS, _ENOUGH = 0.1, 0.025

_FILE = "marimo._export.file"


def prepare() -> bool:
    """Have exports of this process wait no longer than needed; False: this marimo works in another way, and sleeps."""
    try:
        module: Any = importlib.import_module(_FILE)
        streams: Any = importlib.import_module("marimo._messaging.streams")
        waits = inspect.getsource(module.run_notebook).count(f"asyncio.sleep({_THEIRS})")
    except (ImportError, AttributeError, OSError):
        return False
    if waits != 1 or not hasattr(streams.ThreadSafeStream, "flush_console"):
        return False
    if not isinstance(module.asyncio, _Asyncio):
        module.asyncio = _Asyncio()
    return True


class _Asyncio:
    """``asyncio`` for that one module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float, result: Any = None) -> Any:
        """As ``asyncio.sleep``, but for marimo's tenth of a second."""
        return await asyncio.sleep(_ENOUGH if delay == _THEIRS else delay, result)
