"""``mograder hub why``: the decision about a request, and the rule that it comes from."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from mograder.course import Course, user_name
from mograder.errors import MograderError
from mograder.hub.content import ContentHost
from mograder.hub.identity.model import Identity, Role
from mograder.hub.identity.policy import Action, allowed
from mograder.hub.identity.roster import FILE_NAME, Roster


@click.command("why")
@click.argument("user")
@click.argument(
    "action",
    metavar="ACTION",
    type=click.Choice([action.name.lower().replace("_", "-") for action in Action]),
)
@click.argument("resource", default="")
@click.pass_obj
def why(course_dir: Path, user: str, action: str, resource: str) -> None:
    """Say whether USER may do ACTION to RESOURCE, and by which rule. RESOURCE is an owner or any address of the hub.

    Exit status 1 if not. The rules are those that every request is judged by.

    \b
    Example:  mograder hub -C my-course why grace view-work ada
              mograder hub -C my-course why grace view-work /status/ada/A1
    """
    course = Course.load(course_dir)
    teaching = user_name(user) in course.config.hub.instructors
    person = Identity(user, Role.INSTRUCTOR if teaching else Role.STUDENT, "proxy")
    click.echo(f"{user} is {'an instructor ([hub] instructors)' if teaching else 'a student'}.")
    wanted = Action[action.upper().replace("-", "_")]
    if not teaching and wanted is not Action.PUBLIC and not Roster(course.root / FILE_NAME).admits(user):
        click.echo(f"refused: {user} is not on the list of this course ({FILE_NAME})")
        sys.exit(1)
    hub = course.config.hub
    apart = bool(hub.content_host) and ContentHost(hub.public_url, hub.content_host, "").is_another_name
    decision = allowed(person, wanted, _owner(resource, hub.public_url), apart=apart)
    click.echo(f"{'allowed' if decision.allowed else 'refused'}: {decision.reason}")
    if not decision.allowed:
        sys.exit(1)


def _owner(resource: str, public_url: str) -> str | None:
    """Whose it is: the user in an address of the hub's, else the first part; None for what is nobody's."""
    from mograder.hub.routers import named  # a second of imports, which no other command needs

    path = unquote(urlsplit(resource).path)
    root = urlsplit(public_url).path.rstrip("/")
    if root and path.startswith(f"{root}/"):
        path = path[len(root) :]
    parts = [part for part in path.split("/") if part]
    if "user" in parts[:-1]:  # a live notebook, whatever lies below it
        return user_name(parts[parts.index("user") + 1])
    if parts and (names := named("/" + path.lstrip("/"))) is not None:
        return user_name(names["user"]) if "user" in names else None
    if len(parts) > 2 or (parts and resource != path):
        raise MograderError(
            f'"{resource}" is no address of the hub\'s.',
            tip="write ada, ada/A1 or an address, as status/ada/A1.",
        )
    return user_name(parts[0]) if parts else None
