"""What every ``mograder moodle`` command needs: which course, which Moodle, whose token."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mograder.config import FILE_NAME, MoodleSection
from mograder.course import Course
from mograder.errors import ConfigError
from mograder.moodle import keys, match, wire
from mograder.moodle.answers import Assignment
from mograder.moodle.client import Moodle


@dataclass(frozen=True)
class Room:
    """The options that all commands share; what is not given is looked up in the course."""

    directory: Path
    given_url: str | None
    token: str | None
    given_course: int | None

    def course(self) -> Course:
        """The course. Raises ``ConfigError``: there is none."""
        return Course.load(self.directory)

    def settings(self) -> MoodleSection:
        """``[moodle]`` of the course; its defaults where there is no course."""
        return self.course().config.moodle if self._in_a_course() else MoodleSection()

    def patience(self) -> float:
        """Seconds to wait for an answer of Moodle's."""
        return self.settings().timeout

    def url(self) -> str:
        """The Moodle's address. Raises ``ConfigError``: nobody said."""
        url = self.given_url or self.settings().url
        if not url:
            raise ConfigError("Which Moodle?", tip="--url https://… or [moodle] url in mograder.toml.")
        return url

    def course_number(self) -> int:
        """The course's number on Moodle. Raises ``ConfigError``: nobody said."""
        number = self.given_course or self.settings().course_id
        if number is None:
            raise ConfigError(
                "Which course on Moodle?",
                tip="--course-id N or [moodle] course_id in mograder.toml: the id=… of its address.",
            )
        return number

    @contextmanager
    def moodle(self) -> Iterator[Moodle]:
        """Moodle, as whoever the token belongs to. Raises ``ConfigError``: there is no token."""
        url = wire.site_url(self.url())
        token = self.token or keys.kept(url)
        if not token:
            raise ConfigError(f"You are not signed in to {url}.", tip=f"mograder moodle login --url {url}")
        with wire.Wire(url, token, timeout=self.patience()) as line:
            yield Moodle(line)

    def assignment(self, moodle: Moodle, item: str, name: str | None = None) -> Assignment:
        """The assignment that ``item`` means: the one that mograder.toml says, else the one whose name fits."""
        number = self.course_number()
        entries = self.course().config.assignments if self._in_a_course() else ()
        where = match.find(name or item, [entry.name for entry in entries])
        if where is not None and entries[where].id is not None:
            same = [one for one in moodle.assignments(number) if one.id == entries[where].id]
            if same:
                return same[0]
        return moodle.assignment(number, name or item)

    def _in_a_course(self) -> bool:
        return (self.directory / FILE_NAME).is_file()


def course_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-C``, ``--url``, ``--token`` and ``--course-id``, handed over as ``room``."""

    @click.option(
        "-C", "--course-dir", type=click.Path(path_type=Path), default=Path(), help="Course directory."
    )
    @click.option("--url", envvar="MOGRADER_MOODLE_URL", help="Moodle's address.")
    @click.option("--token", envvar="MOGRADER_MOODLE_TOKEN", help="A token of Moodle's web services.")
    @click.option("--course-id", type=int, help="The course's number on Moodle.")
    @functools.wraps(command)
    def wrapped(
        *args: Any, course_dir: Path, url: str | None, token: str | None, course_id: int | None, **kwargs: Any
    ) -> Any:
        return command(*args, room=Room(course_dir, url, token, course_id), **kwargs)

    return wrapped


def moment(seconds: int) -> str:
    """A time as people here read it; empty for Moodle's 0."""
    local = datetime.fromtimestamp(seconds, UTC).astimezone()
    return local.strftime("%Y-%m-%d %H:%M") if seconds else ""


def printable(text: str) -> str:
    """Text from Moodle, fit for a terminal."""
    return "".join(c if c.isprintable() and unicodedata.category(c) != "Cf" else "�" for c in text)
