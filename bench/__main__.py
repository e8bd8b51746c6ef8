"""``python -m bench [NAME…]``: measure everything that has a benchmark here, or what is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bench import browser, courses, keystrokes, pages, restart, sessions
from bench.gateway import measure


class Written(Protocol):
    """What was measured, to be written to a file of its name."""

    def write(self, name: str) -> Path: ...


def _gateway() -> Written:
    sheet = measure.run()
    print(sheet)
    return sheet


BENCHES: dict[str, Callable[[], Written]] = {
    "sessions": sessions.main,
    "restart": restart.main,
    "keystrokes": keystrokes.main,
    "courses": courses.main,
    "browser": browser.main,
    "pages": pages.main,
    "gateway": _gateway,
}


def main(names: list[str]) -> None:
    """Print the tables and write the JSON."""
    for name in names or BENCHES:
        if name not in BENCHES:
            sys.exit(f"There is no benchmark {name}. There are: {', '.join(BENCHES)}.")
        print(f"written to {BENCHES[name]().write(name)}")


if __name__ == "__main__":
    main(sys.argv[1:])
