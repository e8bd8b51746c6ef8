"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in the course."""

    STUDENT = "student"
    INSTRUCTOR = "instructor"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, as decided once per request. ``via`` is how: cookie, proxy, token, dev or content."""

    user: str
    role: Role
    via: str

    @property
    def is_instructor(self) -> bool:
        """Whether this person teaches the course."""
        return self.role is Role.INSTRUCTOR
