"""``mograder moodle`` for instructors: releases, rosters, hand-ins and marks."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from mograder.cli.local import read_release
from mograder.cli.moodle_room import Room, course_options, moment, printable
from mograder.cli.remote import Remote
from mograder.cli.writing import replace, write_whole
from mograder.course import file_name, find_item, is_user_name
from mograder.errors import ConfigError, Malformed, MograderError, MoodleFailed, NotFound
from mograder.generate.archive import zipped
from mograder.moodle.answers import Assignment, Person, Submission
from mograder.moodle.client import WORKFLOW, Moodle

KEYS = ("email", "username", "idnumber")
key_option = click.option(
    "--key",
    type=click.Choice(KEYS),
    default="email",
    show_default=True,
    help="What people are called by here.",
)


@click.command("upload")
@click.argument("item")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@course_options
@click.option(
    "--moodle-assignment", metavar="NAME", help="The assignment's name on Moodle, if it has another."
)
@click.option("--dry-run", is_flag=True, help="Say what would be attached, write and open nothing.")
@click.option("--no-open", is_flag=True, help="Print the page's address instead of opening it.")
def upload(
    room: Room,
    item: str,
    files: tuple[Path, ...],
    moodle_assignment: str | None,
    dry_run: bool,
    no_open: bool,
) -> None:
    """Make the file that students get of ITEM, and open the page where you attach it to the assignment.

    Moodle lets no program attach files to an assignment. `mograder hub publish` then looks whether it is there.

    \b
    Example:  mograder moodle upload A1 -C my-course
    """
    course = room.course()
    name = find_item(course.release_dir, item)
    content, where = _attachment(course.release_dir / name, files)
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, name, moodle_assignment)
        page = f"{moodle.url}/course/modedit.php?update={assignment.cmid}"
    for file, data in content.items():
        click.echo(f"{file:<40} {len(data):>12,} bytes", err=True)
    if dry_run:
        click.echo(
            f"{where} would be attached to “{printable(assignment.name)}” at {page}. Nothing was written."
        )
        return
    if len(content) > 1 and (files or not where.is_file()):
        write_whole(where, zipped(content))
    click.echo(f"Attach {where} to “{printable(assignment.name)}” (Additional files) at {page}")
    if not no_open:
        click.launch(page)


@click.command("sync-users")
@course_options
@key_option
@click.option("--strip-domain", is_flag=True, help="Of an e-mail address, use what stands before the @.")
@click.option("--skip-missing", is_flag=True, help="Leave out people of whom the key is not known.")
@click.option("--dry-run", is_flag=True, help="Print the names, change nothing.")
@click.option("--hub-url", envvar="MOGRADER_HUB_URL", help="The hub's address.")
@click.option("--hub-token", envvar="MOGRADER_HUB_INSTRUCTOR_TOKEN", help="An instructor's token of the hub.")
def sync_users(
    room: Room,
    key: str,
    strip_domain: bool,
    skip_missing: bool,
    dry_run: bool,
    hub_url: str | None,
    hub_token: str | None,
) -> None:
    """Let everybody who is in the course on Moodle into the hub, and nobody else.

    \b
    Example:  mograder moodle sync-users --key email --strip-domain --hub-url https://hub.example.org
    """
    with room.moodle() as moodle:
        people = moodle.people(room.course_number())
    names = _names(people, key, strip_domain, skip_missing)
    if dry_run:
        click.echo("\n".join(names))
        return
    count = Remote(hub_url, hub_token).post("sync-users", json={"users": names})["count"]
    click.echo(f"{count} people of the course on Moodle may enter the hub.")


@click.command("fetch-submissions")
@click.argument("item")
@course_options
@key_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Directory.  [default: submitted/ITEM]")
def fetch_submissions(room: Room, item: str, key: str, output: Path | None) -> None:
    """Download what everybody handed in, a directory for each. A file here that differs is kept beside the new one.

    \b
    Example:  mograder moodle fetch-submissions HW1 -C my-course
    """
    directory = output or room.course().root / room.course().config.dirs.submitted / item
    new = same = 0
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        people = {person.id: person for person in moodle.participants(assignment)}
        for submission in moodle.submissions(assignment):
            place = directory / _directory_name(submission, people, key)
            for file in submission.files("submission_files"):
                target = place / file_name(file.name)
                data = moodle.read(file)
                if target.is_file() and target.read_bytes() == data:
                    same += 1
                    continue
                replace(target, data)
                new += 1
                click.echo(str(target))
    click.echo(f"{printable(assignment.name)}: {new} files are new, {same} were here already.")


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
    Nothing is sent unless every row makes sense; each mark is read back from Moodle.

    \b
    Example:  mograder moodle upload-feedback HW1 marks.csv --workflow released
    """
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        rows = _rows(marks, moodle.participants(assignment), assignment)
        if dry_run:
            click.echo(
                f"{len(rows)} marks would be given for {printable(assignment.name)}. Nothing was sent."
            )
            return
        state = workflow or ("released" if assignment.workflow else "")
        failed = [row.who for row in rows if not _give(moodle, assignment, row, state)]
    if failed:
        raise MoodleFailed(
            f"Moodle does not have the marks of {', '.join(failed)}.", tip="run the command again."
        )
    click.echo(f"{printable(assignment.name)}: Moodle has all {len(rows)} marks.")


