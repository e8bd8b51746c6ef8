"""Small notebooks as text, for the tests of validation."""

from __future__ import annotations

HEADER = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "marimo",
#     "numpy>=1.26",
#     "mograder",
# ]
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App()
"""

IMPORTS = """

@app.cell
def imports():
    from mograder.runtime import check
    return (check,)
"""

FOOTER = """

if __name__ == "__main__":
    app.run()
"""


def cell(code: str, name: str = "_", needs: str = "", gives: str = "") -> str:
    """A cell as marimo writes it; ``needs`` and ``gives`` are comma-separated names."""
    body = "".join(f"    {line}\n" if line else "\n" for line in code.splitlines())
    result = f"    return ({gives},)\n" if gives else "    return\n"
    return f"\n\n@app.cell\ndef {name}({needs}):\n{body}{result}"


def check(label: str, *tests: tuple[object, str]) -> str:
    """A cell with one check."""
    return cell(f"check({label!r}, {list(tests)!r})", needs="check")


def notebook(*cells: str) -> str:
    """A whole notebook of ``cells``, below one that imports ``check``."""
    return HEADER + IMPORTS + "".join(cells) + FOOTER
