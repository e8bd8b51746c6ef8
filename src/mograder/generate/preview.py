"""What writing a release would change, as a unified diff."""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path

from mograder.generate.plan import Plan
from mograder.generate.write import build, check_target
from mograder.notebook.text import split_lines

_MAX_SHOWN = 1_000_000


def preview_release(plan: Plan, directory: Path) -> str:
    """The difference between ``directory/<name>/`` and the planned release; empty if there is none.

    Nothing is written but to a temporary directory. Raises Conflict as `write_release` does.
    """
    target = directory / plan.item.name
    check_target(plan, target)
    with tempfile.TemporaryDirectory(prefix="mograder-") as temporary:
        new = Path(temporary)
        build(plan, new)
        places = sorted(_files(new) | _files(target))
        return "".join(_difference(target, new, place) for place in places)


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


def _difference(target: Path, new: Path, place: str) -> str:
    before, after = (_bytes(root / place) for root in (target, new))
    return difference(before, after, f"a/{target.name}/{place}", f"b/{target.name}/{place}")


def difference(before: bytes | None, after: bytes | None, old_name: str, new_name: str) -> str:
    """A unified diff of two files under these names, None for one that is not there; empty if they are the same."""
    if before == after:
        return ""
    names = ("/dev/null" if before is None else old_name, "/dev/null" if after is None else new_name)
    old, new = _text(before), _text(after)
    if old is None or new is None:
        return f"Binary files {names[0]} and {names[1]} differ\n"
    lines = difflib.unified_diff(split_lines(old), split_lines(new), names[0], names[1])
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def _text(data: bytes | None) -> str | None:
    """``data`` as text to show; None if it is binary or too long."""
    if data is None:
        return ""
    try:
        return data.decode() if len(data) <= _MAX_SHOWN and b"\0" not in data else None
    except UnicodeDecodeError:
        return None