@click.command("export")
@click.argument("item")
@course_options
@click.option("--format", "form", type=click.Choice(("csv", "json")), default="csv", show_default=True)
def export(room: Room, item: str, form: str) -> None:
    """Print who handed what in, when, and with which mark.

    \b
    Example:  mograder moodle export HW1 > hw1.csv
    """
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        people = moodle.participants(assignment)
        handed_in = {s.userid: s for s in moodle.submissions(assignment)}
        marks = moodle.grades(assignment)
    rows = [
        _exported(person, handed_in.get(person.id), marks.get(person.id), assignment) for person in people
    ]
    if form == "json":
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(_exported(Person(id=0), None, None, assignment)))
    writer.writeheader()
    writer.writerows({k: _harmless(v) for k, v in row.items()} for row in rows)
    click.echo(text.getvalue(), nl=False)


def plain(text: str) -> str:
    """The words of a piece of HTML; a paragraph is a line."""
    lined = re.sub(r"(?i)<(?:br|/p|/div|/li)\b[^>]*>", "\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", lined)).replace("\xa0", " ").strip()


def _attachment(release: Path, files: tuple[Path, ...]) -> tuple[dict[str, bytes], Path]:
    """What is in the file to attach, and where that file is: the only one, or a zip of several."""
    name = f"{release.name}.zip"
    if not files:
        content = {file: data for file, data in read_release(release).items() if file != name}
        return content, release / (name if len(content) > 1 else f"{release.name}.py")
    content = {file_name(path.name): path.read_bytes() for path in files}
    if len(content) != len(files):
        raise click.UsageError("Two of the files have the same name.")
    return content, (files[0].parent / name if len(files) > 1 else files[0]).resolve()


def _names(people: Sequence[Person], key: str, strip_domain: bool, skip_missing: bool) -> list[str]:
    known = {person.id: str(getattr(person, key)).strip().casefold() for person in people}
    missing = [person.fullname for person in people if not known[person.id]]
    if missing and not skip_missing:
        some = ", ".join(map(printable, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise MoodleFailed(
            f"Moodle does not show this account the {key} of {len(missing)} of {len(people)} people ({some}); nobody "
            "was let in.",
            tip="use another --key, an account that may see it, or --skip-missing.",
        )
    names = [name.partition("@")[0] if strip_domain else name for name in known.values() if name]
    if bad := [name for name in names if not is_user_name(name)]:
        raise Malformed(
            f"{printable(bad[0])} can not be a name on the hub ({len(bad)} such); nobody was let in."
        )
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Malformed(
            f"{', '.join(twice)}: several people would have one name; nobody was let in.", tip="--key"
        )
    if not names:
        raise NotFound("Nobody is in the course on Moodle; nothing was changed.")
    return sorted(names)


def _directory_name(submission: Submission, people: dict[int, Person], key: str) -> str:
    if submission.groupid and not submission.userid:
        return f"group-{submission.groupid}"
    person = people.get(submission.userid)
    name = str(getattr(person, key)).casefold() if person is not None else ""
    return name if is_user_name(name) else f"moodle-{submission.userid}"


def _rows(path: Path, people: Sequence[Person], assignment: Assignment) -> list[_Marked]:
    try:
        table = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} can not be read: {error}.") from error
    if not table or not {"user", "grade"} <= table[0].keys():
        raise Malformed(f"{path} needs a first line with the columns user and grade.")
    index = {
        str(name).casefold(): p for p in people for name in (p.id, p.email, p.username, p.idnumber) if name
    }
    rows = [_row(row, number, path, index, assignment) for number, row in enumerate(table, 2)]
    people_in_it = [row.person.id for row in rows]
    if len(set(people_in_it)) != len(rows):
        raise Malformed(f"{path} has several rows for one person; nothing was sent.")
    return rows


def _row(
    row: dict[str, str], number: int, path: Path, index: dict[str, Person], assignment: Assignment
) -> _Marked:
    who = (row.get("user") or "").strip()
    where = f"{path.name}:{number}"
    person = index.get(who.casefold())
    if person is None:
        raise NotFound(
            f"{where}: {printable(who) or 'nobody'} is not among those who may hand in; nothing was sent."
        )
    try:
        mark = float(row.get("grade") or "")
    except ValueError as error:
        raise Malformed(
            f"{where}: “{printable(row.get('grade') or '')}” is no mark; nothing was sent."
        ) from error
    if not 0 <= mark <= assignment.grade:
        raise Malformed(f"{where}: {mark:g} is not between 0 and {assignment.grade:g}; nothing was sent.")
    files = {}
    if name := (row.get("file") or "").strip():
        try:
            files[file_name(Path(name).name)] = (path.parent / name).read_bytes()
        except OSError as error:
            raise NotFound(f"{where}: {name} can not be read: {error.strerror}; nothing was sent.") from error
    return _Marked(who, person, mark, (row.get("comment") or "").strip(), files)


def _give(moodle: Moodle, assignment: Assignment, row: _Marked, workflow: str) -> bool:
    try:
        moodle.grade(
            assignment, row.person.id, row.mark, comment=row.comment, files=row.files, workflow=workflow
        )
    except MograderError as error:
        click.echo(f"{row.who}: {error}", err=True)
        return False
    click.echo(f"{row.who}: {row.mark:g}", err=True)
    return True


def _exported(
    person: Person, submission: Submission | None, mark: float | None, assignment: Assignment
) -> dict[str, str]:
    late = submission is not None and bool(assignment.duedate) and submission.modified > assignment.duedate
    files = submission.files("submission_files") if submission else ()
    when = moment(submission.modified) if submission and files else ""
    return {
        "id": str(person.id),
        "name": person.fullname,
        "email": person.email,
        "username": person.username,
        "idnumber": person.idnumber,
        "status": submission.status if submission else "",
        "modified": when,
        "late": "yes" if late and files else "no",
        "files": " ".join(file.name for file in files),
        "grade": "" if mark is None else f"{mark:g}",
    }


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
