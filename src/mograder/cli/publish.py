"""``mograder hub publish``, ``warm-cache`` and ``sync-users``: what instructors ask of a hub."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from mograder.cli import remote
from mograder.cli.local import read_release, with_steps
from mograder.cli.moodle_room import Room, printable
from mograder.cli.upload import Upload
from mograder.config import FILE_NAME
from mograder.course import Course, find_item, list_items, user_name
from mograder.environments import warming
from mograder.errors import Conflict, EnvironmentFailed, MograderError, NotFound
from mograder.hub import visibility
from mograder.hub.identity.roster import parse
from mograder.hub.packages import course_environments
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
@click.option("--dry-run", is_flag=True, help="Show what would be sent, send nothing.")
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
            _show_changes(files, remote.Remote(url, token).get(f"publish/{name}"), type_)
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


@click.command("warm-cache")
@click.argument("notebooks", nargs=-1, type=click.Path(path_type=Path), metavar="[NOTEBOOK]...")
@click.option("--all", "every", is_flag=True, help="Every published item of the course.")
@click.option("--dry-run", is_flag=True, help="Print what they depend on, prepare nothing.")
@remote.options
@click.pass_obj
def warm_cache(
    course_dir: Path,
    notebooks: tuple[Path, ...],
    every: bool,
    dry_run: bool,
    url: str | None,
    token: str | None,
) -> None:
    """Prepare packages ahead of need: of each NOTEBOOK, of all (--all), or on a hub (--url).

    \b
    Example:  mograder hub -C my-course warm-cache --all
    """
    if url and not notebooks and not dry_run:
        warmed = remote.Remote(url, token).post("warm-cache")["warmed"]
        click.echo(f"Ready on the hub: {', '.join(warmed) or 'nothing is published'}")
        return
    course = Course.load(course_dir)
    texts = _texts(course, notebooks, every)
    planned = warming.plan(texts)
    if dry_run:
        for entry in planned:
            click.echo(f"{entry.name}: {', '.join(entry.requirements.dependencies) or 'marimo alone'}")
        return
    failed = [name for name, done in ((p.name, _warm(course, p)) for p in planned) if not done]
    if failed:
        raise EnvironmentFailed(f"The packages of {', '.join(failed)} could not be prepared.")


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


def _show_changes(files: dict[str, bytes], there: dict[str, Any], type_: str) -> None:
    """A line for each file: what a publication would make of what the hub has."""
    if there["type"] is None:
        click.echo("On the hub: nothing by this name yet.")
        return
    known: dict[str, str] = there["files"]
    for file in sorted(files.keys() | known.keys()):
        if file not in files:
            word = "removed"
        elif file not in known:
            word = "new"
        else:
            word = "same" if hashlib.sha256(files[file]).hexdigest() == known[file] else "changed"
        click.echo(f"{word:<8} {file}")
    if there["type"] != type_:
        click.echo(f"type: {there['type']} becomes {type_}")


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


def _texts(course: Course, notebooks: tuple[Path, ...], every: bool) -> dict[str, str]:
    paths = list(notebooks)
    if every:
        published = course.published_dir
        paths += [published / name / f"{name}.py" for name in list_items(published)]
    if not paths:
        raise click.UsageError("Name notebooks, or use --all or --url.")
    try:
        return {path.stem: path.read_text(encoding="utf-8") for path in paths}
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"A notebook can not be read: {error}.") from error


def _warm(course: Course, planned: warming.Planned) -> bool:
    environments = course_environments(course)
    try:
        with_steps(
            planned.name,
            lambda say: _raised(next(warming.warm([planned], environments, lambda _, s: say(s)))),
        )
    except MograderError as error:
        click.echo(f"{planned.name}: {error}", err=True)
        return False
    return True


def _raised(warmed: warming.Warmed) -> None:
    if warmed.error is not None:
        raise warmed.error
