"""Writing a release: built beside the old one and put in its place whole."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from mograder.errors import Conflict, Malformed, TooLarge, UnsafeFile
from mograder.generate.archive import write_zip
from mograder.generate.auxiliary import MAX_FILE_BYTES
from mograder.generate.items import refuse_case_clash
from mograder.generate.plan import Plan
from mograder.notebook import metadata

Proof = Callable[[Plan], object]
"""Tries the solution and the release; raises MograderError if one of them is not as it should be."""


def write_release(plan: Plan, directory: Path, *, prove: Proof | None = None) -> bool:
    """Make ``directory/<name>/`` hold exactly the planned release; False if it already did.

    The old release stays as it is until the new one is complete, and whenever anything fails.

    Raises:
        Conflict: what is there is not a release, or it is the source.
        NameRefused: another release there differs by case alone.
        OSError: the disk is full, or the like.
    """
    target = directory / plan.item.name
    check_target(plan, target)
    if prove is not None:
        prove(plan)
    directory.mkdir(parents=True, exist_ok=True)
    refuse_case_clash(plan.item.name, directory)
    new = Path(tempfile.mkdtemp(prefix=f".{plan.item.name}.new-", dir=directory))
    try:
        build(plan, new)
        if target.is_dir() and same_tree(new, target):
            return False
        _swap(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return True


def build(plan: Plan, directory: Path) -> None:
    """Write all files of the release into ``directory``, which is empty."""
    directory.chmod(0o755)
    places = [f"{plan.item.name}.py", *(file.place for file in plan.files)]
    _write(directory / places[0], plan.notebook.encode())
    for file in plan.files:
        path = directory / file.place
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(file.path, path)
    if plan.has_zip:
        write_zip(directory / f"{plan.item.name}.zip", directory, places)
    for path in sorted(directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        _sync(path)
    _sync(directory)


def check_target(plan: Plan, target: Path) -> None:
    """Raise Conflict unless ``target`` is free, empty, or an older release of this item."""
    source = plan.item.directory.resolve()
    if target.resolve() == source or source in target.resolve().parents:
        raise Conflict(f"{target} is the source itself.", tip="choose another directory with -o.")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise Conflict(f"{target} is not a directory, so the release can not be written there.")
    if target.is_dir() and any(target.iterdir()) and not _is_release(target, plan.item.name):
        raise Conflict(
            f"{target} holds files that are not a release of {plan.item.name}, and would be lost.",
            tip="move them away, or choose another directory with -o.",
        )


def same_tree(one: Path, other: Path) -> bool:
    """Whether two directories hold the same files with the same bytes."""
    names = [_tree(one), _tree(other)]
    return names[0] == names[1] and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names[0] if (one / name).is_file()
    )


def _tree(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def _is_release(target: Path, name: str) -> bool:
    try:
        header = metadata.read((target / f"{name}.py").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, Malformed):
        return False
    return metadata.ASSIGNMENT in header or metadata.TYPE in header


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(data)


def _copy(source: Path, target: Path) -> None:
    """Copy a file that may have been replaced by a link since it was looked at."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnsafeFile(f"{source} can not be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as stream, target.open("xb") as copy:
        shutil.copyfileobj(stream, copy, 1 << 20)
        if copy.tell() > MAX_FILE_BYTES:
            raise TooLarge(f"{source} grew over {MAX_FILE_BYTES / 1e6:.0f} MB while it was copied.")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(new: Path, target: Path) -> None:
    """Put ``new`` in the place of ``target``; on failure ``target`` is as before."""
    old = new.with_name(new.name.replace(".new-", ".old-"))
    had_one = target.exists()
    if had_one:
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if had_one:
            old.rename(target)
        raise
    _sync(target.parent)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(old)
