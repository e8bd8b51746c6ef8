"""``mograder moodle``: assignments, hand-ins, marks and rosters between a course and its Moodle."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from mograder.cli import moodle_marks, moodle_teach
from mograder.cli.moodle_room import Room, course_options, moment, printable
from mograder.cli.writing import replace, write_whole
from mograder.config import FILE_NAME
from mograder.course import file_name, file_path
from mograder.errors import MoodleFailed, NotFound
from mograder.moodle import keys, needs, table, wire, words
from mograder.moodle.answers import RemoteFile
from mograder.moodle.client import Moodle
from mograder.moodle.match import as_item_name


@click.group("moodle", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Work with the course's Moodle.

    \b
    Example:          mograder moodle login --url https://moodle.example.edu
    For students:     fetch, submit, feedback
    For instructors:  upload, sync, sync-users, fetch-submissions, upload-feedback, export
    """


@command.command("login")
@course_options
@click.option("--user", help="Your name on Moodle; your password is asked for.")
@click.option("--with-token", is_flag=True, help="Read a token instead of a name and password.")
@click.option(
    "--service", default="moodle_mobile_app", show_default=True, help="The web service's short name."
)
def login(room: Room, user: str | None, with_token: bool, service: str) -> None:
    """Sign in to Moodle and keep the token, readable to you alone.

    Where you sign in to Moodle elsewhere (Shibboleth, Microsoft …) copy a key from Preferences / Security keys
    there and use --with-token.

    \b
    Example:  mograder moodle login --url https://moodle.example.edu --user ada
    """
    url = wire.site_url(room.url())
    if room.token:
        token = room.token
    elif with_token:
        token = _secret("Token").strip()
    else:
        name = user or click.prompt("Name on Moodle", err=True)
        token = wire.token_for(url, name, _secret("Password"), service, timeout=room.patience())
    with wire.Wire(url, token, timeout=room.patience()) as line:
        site = Moodle(line).site()
    place = keys.keep(url, token)
    if lacking := needs.missing(site):
        click.echo(
            f"Its web service lacks {', '.join(lacking)}. Tip: ask Moodle's administrator to add that.",
            err=True,
        )
    click.echo(
        f"You are {printable(site.fullname)} at {printable(site.sitename)}. The token is kept in {place}."
    )


@command.command("sync")
@course_options
@click.option("--dry-run", is_flag=True, help="Show what would change, write nothing.")
def sync(room: Room, dry_run: bool) -> None:
    """Write the assignments of the course on Moodle, with due dates and files, into mograder.toml.

    \b
    Example:  mograder moodle sync -C my-course --dry-run
    """
    course = room.course()
    with room.moodle() as moodle:
        found = moodle.assignments(room.course_number())
    path = course.root / FILE_NAME
    before = path.read_text(encoding="utf-8")
    after = table.updated(before, found)
    for one in found:
        due = moment(one.duedate) or "no due date"
        files = "1 file" if len(one.files) == 1 else f"{len(one.files)} files"
        click.echo(f"{printable(one.name):<40} {due:<17} {files}", err=True)
    if before == after:
        click.echo(f"{path.name} has all of it already.")
    elif dry_run:
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), path.name, path.name, lineterm=""
        )
        click.echo("\n".join(printable(line) for line in lines))
    else:
        write_whole(path, after.encode())
        click.echo(f"{path.name} has {len(found)} assignments of Moodle now.")


@command.command("fetch")
@click.argument("item")
@course_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Directory.  [default: the item's name]"
)
def fetch(room: Room, item: str, output: Path | None) -> None:
    """Download the files of an assignment. A file of yours that differs is kept beside the new one.

    \b
    Example:  mograder moodle fetch HW1
    """
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        if not assignment.files:
            raise NotFound(f"{assignment.name} has no files on Moodle.")
        _write(moodle, assignment.files, output or Path(as_item_name(assignment.name)))


@command.command("submit")
@click.argument("item")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@course_options
@click.option("--draft", is_flag=True, help="Where Moodle keeps drafts: do not hand in for good yet.")
@click.option(
    "--accept-statement", is_flag=True, help="Declare that this is your own work, where Moodle asks."
)
def submit(room: Room, item: str, files: tuple[Path, ...], draft: bool, accept_statement: bool) -> None:
    """Hand in FILES; they replace what was handed in before. Says so only when Moodle has them.

    \b
    Example:  mograder moodle submit HW1 HW1-Root-finding/hw1.py
    """
    content = {file_name(path.name): path.read_bytes() for path in files}
    if len(content) != len(files):
        raise click.UsageError("Two of the files have the same name.")
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        kept = moodle.submit(assignment, content, final=not draft, statement=accept_statement)
    names = ", ".join(f"{name} ({len(data):,} bytes)" for name, data in content.items())
    state = "keeps as a draft" if kept.status == "draft" else "has"
    click.echo(f"{printable(assignment.name)}: Moodle {state} {names}, since {moment(kept.modified)}.")


@command.command("feedback")
@click.argument("item")
@course_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Directory for files.  [default: feedback/ITEM]"
)
def feedback(room: Room, item: str, output: Path | None) -> None:
    """Show your mark and the comment, and download feedback files.

    \b
    Example:  mograder moodle feedback HW1
    """
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        given = moodle.standing(assignment).feedback
        if given is None:
            click.echo(f"{printable(assignment.name)}: there is no feedback yet.")
            return
        click.echo(
            f"{printable(assignment.name)}: {printable(words.plain(given.gradefordisplay)) or 'no mark'}"
        )
        if comment := words.plain(given.text("comments")):
            click.echo("\n".join(printable(line) for line in comment.splitlines()))
        if files := given.files("feedback_files"):
            _write(moodle, files, output or Path("feedback") / as_item_name(assignment.name))


for each in (
    moodle_teach.upload,
    moodle_teach.sync_users,
    moodle_teach.fetch_submissions,
    moodle_marks.upload_feedback,
    moodle_marks.export,
):
    command.add_command(each)


def _write(moodle: Moodle, files: tuple[RemoteFile, ...], directory: Path) -> None:
    """All are downloaded before the first is written."""
    content = {file_path(file.place): moodle.read(file) for file in files}
    for name, data in content.items():
        aside = replace(directory / name, data)
        kept = f" (yours is kept as {aside.name})" if aside else ""
        click.echo(f"{directory / name}{kept}")


def _secret(what: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, err=True))
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise MoodleFailed(f"No {what.casefold()} was given.", tip="it is read from standard input.")
    return line
