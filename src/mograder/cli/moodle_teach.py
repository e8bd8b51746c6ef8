"""``mograder moodle`` for instructors: releases, rosters and hand-ins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from mograder.cli.local import read_release
from mograder.cli.moodle_room import Room, course_options, printable
from mograder.cli.remote import Remote
from mograder.cli.writing import replace, write_whole
from mograder.config import MoodleKey
from mograder.course import file_name, file_path, find_item, is_user_name
from mograder.errors import Malformed, MoodleFailed, NameRefused, NotFound
from mograder.generate.archive import zipped
from mograder.moodle.answers import Person, Submission

key_option = click.option(
    "--key",
    type=click.Choice(get_args(MoodleKey)),
    help="What people are called by here.  [default: [moodle] key, or email]",
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
    if len(content) > 1:
        made = zipped(content)
        if not where.is_file() or where.read_bytes() != made:  # generate makes the same bytes
            write_whole(where, made)
    click.echo(f"Attach {where} to “{printable(assignment.name)}” (Additional files) at {page}")
    if not no_open:
        click.launch(page)


@click.command("sync-users")
@course_options
@key_option
@click.option(
    "--strip-domain/--whole",
    default=None,
    help="Of an e-mail address, use what stands before the @.  [default: [moodle] strip_domain, or --whole]",
)
@click.option("--skip-missing", is_flag=True, help="Leave out people of whom the key is not known.")
@click.option("--dry-run", is_flag=True, help="Print the names, change nothing.")
@click.option("--hub-url", envvar="MOGRADER_HUB_URL", help="The hub's address.")
@click.option("--hub-token", envvar="MOGRADER_HUB_INSTRUCTOR_TOKEN", help="An instructor's token of the hub.")
def sync_users(
    room: Room,
    key: MoodleKey | None,
    strip_domain: bool | None,
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
    usual = room.settings()
    strip = usual.strip_domain if strip_domain is None else strip_domain
    names = _names(people, key or usual.key, strip, skip_missing)
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
def fetch_submissions(room: Room, item: str, key: MoodleKey | None, output: Path | None) -> None:
    """Download what everybody handed in, a directory for each. A file here that differs is kept beside the new one.

    \b
    Example:  mograder moodle fetch-submissions HW1 -C my-course
    """
    directory = output or room.course().root / room.course().config.dirs.submitted / item
    new = same = 0
    refused = []
    with room.moodle() as moodle:
        assignment = room.assignment(moodle, item)
        people = {person.id: person for person in moodle.participants(assignment)}
        for submission in moodle.submissions(assignment):
            place = directory / _directory_name(submission, people, key or room.settings().key)
            for file in submission.files("submission_files"):
                try:
                    target = place / file_path(file.place)
                except NameRefused as error:
                    refused.append(f"{place.name}: {error}")
                    continue
                data = moodle.read(file)
                if target.is_file() and target.read_bytes() == data:
                    same += 1
                    continue
                replace(target, data)
                new += 1
                click.echo(str(target))
    click.echo(f"{printable(assignment.name)}: {new} files are new, {same} were here already.")
    if refused:
        raise NameRefused(
            f"{len(refused)} files were left out: {'; '.join(refused[:5])}", tip="fetch them in a browser."
        )


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
    if not submission.userid:
        return f"group-{submission.groupid}"
    person = people.get(submission.userid)
    name = str(getattr(person, key)).casefold() if person is not None else ""
    return name if is_user_name(name) else f"moodle-{submission.userid}"
