"""``mograder hub warm-cache``: packages prepared ahead of need, here or on a hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from mograder.cli import remote
from mograder.cli.local import with_steps
from mograder.course import Course
from mograder.environments import Environments, Step, warming
from mograder.errors import EnvironmentFailed, MograderError, NotFound
from mograder.hub.packages import Packages, course_environments
from mograder.hub.releases import Release, Releases

Say = Callable[[Step], None]


@click.command("warm-cache")
@click.argument("notebooks", nargs=-1, type=click.Path(path_type=Path), metavar="[NOTEBOOK]...")
@click.option("--all", "every", is_flag=True, help="Every published item of the course.")
@click.option("--dry-run", is_flag=True, help="Print what they depend on, prepare nothing.")
@remote.options
@click.pass_context
def warm_cache(
    context: click.Context,
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
    named_hub = context.get_parameter_source("url") is ParameterSource.COMMANDLINE
    if named_hub and (notebooks or dry_run):
        what = "--dry-run" if dry_run else "a notebook"
        raise click.UsageError(
            f"{what} and --url do not go together: a hub prepares all that is published on it. "
            "Publish the notebook there, or leave --url out: then it is done on this machine."
        )
    if url and not notebooks and not dry_run:
        warmed = remote.Remote(url, token).post("warm-cache")["warmed"]
        click.echo(f"Ready on the hub: {', '.join(warmed) or 'nothing is published'}")
        return
    if url:
        click.echo("MOGRADER_HUB_URL is not asked: this concerns files on this machine.", err=True)
    course = Course.load(context.obj)
    releases = Releases(course.published_dir).all() if every else []
    if not notebooks and not every:
        raise click.UsageError("Name notebooks, or use --all or --url.")
    texts = _texts(notebooks)
    if dry_run:
        published = {
            release.name: release.read(release.notebook).decode("utf-8", "replace") for release in releases
        }
        _tell(warming.plan(published) + warming.plan(texts))
    else:
        _prepare(course_environments(course), releases, warming.plan(texts))


def _texts(notebooks: tuple[Path, ...]) -> dict[str, str]:
    """The text of each notebook by its name, or by its path where several have that name."""
    names = Counter(path.stem for path in notebooks)
    try:
        return {
            path.stem if names[path.stem] == 1 else str(path): path.read_text(encoding="utf-8")
            for path in notebooks
        }
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"A notebook can not be read: {error}.") from error


def _tell(planned: list[warming.Planned]) -> None:
    """Print what each notebook asks for. Raises EnvironmentFailed if that of one can not be read."""
    for entry in planned:
        if entry.error is None:
            click.echo(f"{entry.name}: {', '.join(entry.requirements.dependencies) or 'marimo alone'}")
        else:
            click.echo(f"{entry.name}: {entry.error}", err=True)
    if broken := [entry.name for entry in planned if entry.error]:
        raise EnvironmentFailed(f"What {', '.join(broken)} depends on can not be read.")


def _prepare(environments: Environments, releases: Sequence[Release], planned: list[warming.Planned]) -> None:
    """Build for each release by its own lock, as the hub will; for a notebook that is not published, by a new one."""
    packages = Packages(environments)
    works: list[tuple[str, Callable[[Say], object]]] = [
        *((release.name, partial(packages.ready_now, release)) for release in releases),
        *((entry.name, partial(_warm, environments, entry)) for entry in planned),
    ]
    if failed := [name for name, work in works if not _done(name, work)]:
        raise EnvironmentFailed(f"The packages of {', '.join(failed)} could not be prepared.")


def _done(name: str, work: Callable[[Say], object]) -> bool:
    try:
        with_steps(name, work)
    except MograderError as error:
        click.echo(f"{name}: {error}", err=True)
        return False
    return True


def _warm(environments: Environments, planned: warming.Planned, say: Say) -> None:
    (warmed,) = warming.warm([planned], environments, lambda _, step: say(step))
    if warmed.error is not None:
        raise warmed.error
