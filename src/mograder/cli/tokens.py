"""``mograder hub generate-token`` and ``mograder hub tokens``: bearer tokens made, listed, revoked."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mograder.config import FILE_NAME
from mograder.course import Course, user_name
from mograder.errors import MograderError
from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role

if TYPE_CHECKING:
    from mograder.hub.identity.ledger import Ledger
    from mograder.hub.store.state import TokenRecord

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command("generate-token")
@click.argument("username")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default="student", show_default=True
)
@click.option("--expires", default="90d", show_default=True, help="How long it is good for: 45m, 12h, 90d.")
@click.pass_obj
def generate_token(course_dir: Path, username: str, role: str, expires: str) -> None:
    """Print a bearer token for USERNAME, alone on standard output.

    Its number (not the token) is written down in the course, for `mograder hub tokens`.

    \b
    Example:  mograder hub generate-token ada --role instructor --expires 30d
    """
    secret = tokens.check_secret(os.environ.get("MOGRADER_HUB_SECRET", ""))
    token = tokens.make(secret, user_name(username), Role(role), _seconds(expires))
    made = tokens.opened(secret, token)
    if (course_dir / FILE_NAME).exists():
        with _ledger(course_dir) as ledger:
            ledger.issued(made)
    else:
        click.echo(
            f"No course is here (-C DIR), so the hub lists token {made.id} only once it is used.", err=True
        )
    click.echo(token)


@click.group("tokens")
def token_group() -> None:
    """List and revoke bearer tokens.

    \b
    Example:  mograder hub -C my-course tokens list
    """


@token_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_tokens(course_dir: Path, as_json: bool) -> None:
    """Say which tokens there are: number, person, role, when they were made and end, and whether they are revoked.

    \b
    Example:  mograder hub -C my-course tokens list --json
    """
    with _ledger(course_dir) as ledger:
        found = ledger.all()
    if as_json:
        click.echo(json.dumps([_row(record) for record in found], indent=2))
        return
    head: dict[str, str | None] = {name: name for name in _COLUMNS}
    rows = [head, *map(_row, found)]
    widths = {name: max(len(row[name] or "-") for row in rows) for name in rows[0]}
    for row in rows:
        click.echo("  ".join((row[name] or "-").ljust(width) for name, width in widths.items()).rstrip())


@token_group.command("revoke")
@click.argument("token_id", metavar="NUMBER")
@click.pass_obj
def revoke(course_dir: Path, token_id: str) -> None:
    """Make the token with this NUMBER worthless, at once, in a running hub too.

    \b
    Example:  mograder hub -C my-course tokens revoke 2f6c1e0a9b3d4c5e
    """
    with _ledger(course_dir) as ledger:
        record = ledger.revoke(token_id)
    click.echo(f"Token {record.id} of {record.user} ({record.role}) is revoked.", err=True)


@contextlib.contextmanager
def _ledger(course_dir: Path) -> Iterator[Ledger]:
    # The database's libraries take half a second to load, which other commands of the hub need not wait for.
    from mograder.hub.identity.ledger import Ledger
    from mograder.hub.store.database import open_database
    from mograder.hub.store.state import TokenTable

    course = Course.load(course_dir)
    course.state_dir.mkdir(mode=0o700, exist_ok=True)
    path = course.state_dir / "hub.db"
    engine = open_database(path)
    try:
        _leave_to_the_owner(course, path)
        yield Ledger(TokenTable(engine))
    finally:
        engine.dispose()


def _leave_to_the_owner(course: Course, path: Path) -> None:
    """What root makes in somebody's course is theirs: the hub runs as that user."""
    if os.geteuid() == 0 and path.stat().st_uid == 0 and (owner := course.root.stat()).st_uid != 0:
        for made in (course.state_dir, *course.state_dir.glob("hub.db*")):
            os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)


_COLUMNS = ("id", "user", "role", "audience", "created", "expires", "revoked", "last_used")


def _row(record: TokenRecord) -> dict[str, str | None]:
    values = (getattr(record, name) for name in _COLUMNS)
    return {
        name: value if isinstance(value, str) else _shown(value)
        for name, value in zip(_COLUMNS, values, strict=True)
    }


def _shown(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None or int(match[1]) == 0:
        raise MograderError(f'"{text}" is no length of time.', tip="write 45m, 12h or 90d.")
    return int(match[1]) * _UNITS[match[2]]
