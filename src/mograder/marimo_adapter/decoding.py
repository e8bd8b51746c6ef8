"""Messages of a kernel read by one decoder: marimo works out the types of all sixty kinds anew for each.

That is a hundred times what reading takes; a server reads every message to know how its session stands, and an export
to know what came of each cell.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

_FUNCTION = "deserialize_kernel_message"
_KNOWN = "return msgspec.json.decode(message, strict=True, type=NotificationMessage)"


def prepare() -> bool:
    """Have every module of marimo read messages so; False: this marimo reads them in another way."""
    serde: Any = importlib.import_module("marimo._messaging.serde")
    original = getattr(serde, _FUNCTION, None)
    if original is None or not inspect.isfunction(original):
        return getattr(original, "__name__", "") == "decode"
    if _KNOWN not in inspect.getsource(original):
        return False
    kinds: Any = importlib.import_module("marimo._messaging.notification")
    msgspec: Any = importlib.import_module("msgspec")
    decode = msgspec.json.Decoder(kinds.NotificationMessage, strict=True).decode
    for name, module in list(sys.modules.items()):
        if name.startswith("marimo.") and vars(module).get(_FUNCTION) is original:
            setattr(module, _FUNCTION, decode)
    return True
