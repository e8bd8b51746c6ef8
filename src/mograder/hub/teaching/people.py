"""Everybody of a course: who may enter, who has been here, how far they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mograder.hub.store.state import Login


@dataclass(frozen=True)
class Person:
    """``last_seen`` is in seconds since the epoch, None for who never came (or whose logins have all ended)."""

    user: str
    role: str
    admitted: bool
    last_seen: float | None
    begun: int
    passed: int


def everybody(
    roster: Collection[str] | None,
    instructors: Collection[str],
    logins: Mapping[str, Login],
    progress: Mapping[str, tuple[int, int]],
) -> list[Person]:
    """Instructors first, then by name. Without a roster everybody who signs in is admitted."""
    names = {*(roster or ()), *instructors, *logins, *progress}
    people = []
    for user in names:
        login = logins.get(user)
        teaches = user in instructors or (login is not None and login.role == "instructor")
        people.append(
            Person(
                user,
                "instructor" if teaches else "student",
                teaches or roster is None or user in roster,
                None if login is None else login.last_seen,
                *progress.get(user, (0, 0)),
            )
        )
    return sorted(people, key=lambda person: (person.role != "instructor", person.user.casefold()))
