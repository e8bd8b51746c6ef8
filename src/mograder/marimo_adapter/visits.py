"""A trial of a session: it is used as a browser would, and what is said of that is judged."""

from __future__ import annotations

import os
from typing import NoReturn

#: What a visitor says when there is a kernel, and when all went well; in between or instead, what went wrong.
_KERNEL, _DONE = "kernel\n", "done\n"


def visit(writer: int, path: str, base_url: str, notebook: str, last: str = "") -> NoReturn:
    """The life of a process that uses the session behind the socket ``path``.

    ``notebook`` is the file as the session names it, ``last`` is run in the kernel when all else is done. What is said
    to ``writer`` is for ``verdict``.
    """
    try:
        from mograder.marimo_adapter import browser  # its libraries are for this process alone

        tab = browser.Tab(path, base_url)
        tab.open()
        os.write(writer, _KERNEL.encode())
        tab.run_all()
        tab.try_editing(notebook)
        if last:
            tab.run(last)
        os.write(writer, _DONE.encode())
    except Exception as error:  # noqa: BLE001 - said to whoever sent it
        os.write(writer, f"{type(error).__name__}: {error}".encode()[:4000])
    finally:
        os._exit(0)


def verdict(said: str, timeout: float) -> tuple[str | None, str | None]:
    """What the words of a visitor, who had ``timeout`` seconds, tell: a problem of the notebook, and a fatal one."""
    if not said.startswith(_KERNEL):
        return None, said or f"no kernel came up within {timeout:g} s"
    if not said.endswith(_DONE):
        return said.removeprefix(_KERNEL) or f"its cells did not end within {timeout:g} s", None
    return None, None
