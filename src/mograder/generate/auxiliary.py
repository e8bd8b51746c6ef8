"""The files beside a source notebook that students get too: data, images, helper modules."""

from __future__ import annotations

import os
import stat
import sys
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mograder.course import file_path, is_cache, shown
from mograder.errors import MarkerError, NameRefused, TooLarge, UnsafeFile
from mograder.generate.items import Item

MAX_FILE_BYTES = 500_000_000
_CHUNK = 1 << 20
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
)
# A file that holds these would show students what the notebook's release hides.
_LEAKS = (b"### BEGIN SOLUTION", b"### BEGIN HIDDEN TESTS")


@dataclass(frozen=True)
class SourceFile:
    """One auxiliary file: where it is, and its place in the release with ``/`` between directories."""

    path: Path
    place: str


def auxiliary_files(item: Item) -> list[SourceFile]:
    """The files that are released beside the notebook, sorted by their place.

    Dotfiles and caches stay behind.

    Raises:
        UnsafeFile: a symbolic link, or something that is neither file nor directory.
        NameRefused: a name that can not be published, is reserved, or differs from another by case alone.
        TooLarge: a file over 500 MB.
        MarkerError: a file with solution or test markers, which take effect in the notebook alone.
    """
    files = [file for file in _walk(item.directory, "") if file.place != item.notebook.name]
    for file in files:
        if file.place in (f"{item.name}.zip", "files.json"):
            raise NameRefused(
                f"{item.name}/{file.place}: this name is reserved for a file that is generated."
            )
        _refuse_leak(item, file)
    return sorted(files, key=lambda file: file.place)


def shadowing(item: Item, files: list[SourceFile], packages: Collection[str] = ()) -> Iterator[str]:
    """Warnings for modules that would be imported in place of others of the same name.

    ``packages`` are the names of those that the notebook asks for; most have a module of the same name.
    """
    others = {**dict.fromkeys(sys.stdlib_module_names, "Python's own"), "marimo": "the", "mograder": "the"}
    others |= {package.replace("-", "_"): "the" for package in packages}
    for place in (f"{item.name}.py", *(file.place for file in files)):
        top, _, rest = place.partition("/")
        module = top if rest == "__init__.py" else top.removesuffix(".py")
        if module in others and (place.endswith(".py") and rest in ("", "__init__.py")):
            yield (
                f"{item.name}/{place} hides {others[module]} module `{module}` from the notebook "
                "and from every package that it imports; give it another name."
            )


def odd_names(item: Item, files: list[SourceFile]) -> Iterator[str]:
    """Warnings for names that Windows keeps for devices, and can not have as files."""
    for place in (f"{item.name}.py", *(file.place for file in files)):
        word = next((part for part in place.split("/") if part.partition(".")[0].upper() in _DEVICES), None)
        if word is not None:
            yield (
                f"{item.name}/{place}: Windows keeps the name {word.partition('.')[0]} for a device, so people "
                "there can not download or save it; give it another name."
            )


def _walk(directory: Path, place: str) -> Iterator[SourceFile]:
    seen: dict[str, str] = {}
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if is_cache(entry.name):
            continue
        below = file_path(f"{place}{entry.name}")
        twin = seen.setdefault(unicodedata.normalize("NFC", entry.name).casefold(), entry.name)
        if twin != entry.name:
            raise NameRefused(f"{below}: its name differs from {shown(twin)} by case alone.")
        if entry.is_symlink():
            raise UnsafeFile(
                f"{entry.path} is a symbolic link, which would lead nowhere in the release.",
                tip="put a copy of the file in its place.",
            )
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{below}/")
        else:
            _check_kind(entry, entry.stat(follow_symlinks=False))
            yield SourceFile(Path(entry.path), below)


def _check_kind(entry: os.DirEntry[str], status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFile(f"{entry.path} is neither a file nor a directory, so it can not be released.")
    if status.st_size > MAX_FILE_BYTES:
        raise TooLarge(
            f"{entry.path} is larger than the {MAX_FILE_BYTES // 1_000_000} MB that a released file may have.",
            tip="let the notebook download it.",
        )


def _refuse_leak(item: Item, file: SourceFile) -> None:
    with file.path.open("rb") as stream:
        line, tail = 1, b""
        while chunk := stream.read(_CHUNK):
            data = tail + chunk
            for leak in _LEAKS:
                if leak in data:
                    line += data[: data.index(leak)].count(b"\n")
                    raise MarkerError(
                        f"{item.name}/{file.place}:{line}: markers work in the notebook alone, and this file is "
                        "given to students as it is.",
                        tip="take the solution out of it, or move it out of the directory.",
                    )
            tail = data[-max(map(len, _LEAKS)) :]
            line += data[: len(data) - len(tail)].count(b"\n")
