"""Whose hand-in is whose, where teams hand in together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mograder.moodle.answers import Person, Submission


def by_person(people: Iterable[Person], submissions: Sequence[Submission]) -> dict[int, Submission]:
    """The hand-in of each person, by Moodle's number of them: their team's, else their own.

    A team's hand-in has no person, and its members' own have no files. Who is in no team, or in several, is in the
    one that Moodle calls the default group, number 0.
    """
    own = {one.userid: one for one in submissions if one.userid}
    teams = {one.groupid: one for one in submissions if not one.userid}
    found = {}
    for person in people:
        mine = [group.id for group in person.groups if group.id in teams]
        team = teams.get(mine[0] if len(mine) == 1 else 0)
        if (submission := team or own.get(person.id)) is not None:
            found[person.id] = submission
    return found


def of_nobody(people: Iterable[Person], submissions: Sequence[Submission]) -> list[Submission]:
    """Hand-ins with files of teams whose members are not known: with blind marking Moodle names no groups."""
    taken = {id(one) for one in by_person(people, submissions).values()}
    return [
        one
        for one in submissions
        if not one.userid and id(one) not in taken and one.files("submission_files")
    ]
