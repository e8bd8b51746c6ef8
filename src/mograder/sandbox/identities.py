"""Which host users sessions run as, and how a user namespace numbers them."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mograder.errors import SandboxError
from mograder.sandbox.join import Identity

# systemd's table of user ids (its "UIDs and GIDs" document) leaves 1879048192 to 2147483647 to nobody.
ROOT_BASE = 1_900_000_000
COUNT = 65_535

_FIRST_UID, _LAST_UID = 1, 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The host users of sessions.

    A student has a *slot*, a number from 1 to ``count``, for as long as files last.

    ``how`` says what gives them: ``root`` (a range of our choice), ``subuid`` (the range that /etc/subuid
    gives the hub's user) or ``shared`` (none: every session is the hub's own user, told apart by namespaces
    alone). In the jail's user namespace the engine is user 0 and a slot is its own number.
    """

    how: Literal["root", "subuid", "shared"]
    engine_uid: int
    engine_gid: int
    first_uid: int = 0
    first_gid: int = 0
    count: int = 0

    @property
    def per_student(self) -> bool:
        return self.how != "shared"

    @property
    def umask(self) -> int:
        """What a session's new files deny. Under ``subuid`` the hub reaches them through its own group."""
        return 0o007 if self.how == "subuid" else 0o077

    @property
    def workspace_mode(self) -> int:
        """The mode that a workspace directory needs so that the hub and its session, and nobody else, can use it."""
        return 0o770 if self.how == "subuid" else 0o700

    def inside(self, slot: int) -> Identity:
        """What a session becomes before it enters its sandbox, in the jail's numbering.

        Raises SandboxError.
        """
        if not self.per_student:
            return Identity()
        return Identity(uid=self._checked(slot), gid=0 if self.how == "subuid" else slot)

    def owner(self, slot: int) -> tuple[int, int] | None:
        """Host user and group that a workspace's files should belong to; None: leave them as the hub makes them."""
        if self.how != "root":
            return None
        slot = self._checked(slot)
        return self.first_uid + slot - 1, self.first_gid + slot - 1

    def uid_map(self) -> list[tuple[int, int, int]]:
        """Lines for a user namespace: first number inside, first number outside, how many."""
        return [(0, self.engine_uid, 1), (1, self.first_uid, self.count)]

    def gid_map(self) -> list[tuple[int, int, int]]:
        return [(0, self.engine_gid, 1), (1, self.first_gid, self.count)]

    def _checked(self, slot: int) -> int:
        if not 1 <= slot <= self.count:
            raise SandboxError(
                "There is no user number {slot}: the range holds {count}.", slot=slot, count=self.count
            )
        return slot


def choose(*, root_base: int = ROOT_BASE, count: int = COUNT) -> Identities:
    """The best that this process can have: see ``Identities.how``.

    Raises SandboxError for a range that is no range.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        if not _FIRST_UID <= root_base <= _LAST_UID - count:
            raise SandboxError(
                "No range of {count} user ids starts at {root_base}.", count=count, root_base=root_base
            )
        base = root_base
        return Identities(
            how="root", engine_uid=base, engine_gid=base, first_uid=base + 1, first_gid=base + 1, count=count
        )
    users, groups = subordinate("/etc/subuid"), subordinate("/etc/subgid")
    if users and groups and shutil.which("newuidmap") and shutil.which("newgidmap"):
        return Identities(
            how="subuid",
            engine_uid=uid,
            engine_gid=gid,
            first_uid=users[0],
            first_gid=groups[0],
            count=min(users[1], groups[1], count),
        )
    return Identities(how="shared", engine_uid=uid, engine_gid=gid)


def subordinate(table: str) -> tuple[int, int] | None:
    """First number and length of our range in /etc/subuid or /etc/subgid (subuid(5)); None if there is none."""
    try:
        names = {str(os.geteuid()), pwd.getpwuid(os.geteuid()).pw_name}
    except KeyError:
        return None  # newuidmap serves nobody whom the user database does not know
    try:
        lines = Path(table).read_text().splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        name, _, rest = line.strip().partition(":")
        first, _, length = rest.partition(":")
        if name in names and first.isdigit() and length.isdigit() and int(length) > 0:
            return int(first), int(length)
    return None
