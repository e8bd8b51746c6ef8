"""``mograder demo``: a course to try everything with, in one command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mograder import demo
from mograder.cli.hub import run
from mograder.cli.local import publish_locally
from mograder.course import Course, list_items
from mograder.errors import MograderError
from mograder.generate.items import item_named
from mograder.generate.kinds import Neighbours
from mograder.generate.plan import plan_release
from mograder.generate.write import write_release
from mograder.hub.settings import Options


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.option("--prepare-only", is_flag=True, help="Make and publish the course, but do not serve it.")
def command(directory: Path | None, port: int, host: str, headless: bool, prepare_only: bool) -> None:
    """Make a demo course in DIRECTORY, publish it and open it in the browser.

    Without DIRECTORY it is made in your data folder. Run it again at any time: what you did in it stays.

    \b
    Example:  mograder demo ~/heat --port 9000
    """
    root = (directory or default_directory()).expanduser().resolve()
    refuse_tmp(root)
    click.echo(f"The demo course is in {root}", err=True)
    demo.copy_to(root)
    course = Course.load(root)
    for name in list_items(course.source_dir):
        item = item_named(course, name)
        write_release(
            plan_release(item, Neighbours(course.source_dir, course.release_dir, [])), course.release_dir
        )
        # Its packages are ours, and the demo also runs where there is no sandbox to be had.
        publish_locally(course, name, confined=False)
    if not prepare_only:
        run(root, Options(host=host, port=port, dev=True, headless=headless))


def default_directory() -> Path:
    """The demo course in the user's data folder (XDG base directory specification)."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "mograder" / "demo"


def refuse_tmp(root: Path) -> None:
    """marimo's editor takes a file below /tmp for one without a name, and does not save it by itself."""
    for bad in ("/tmp", "/var/folders"):  # noqa: S108  named to be refused
        if root.is_relative_to(bad):
            raise MograderError(
                f"{root} lies below {bad}, where marimo's editor does not save.", tip="name another folder."
            )
