"""``mograder moodle`` and marks: giving those of a table, and printing what Moodle has."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from mograder.cli.moodle_room import Room, course_options, moment, printable
from mograder.course import file_name
from mograder.errors import ConfigError, Malformed, MograderError, MoodleFailed, NotFound
from mograder.moodle import reasons, teams
from mograder.moodle.answers import Assignment, Person, Submission
from mograder.moodle.client import WORKFLOW, Moodle


@dataclass(frozen=True)
class _Marked:
    """One row of a table of marks that can be sent."""

    who: str
    person: Person
    mark: float
    comment: str
    files: dict[str, bytes]


@click.command("upload-feedback")
@click.argument("item")
@click.argument("marks", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@course_options
@click.option(
    "--workflow", type=click.Choice(WORKFLOW), default=None, help="State of marking to set, where it is used."
)
@click.option("--dry-run", is_flag=True, help="Look through the table, send nothing.")
def upload_feedback(room: Room, item: str, marks: Path, workflow: str | None, dry_run: bool) -> None:
    """Give the marks in MARKS, a CSV with the columns user, grade and, if you like, comment and file.

    `user` is an e-mail address, a user name, an ID number or Moodle's own number; `file` is relative to the table.
    Nothing is sent unless every row makes sense; marks, comments and files are read back from Moodle. A comment or file
    that a row leaves out stays as it is.

    \b
    Example:  mograder moodle upload-feedback HW1 marks.csv --workflow released
    """
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        if reason := reasons.no_points(assignment):
            raise MoodleFailed(
                f"{reason} Nothing was sent.", tip="mark it in a browser, or have it marked by points."
            )
        rows = _rows(marks, moodle.participants(assignment), assignment)
        if dry_run:
            click.echo(
                f"{len(rows)} marks would be given for {printable(assignment.name)}. Nothing was sent."
            )
            return
        state = workflow or ("released" if assignment.workflow else "")
        given = {row.who: _give(moodle, assignment, row, state) for row in rows}
    if failed := [who for who, outcome in given.items() if outcome is None]:
        raise MoodleFailed(
            f"Moodle does not have all of what was to be given to {', '.join(map(printable, failed))}.",
            tip="run the command again.",
        )
    unseen = [who for who, outcome in given.items() if outcome is False]
    note = f" It does not show the comments and files of {len(unseen)} of them yet." if unseen else ""
    click.echo(f"{printable(assignment.name)}: Moodle has all {len(rows)} marks.{note}")


@click.command("export")
@click.argument("item")
@course_options
@click.option("--format", "form", type=click.Choice(("csv", "json")), default="csv", show_default=True)
def export(room: Room, item: str, form: str) -> None:
    """Print who handed what in, when, and with which mark; what a team handed in, for each of its members.

    \b
    Example:  mograder moodle export HW1 > hw1.csv
    """
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        people = moodle.participants(assignment)
        submissions = moodle.submissions(assignment)
        marks = moodle.grades(assignment)
    handed_in = teams.by_person(people, submissions)
    rows = [
        _exported(person, handed_in.get(person.id), marks.get(person.id), assignment) for person in people
    ]
    rows += [
        _exported(None, submission, None, assignment) for submission in teams.of_nobody(people, submissions)
    ]
    if form == "json":
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(_exported(None, None, None, assignment)))
    writer.writeheader()
    writer.writerows({k: _harmless(v) for k, v in row.items()} for row in rows)
    click.echo(text.getvalue(), nl=False)


def _rows(path: Path, people: Sequence[Person], assignment: Assignment) -> list[_Marked]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            table = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} can not be read: {error}.") from error
    if not table or not {"user", "grade"} <= table[0][1].keys():
        raise Malformed(f"{path} needs a first line with the columns user and grade.")
    index: dict[str, list[Person]] = {}
    for person in people:
        for name in {
            str(n).casefold() for n in (person.id, person.email, person.username, person.idnumber) if n
        }:
            index.setdefault(name, []).append(person)
    rows = [_row(row, number, path, index, people, assignment) for number, row in table]
    people_in_it = [row.person.id for row in rows]
    if len(set(people_in_it)) != len(rows):
        raise Malformed(f"{path} has several rows for one person; nothing was sent.")
    return rows


def _row(
    row: dict[str, str],
    number: int,
    path: Path,
    index: dict[str, list[Person]],
    people: Sequence[Person],
    assignment: Assignment,
) -> _Marked:
    who = (row.get("user") or "").strip()
    where = f"{path.name}:{number}"
    found = index.get(who.casefold(), [])
    if not found:
        shown = ", ".join(word for word, there in _shown(people).items() if there)
        raise NotFound(
            f"{where}: {printable(who) or 'nobody'} is not among those who may hand in; nothing was sent.",
            tip=f"of people this account sees: {shown}.",
        )
    if len(found) > 1:
        raise Malformed(
            f"{where}: {printable(who)} may be any of {', '.join(printable(one.fullname) for one in found)}; nothing "
            "was sent.",
            tip="use their e-mail addresses.",
        )
    try:
        mark = float(row.get("grade") or "")
    except ValueError as error:
        raise Malformed(
            f"{where}: “{printable(row.get('grade') or '')}” is no mark; nothing was sent."
        ) from error
    if reason := reasons.no_mark(assignment, mark):
        raise Malformed(f"{where}: {printable(reason)} Nothing was sent.")
    files = {}
    if name := (row.get("file") or "").strip():
        try:
            files[file_name(Path(name).name)] = (path.parent / name).read_bytes()
        except OSError as error:
            raise NotFound(f"{where}: {name} can not be read: {error.strerror}; nothing was sent.") from error
    return _Marked(who, found[0], mark, (row.get("comment") or "").strip(), files)


def _shown(people: Sequence[Person]) -> dict[str, bool]:
    """By what people can be named: Moodle shows e-mail addresses, user names and ID numbers to some accounts only."""
    keys = {"e-mail address": "email", "user name": "username", "ID number": "idnumber"}
    found = {word: any(getattr(person, key) for person in people) for word, key in keys.items()}
    return found | {"Moodle's own number": True}


def _give(moodle: Moodle, assignment: Assignment, row: _Marked, workflow: str) -> bool | None:
    """Whether all could be seen afterwards; None: it failed, and that was said."""
    try:
        seen = moodle.grade(
            assignment, row.person.id, row.mark, comment=row.comment, files=row.files, workflow=workflow
        )
    except MograderError as error:
        click.echo(f"{printable(row.who)}: {error}", err=True)
        return None
    click.echo(f"{printable(row.who)}: {row.mark:g}", err=True)
    return seen


def _exported(
    someone: Person | None, submission: Submission | None, mark: float | None, assignment: Assignment
) -> dict[str, str]:
    """A row. None: a hand-in of a team whose members are not known."""
    late = submission is not None and bool(assignment.duedate) and submission.modified > assignment.duedate
    files = submission.files("submission_files") if submission else ()
    when = moment(submission.modified) if submission and files else ""
    group = submission.groupid if submission and not submission.userid else None
    person = someone or Person(id=0)
    names = {known.id: known.name for known in person.groups}
    return {
        "id": str(person.id) if someone else "",
        "name": person.fullname,
        "email": person.email,
        "username": person.username,
        "idnumber": person.idnumber,
        "team": "" if group is None else names.get(group) or str(group),
        "status": submission.status if submission else "",
        "modified": when,
        "late": "yes" if late and files else "no",
        "files": " ".join(file.place for file in files),
        "grade": "" if mark is None else f"{mark:g}",
    }


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
