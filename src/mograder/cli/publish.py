"""``mograder hub publish`` and ``sync-users``: what instructors ask of a hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from mograder.cli import remote
from mograder.cli.changes import show_changes
from mograder.cli.local import read_release
from mograder.cli.moodle_room import Room, printable
from mograder.cli.upload import Upload
from mograder.config import FILE_NAME
from mograder.course import Course, find_item, user_name
from mograder.errors import Conflict, MograderError, NotFound
from mograder.hub import visibility
from mograder.hub.identity.roster import parse
from mograder.hub.releases import MAX_PUBLISHED_BYTES
from mograder.moodle.compare import differences
from mograder.notebook import metadata


@click.command("publish")
@click.argument("item")
@remote.options
@click.option(
    "--moodle-assignment", metavar="NAME", help="The assignment's name on Moodle, if it has another."
)
@click.option("--force", is_flag=True, help="Do not compare with Moodle.")
@click.option("--lecture", is_flag=True, help="Publish as a lecture; implies --force.")
@click.option(
    "--from", "begin", metavar="TIME", help='Students see it from then on: "2026-12-01 09:00", or "now".'
)
@click.option("--until", "end", metavar="TIME", help='Students see it until then; or "never" ends it.')
@click.option(
    "--zone", help="Time zone of both, as Europe/Zurich.  [default: [hub] time_zone, or this machine's]"
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be sent and what would change on the hub; send nothing."
)
@click.pass_obj
def publish(
    course_dir: Path,
    item: str,
    url: str | None,
    token: str | None,
    moodle_assignment: str | None,
    force: bool,
    lecture: bool,
    begin: str | None,
    end: str | None,
    zone: str | None,
    dry_run: bool,
) -> None:
    """Put ITEM (a name or unique prefix in release/, or a directory) up on a hub.

    \b
    Example:  mograder hub -C my-course publish A1 --url https://hub.example.org
              mograder hub -C my-course publish A1 --from "2026-12-01 09:00" --until 2026-12-20
    """
    directory = _directory(course_dir, item)
    dates = _dates(course_dir, begin, end, zone)
    files = read_release(directory)
    name = directory.name
    type_ = "lecture" if lecture else _type(files[f"{name}.py"], name)
    if type_ == "assignment" and not force:
        _compare_with_moodle(course_dir, name, moodle_assignment, files)
    total = sum(map(len, files.values()))
    if total > MAX_PUBLISHED_BYTES:
        raise Conflict(f"{name} holds {total / 1e6:.0f} MB; a hub takes {MAX_PUBLISHED_BYTES / 1e6:.0f} MB.")
    for file, data in files.items():
        click.echo(f"{file:<40} {len(data):>12,} bytes", err=True)
    if dry_run:
        if url and token:
            show_changes(remote.Remote(url, token), name, files, type_, dates)
        else:
            missing = " and ".join([*([] if url else ["--url"]), *([] if token else ["--token"])])
            click.echo(f"What would change on the hub is not known without {missing}.", err=True)
        what = f"{name} would be published as {type_}: {len(files)} files, {total:,} bytes."
        click.echo(f"{what} {_seen(dates)}Nothing was sent.")
        return
    hub = remote.Remote(url, token)
    with Upload(name, files) as sending:
        answer = hub.post_told(
            f"publish/{name}", sending.step, params={"type": type_, **dates}, files=sending.parts()
        )
    click.echo(f"{name} is published as {answer.get('type')}: {', '.join(answer.get('files', []))}")
    if answer.get("visible"):
        click.echo(f"{answer['visible']}.")


@click.command("sync-users")
@click.argument("file", type=click.Path(path_type=Path))
@remote.options
def sync_users(file: Path, url: str | None, token: str | None) -> None:
    """Let the people in FILE (one name a line, "-" for standard input) into the course, and nobody else.

    \b
    Example:  mograder hub sync-users roster.txt --url https://hub.example.org
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{file} can not be read: {getattr(error, 'strerror', None) or error}.") from error
    names = sorted(user_name(name) for name in parse(text))
    if not names:
        raise Conflict(f"{file} names nobody, and nobody could enter.", tip="one name a line.")
    count = remote.Remote(url, token).post("sync-users", json={"users": names})["count"]
    click.echo(f"{count} people may enter.")


def _directory(course_dir: Path, item: str) -> Path:
    place = Path(item)
    if place.is_dir() and ("/" in item or not (course_dir / "mograder.toml").is_file()):
        return place.resolve()
    release = Course.load(course_dir).release_dir
    return release / find_item(release, item)


def _dates(course_dir: Path, begin: str | None, end: str | None, zone: str | None) -> dict[str, str]:
    """What is asked of the hub; a mistake is said before anything is sent."""
    if not begin and not end:
        return {}
    configured = Course.load(course_dir).config.hub.time_zone if (course_dir / FILE_NAME).is_file() else ""
    place = zone or configured or visibility.machine_zone()
    visibility.window(begin, end, place)
    return {key: text for key, text in (("from", begin), ("until", end), ("zone", place)) if text}


def _seen(dates: dict[str, str]) -> str:
    if not dates:
        return ""
    return f"{visibility.window(dates.get('from'), dates.get('until'), dates['zone']).words}. "


def _type(notebook: bytes, name: str) -> str:
    return str(
        metadata.read(notebook.decode("utf-8", "replace"), f"{name}.py").get("mograder-type", "assignment")
    )


_WORDS = {
    "missing": "not on Moodle",
    "different": "other content on Moodle",
    "extra": "on Moodle, not in the release",
}


def _compare_with_moodle(
    course_dir: Path, name: str, moodle_name: str | None, files: dict[str, bytes]
) -> None:
    """Whoever takes the assignment from Moodle gets what the hub serves. Nothing is done where no Moodle is named."""
    room = Room(
        course_dir, os.environ.get("MOGRADER_MOODLE_URL"), os.environ.get("MOGRADER_MOODLE_TOKEN"), None
    )
    has_moodle = (course_dir / FILE_NAME).is_file() and Course.load(course_dir).config.moodle.url
    if not has_moodle and not moodle_name and not room.given_url:
        return
    try:
        with room.moodle() as moodle:
            assignment = room.assignment(moodle, name, moodle_name)
            there = {file.place: moodle.read(file) for file in assignment.files}
    except MograderError as error:
        raise MograderError(
            f"{name} can not be compared with Moodle: {error} --force publishes without; nothing was sent."
        ) from error
    found = differences(name, files, there)
    for one in found:
        click.echo(f"{one.name:<40} {_WORDS[one.what]}", err=True)
    if found:
        raise Conflict(
            f"{name} differs from “{printable(assignment.name)}” on Moodle in {len(found)} files; nothing was sent.",
            tip=f"mograder moodle upload {name}, or --force.",
        )
    click.echo(f"{name} is the same on Moodle.", err=True)
