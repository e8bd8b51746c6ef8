"""``mograder hub``: the server and its utilities."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mograder.cli.publish import publish, sync_users
from mograder.cli.tokens import generate_token, token_group
from mograder.cli.warm import warm_cache
from mograder.cli.why import why
from mograder.course import Course
from mograder.hub.audit import Printable
from mograder.hub.identity import tokens
from mograder.hub.settings import PROXY_SECRET, Options, combine
from mograder.sandbox.preflight import Probe

if TYPE_CHECKING:
    from mograder.hub.checkup import Checkup


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "--course-dir",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default=".",
    help="Course directory.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8080]")
@click.option("--host", help="Address to listen on.  [default: 0.0.0.0]")
@click.option("--notebooks-dir", help="Students' notebooks.  [default: hub-notebooks]")
@click.option(
    "--session-ttl",
    type=click.IntRange(1),
    help="Idle seconds before a session is stopped.  [default: 3600]",
)
@click.option(
    "--trusted-header", help="Header in which the login proxy names the person.  [default: X-Remote-User]"
)
@click.option("--dev", is_flag=True, help="No login: every visitor gets a guest identity.")
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.pass_context
def command(
    context: click.Context,
    course_dir: Path,
    port: int | None,
    host: str | None,
    notebooks_dir: str | None,
    session_ttl: int | None,
    trusted_header: str | None,
    dev: bool,
    headless: bool,
) -> None:
    """Serve a course; the sub-commands are its utilities.

    \b
    Example:  MOGRADER_HUB_SECRET=… mograder hub -C my-course --port 8080
    """
    context.obj = course_dir
    if context.invoked_subcommand is None:
        options = Options(host, port, notebooks_dir, session_ttl, trusted_header, dev, headless)
        run(course_dir, options)


def run(course_dir: Path, options: Options) -> None:
    """Serve a course until it is told to stop, saying on standard error where it is."""
    handler = logging.StreamHandler()
    handler.setFormatter(Printable("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    secret = os.environ.pop("MOGRADER_HUB_SECRET", "")  # nothing that the hub starts may inherit it
    if not options.dev:
        tokens.check_secret(secret)
    settings = combine(Course.load(course_dir), options, secret, os.environ.pop(PROXY_SECRET, ""))

    def ready(url: str) -> None:
        click.echo(f"{settings.course.title} is open at {url}  (Ctrl-C stops it)", err=True)
        if settings.dev and not settings.headless:
            webbrowser.open(url)

    gc.disable()  # two thousand modules, none of which is garbage
    from mograder.hub.server import serve  # a second of imports, which no other command waits for

    gc.enable()
    with contextlib.suppress(KeyboardInterrupt):
        serve(settings, ready)
    click.echo("The hub is down." + ("" if settings.dev else " Open notebooks go on."), err=True)


@command.command("check")
@click.argument("course_dir", required=False, type=click.Path(path_type=Path))
@click.option("--dev", is_flag=True, help="Judge it as a hub for development.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(group_dir: Path, course_dir: Path | None, dev: bool, as_json: bool) -> None:
    """Try everything that a hub in COURSE_DIR needs, and say what to mend.

    \b
    Example:  mograder hub check my-course
    """
    secret = os.environ.get("MOGRADER_HUB_SECRET", "")
    proxy_secret = os.environ.get(PROXY_SECRET, "")
    settings = combine(Course.load(course_dir or group_dir), Options(dev=dev), secret, proxy_secret)
    from mograder.hub.checkup import examine

    found = examine(settings, secret, open_one=True)
    if as_json:
        probes = [vars_of(probe) for probe in found.probes]
        click.echo(
            json.dumps({"healthy": found.healthy, "isolation": found.verdict, "probes": probes}, indent=2)
        )
    else:
        _print(found)
    if not found.healthy:
        sys.exit(1)


def vars_of(probe: Probe) -> dict[str, str]:
    """A probe as JSON."""
    return {"name": probe.name, "level": probe.level, "detail": probe.detail, "remedy": probe.remedy}


def _print(found: Checkup) -> None:
    width = max(len(probe.name) for probe in found.probes)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for probe in found.probes:
        level = click.style(f"{probe.level:<4}", fg=colours[probe.level])
        click.echo(f"{level}  {probe.name:<{width}}  {probe.detail}")
        if probe.remedy:
            click.echo(f"{'':<{width + 6}}  → {probe.remedy}")
    failed = sum(probe.level == "fail" for probe in found.probes)
    words = "Nothing failed." if not failed else f"{failed} failed."
    click.echo(f"{words} Isolation: {found.verdict}.", err=True)


for _command in (generate_token, token_group, publish, warm_cache, sync_users, why):
    command.add_command(_command)
