"""Run one notebook to its end and write what it shows as one HTML file, in a fresh process.

``python -I -B -m mograder.marimo_adapter.export SPEC`` with the JSON of an ``ExportSpec``. Whoever waits may
follow the run by reading the file named in ``MOGRADER_SIDECAR_PATH`` while it grows (``mograder.runtime``
appends to it).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mograder.errors import MograderError
from mograder.marimo_adapter import commands, hooks, kernels, options, readable

#: Exit statuses: every cell ran; a cell failed but the HTML is there; there is no HTML.
DONE, CELLS_FAILED, NO_HTML = 0, 1, 2

#: The public network that marimo's exported pages load their scripts from.
_PUBLIC_FILES = re.compile(
    r"""((?:src|href)\s*=\s*["'])https://cdn\.jsdelivr\.net/npm/@marimo-team/frontend@[^"'/]+/dist"""
)


def main(words: list[str] | None = None) -> int:
    """Run the one export that ``words`` describe; one of the exit statuses above."""
    arguments = sys.argv[1:] if words is None else words
    try:
        return export(options.loads_export(arguments[0] if arguments else ""))
    except (MograderError, hooks.HookMissing) as error:
        print(f"mograder: this notebook can not be run: {error}", file=sys.stderr)
        return NO_HTML


def export(spec: options.ExportSpec, start_kernel: kernels.Start | None = None) -> int:
    """Run ``spec`` in this process; one of the exit statuses above. The HTML appears whole or not at all.

    ``start_kernel`` starts its kernel (None: multiprocessing does, and it ends with this process). Raises
    ``NotANotebook`` or ``HookMissing`` before anything ran.
    """
    readable.check(Path(spec.notebook))
    output = Path(spec.output)
    partial = output.with_name(f".{output.name}.part")
    partial.unlink(missing_ok=True)
    hooks.prepare()
    hooks.enter({})
    kernels.start_with(start_kernel or kernels.watched)
    status = commands.export(spec, partial)
    if not partial.is_file():
        return NO_HTML
    html = partial.read_text(encoding="utf-8")
    partial.write_text(local_files(html, spec.asset_url), encoding="utf-8")
    partial.replace(
        output
    )  # whole, but not synced: who reads it does so at once, and a lost one is made again
    return DONE if status == 0 else CELLS_FAILED


def local_files(html: str, asset_url: str | None) -> str:
    """``html`` with marimo's scripts and styles taken from ``asset_url`` (None: as marimo wrote it)."""
    if asset_url is None:
        return html
    base = asset_url.rstrip("/")
    return _PUBLIC_FILES.sub(lambda match: match[1] + base, html)


if __name__ == "__main__":
    sys.exit(main())
