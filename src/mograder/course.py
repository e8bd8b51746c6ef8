"""A course on disk: its directories, legal names, and finding an item by name or prefix.

Every name and path that comes from outside (a URL, a form, a header, a command line) passes through here
before it becomes a path on disk.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mograder import config as config_module
from mograder.config import CourseConfig
from mograder.errors import NameRefused, NotFound
from mograder.sentences import Sentence

MAX_NAME_LENGTH = 64
MAX_NAME_BYTES = 192
"""Of an item or a person, in UTF-8: ``<name>.py`` is then a legal `file_name`."""

MAX_FILE_NAME_BYTES = 200
"""A file system takes 255; the rest is for what the history and a move aside add to a name."""

RESERVED_ITEM_NAMES = frozenset({"user"})  # /edit/user/… is the address of sessions

_ITEM_PUNCTUATION = frozenset("._-+")
_USER_PUNCTUATION = frozenset("._-+@")


def item_name(text: str) -> str:
    """``text`` if it can be the name of an assignment or lecture.

    1 to 64 letters, digits and ``. _ - +``, in Unicode's composed form (NFC), starting with a letter, a digit
    or ``_`` and not ending with a dot.

    Raises:
        NameRefused: otherwise.
    """
    _check_name(text, Sentence("item"), _ITEM_PUNCTUATION)
    if text.casefold() in RESERVED_ITEM_NAMES:
        raise NameRefused('"{text}" is a reserved word and can not be the name of an item.', text=text)
    return text


def user_name(text: str) -> str:
    """``text`` if it can be a person's name here; as `item_name`, and ``@`` is allowed too.

    Raises:
        NameRefused: otherwise.
    """
    _check_name(text, Sentence("user"), _USER_PUNCTUATION)
    return text


def file_name(text: str) -> str:
    """``text`` if it can be the name of a published file: one path component, visible, not hidden.

    Raises:
        NameRefused: a separator, a leading dot, a control character, or over 200 bytes of UTF-8.
    """
    if not text or text.startswith(".") or "/" in text or "\\" in text:
        raise NameRefused("{name} is not a file name that can be used here.", name=shown(text))
    if any(unicodedata.category(character)[0] == "C" for character in text):
        raise NameRefused(
            "{name} holds an invisible character, so it can not be a file name.", name=shown(text)
        )
    if len(text.encode()) > MAX_FILE_NAME_BYTES:
        raise NameRefused("{name} is too long for a file name.", name=shown(text))
    return text


def file_path(text: str) -> str:
    """``text`` if it can be the place of a published file: a `file_name`, or several with ``/`` between them.

    Raises:
        NameRefused: one of them can not be a name, or all are over 200 bytes of UTF-8 together.
    """
    for part in text.split("/"):
        file_name(part)
    if len(text.encode()) > MAX_FILE_NAME_BYTES:
        raise NameRefused("{path} is too long for the place of a file.", path=shown(text))
    return text


def is_item_name(text: str) -> bool:
    """Whether `item_name` accepts ``text``."""
    return _accepts(item_name, text)


def is_user_name(text: str) -> bool:
    """Whether `user_name` accepts ``text``."""
    return _accepts(user_name, text)


def is_file_name(text: str) -> bool:
    """Whether `file_name` accepts ``text``."""
    return _accepts(file_name, text)


def is_file_path(text: str) -> bool:
    """Whether `file_path` accepts ``text``."""
    return _accepts(file_path, text)


def is_cache(path: str) -> bool:
    """Whether a path below an item is hidden, or what Python and marimo make again by themselves."""
    return any(part.startswith(".") or part in ("__pycache__", "__marimo__") for part in path.split("/"))


def shown(text: str, limit: int = 80) -> str:
    """A hostile string made fit for messages and logs: quoted, on one line, printable, cut to ``limit``."""
    clean = "".join(
        character if character.isprintable() and unicodedata.category(character) != "Cf" else "�"
        for character in text
    )
    return f'"{clean[:limit]}…"' if len(clean) > limit else f'"{clean}"'


def _accepts(check: Callable[[str], str], text: str) -> bool:
    try:
        check(text)
    except NameRefused:
        return False
    return True


@lru_cache(maxsize=8192)  # the same few names come with every request; refusals are not kept
def _check_name(text: str, what: str, punctuation: frozenset[str]) -> None:
    if not text:
        raise NameRefused("The name of the {what} is empty.", what=what)
    if len(text) > MAX_NAME_LENGTH:
        raise NameRefused(
            "The {what} name {name} is longer than {most} characters.",
            what=what,
            name=shown(text, 20),
            most=MAX_NAME_LENGTH,
        )
    legal = all(character.isalnum() or character in punctuation for character in text)
    first = text[0].isalnum() or text[0] == "_"
    if not legal or not first or text.endswith(".") or unicodedata.normalize("NFC", text) != text:
        allowed = " ".join(sorted(punctuation))
        raise NameRefused(
            "No {what} can have the name {name}: "
            "use letters, digits and {allowed}, starting with a letter or a digit.",
            name=shown(text),
            what=what,
            allowed=allowed,
        )
    if len(text.encode()) > MAX_NAME_BYTES:
        raise NameRefused(
            "The {what} name {name} is longer than {most} bytes.",
            what=what,
            name=shown(text, 20),
            most=MAX_NAME_BYTES,
        )


@dataclass(frozen=True)
class Course:
    """A course directory and its configuration. All paths are absolute."""

    root: Path
    config: CourseConfig

    @classmethod
    def load(cls, directory: Path) -> Course:
        """The course in ``directory``. Raises ConfigError if there is none or its mograder.toml is wrong."""
        root = directory.expanduser().resolve()
        return cls(root, config_module.load(root / config_module.FILE_NAME))

    @property
    def title(self) -> str:
        """The name to show: ``[hub] title``, or the directory's name."""
        return self.config.hub.title or self.root.name

    @property
    def source_dir(self) -> Path:
        """What the instructors write: ``source/<name>/<name>.py``."""
        return self.root / self.config.dirs.source

    @property
    def release_dir(self) -> Path:
        """What ``mograder generate`` makes: ``release/<name>/…``."""
        return self.root / self.config.dirs.release

    @property
    def published_dir(self) -> Path:
        """What the hub serves: ``hub-release/<name>/…``."""
        return self.root / self.config.hub.release_dir

    @property
    def notebooks_dir(self) -> Path:
        """Students' workspaces: ``hub-notebooks/<user>/<name>/…``."""
        return self.root / self.config.hub.notebooks_dir

    @property
    def state_dir(self) -> Path:
        """The hub's own state. Deleting it loses no student's notebook."""
        return self.root / ".mograder"


def find_item(directory: Path, text: str) -> str:
    """The item in ``directory`` that ``text`` names: its whole name, or a unique prefix ``<text>-…``.

    Raises:
        NameRefused: ``text`` can not be a name.
        NotFound: nothing fits, or several do; the message lists what is there.
    """
    item_name(text)
    names = list_items(directory)
    if text in names:
        return text
    fitting = [name for name in names if name.startswith(f"{text}-")]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotFound(
            '"{text}" fits several items in {directory}/: {fitting}.',
            text=text,
            directory=directory.name,
            fitting=", ".join(fitting),
        )
    raise NotFound(
        'No item named "{text}" in {directory}/. {there}',
        text=text,
        directory=directory.name,
        there=_there(names),
    )


def list_items(directory: Path) -> list[str]:
    """Sorted names of the item directories in ``directory``; empty if it does not exist."""
    try:
        entries = list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entry.name for entry in entries if is_item_name(entry.name) and entry.is_dir())


def _there(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return Sentence("There: {names}.", names=listed) if listed else Sentence("It holds no items yet.")
