"""A student's look at the versions of a notebook: what is there, what differs, and one cell back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from mograder.errors import Conflict, NotFound
from mograder.hub import comparing
from mograder.hub.coursework import Coursework
from mograder.hub.history import Version, digest
from mograder.notebook.difference import Difference

COPY, RELEASE = "copy", "release"
"""What stands for a version's id: the notebook as it is now, and as it is published."""


@dataclass(frozen=True)
class KeptVersion:
    """A version of the notebook, and how many checks of it passed, of how many, if it was validated."""

    version: Version
    passed: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class Present:
    """The copy as it is now: the SHA-256 in hexadecimal, when it was changed, and its last result if it has one."""

    digest: str
    when: datetime
    size: int
    passed: int | None = None
    total: int | None = None


class Versions:
    """The versions of notebooks, on top of `Coursework`."""

    def __init__(self, work: Coursework) -> None:
        self._work = work

    async def kept(self, user: str, item: str) -> list[KeptVersion]:
        """Every kept version of the notebook itself, newest first."""
        results = await self._work.checked(user, item)
        return [
            KeptVersion(version, *results.get(version.digest, (None, None)))
            for version in await self._work.versions(user, item)
            if version.file == f"{item}.py"
        ]

    async def present(self, user: str, item: str) -> Present | None:
        """The copy as it is now; None if there is none that can be read."""
        found = await asyncio.to_thread(self._work.workspaces.look, user, item)
        if found is None:
            return None
        data, when = found
        content = digest(data)
        results = await self._work.checked(user, item)
        return Present(content, when, len(data), *results.get(content[:12], (None, None)))

    async def content(self, user: str, item: str, which: str) -> bytes:
        """The notebook of a version, of the copy (COPY) or of the release (RELEASE). Raises NotFound."""
        if which == COPY:
            return await self._work.read_notebook(user, item)
        if which == RELEASE:
            return await self._work.release_file(item, f"{item}.py")
        version, data = await self._work.version(user, item, which)
        if version.file != f"{item}.py":
            raise NotFound("{file} is no notebook, so it can not be compared.", file=version.file)
        return data

    async def compare(self, user: str, item: str, old: str, new: str) -> Difference:
        """What differs between two of them. Raises NotFound, Conflict."""
        before, after = await self.content(user, item, old), await self.content(user, item, new)
        return await comparing.difference(before, after)

    async def restore_cell(
        self, user: str, item: str, which: str, cell: int, expected: str
    ) -> Version | None:
        """Give the copy one cell of a version, by its place there (from 0); what was kept of the copy before.

        ``expected`` is the SHA-256 of the copy that the person looked at.

        Raises:
            Conflict: the copy is another one by now, or the cell can not be taken alone. NotFound: no such version.
        """
        current = await self._work.read_notebook(user, item)
        if digest(current) != expected:
            raise _changed(item)
        text = await comparing.replaced_cell(current, await self.content(user, item, which), cell)
        return await self._work.replace(user, item, text, expected)


def _changed(item: str) -> Conflict:
    return Conflict(
        "{item} was changed since this page was made, so nothing was restored.",
        tip="compare once more.",
        item=item,
    )
