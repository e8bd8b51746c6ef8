"""What the hub remembers, as small questions and notes. Calls are short; any thread may make them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, RowMapping, Table, delete, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from mograder.hub.store import tables
from mograder.hub.store.by_user import ByUser
from mograder.sessions.model import Handle, Session, SessionKey, State


def _saving(table: Table, *key: str) -> Insert:
    """Writes a row of ``table``, over the one with its ``key``. Made once: making it takes longer than running it."""
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=key, set_={each.name: statement.excluded[each.name] for each in table.columns}
    )


_SAVE_SESSION = _saving(tables.sessions, "id")


class SessionTable:
    """The session registry (`mograder.sessions.registry.Registry`) in the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, session: Session) -> None:
        values = {
            "id": session.id,
            "kind": session.key.kind,
            "user": session.key.user,
            "item": session.key.item,
            "state": session.state.value,
            "socket": str(session.socket),
            "directory": str(session.directory),
            "scratch": None if session.scratch is None else str(session.scratch),
            "handle": None if session.handle is None else session.handle.dumps(),
            "environment": session.environment,
            "notebook": session.notebook,
            "started": session.started,
            "last_seen": session.last_seen,
        }
        with self._engine.begin() as connection:
            connection.execute(_SAVE_SESSION, values)

    def forget(self, session_id: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(tables.sessions).where(tables.sessions.c.id == session_id))

    def all(self) -> list[Session]:
        with self._engine.connect() as connection:
            return [_session(row) for row in connection.execute(select(tables.sessions)).mappings()]

    def seen(self, times: Iterable[tuple[str, float]]) -> None:
        with self._engine.begin() as connection:
            for session_id, when in times:
                connection.execute(
                    update(tables.sessions).where(tables.sessions.c.id == session_id).values(last_seen=when)
                )


class CopyTable:
    """With which content copies began, and what was exported (`mograder.hub.workspaces.Copies`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known = ByUser(self._read)

    def get_copy(self, user: str, item: str) -> tuple[str | None, str | None]:
        return self.of(user).get(item, (None, None))

    def of(self, user: str) -> dict[str, tuple[str | None, str | None]]:
        """All of one person's copies by item. Not to be changed."""
        return self._known.get(user)

    def _read(self, user: str) -> dict[str, tuple[str | None, str | None]]:
        copies = tables.copies.c
        query = select(copies.item, copies.base, copies.exported).where(copies.user == user)
        with self._engine.connect() as connection:
            return {row.item: (row.base, row.exported) for row in connection.execute(query)}

    def set_base(self, user: str, item: str, digest: str) -> None:
        self._set(user, item, {"base": digest, "exported": None})
        first = insert(tables.begun).values(user=user, item=item, when=time.time())
        with self._engine.begin() as connection:
            connection.execute(first.on_conflict_do_nothing())

    def set_exported(self, user: str, item: str, digest: str) -> None:
        self._set(user, item, {"exported": digest})

    def _set(self, user: str, item: str, values: dict[str, Any]) -> None:
        statement = insert(tables.copies).values(user=user, item=item, **values)
        with self._known.changing(user), self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["user", "item"], set_=values))


class OriginTable:
    """Which release each copy comes from."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known = ByUser(self._read)

    def get(self, user: str, item: str) -> tuple[str | None, str | None]:
        """The release's key, and the key before the last update."""
        return self._known.get(user).get(item, (None, None))

    def _read(self, user: str) -> dict[str, tuple[str | None, str | None]]:
        origins = tables.origins.c
        query = select(origins.item, origins.release, origins.before).where(origins.user == user)
        with self._engine.connect() as connection:
            return {row.item: (row.release, row.before) for row in connection.execute(query)}

    def put(self, user: str, item: str, release: str, before: str | None) -> None:
        """Note both."""
        values = {"release": release, "before": before}
        statement = insert(tables.origins).values(user=user, item=item, **values)
        with self._known.changing(user), self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["user", "item"], set_=values))


@dataclass(frozen=True)
class StoredResult:
    """A validation that was kept: of which content, how many checks passed, and the result as JSON text.

    ``grounds`` is all that it stands on, as one hash (`mograder.hub.grounds`); None if it is not to be used again.
    """

    digest: str
    when: float
    passed: int
    total: int
    result: str
    grounds: str | None = None


class Counts(NamedTuple):
    """Of which content (SHA-256) a validation was, how many checks passed, and how many there were."""

    digest: str
    passed: int
    total: int


MAX_CHECKED = 4000
"""Contents of one copy whose results are remembered; beyond that the oldest are forgotten."""


class ResultTable:
    """The last validation of each copy, and how those of other contents went."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counts = ByUser(self._read_counts)

    def counts(self, user: str) -> dict[str, Counts]:
        """The last validation of each of a person's copies, in numbers. Not to be changed."""
        return self._counts.get(user)

    def _read_counts(self, user: str) -> dict[str, Counts]:
        results = tables.results.c
        query = select(results.item, results.digest, results.passed, results.total)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(results.user == user))
            return {row.item: Counts(row.digest, row.passed, row.total) for row in rows}

    def put(self, user: str, item: str, stored: StoredResult) -> None:
        """Keep a result in place of the one before."""
        values = {**stored.__dict__}
        statement = insert(tables.results).values(user=user, item=item, **values)
        with self._counts.changing(user), self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["user", "item"], set_=values))
            self._note(connection, user, item, stored)

    def _note(self, connection: Connection, user: str, item: str, stored: StoredResult) -> None:
        checked = tables.checked
        outcome = {"when": stored.when, "passed": stored.passed, "total": stored.total}
        statement = insert(checked).values(user=user, item=item, digest=stored.digest, **outcome)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["user", "item", "digest"], set_=outcome)
        )
        mine = (checked.c.user == user) & (checked.c.item == item)
        newest = select(checked.c.when).where(mine).order_by(checked.c.when.desc())
        first_too_old = newest.limit(1).offset(MAX_CHECKED).scalar_subquery()
        connection.execute(delete(checked).where(mine & (checked.c.when <= first_too_old)))

    def by_content(self, user: str, item: str) -> dict[str, tuple[int, int]]:
        """Checks passed, and checks in all, by the first 12 digits of the SHA-256 of what was validated."""
        checked = tables.checked
        query = select(checked.c.digest, checked.c.passed, checked.c.total)
        query = query.where(checked.c.user == user, checked.c.item == item)
        with self._engine.connect() as connection:
            return {row.digest[:12]: (row.passed, row.total) for row in connection.execute(query)}

    def get(self, user: str, item: str) -> StoredResult | None:
        """The last result, if there is one."""
        columns = [tables.results.c[name] for name in StoredResult.__dataclass_fields__]
        query = select(*columns).where(tables.results.c.user == user, tables.results.c.item == item)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else StoredResult(**row)


@dataclass(frozen=True)
class Login:
    """Somebody who is logged in. ``digest`` is the HMAC-SHA256 of the cookie under the hub's secret.

    Times are seconds since the epoch.
    """

    digest: str
    user: str
    role: str
    via: str
    created: float
    last_seen: float


class LoginTable:
    """Who is logged in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, login: Login) -> None:
        """Write a login down."""
        with self._engine.begin() as connection:
            connection.execute(insert(tables.logins).values(**login.__dict__))

    def remove(self, digest: str) -> None:
        """Strike a login out."""
        with self._engine.begin() as connection:
            connection.execute(delete(tables.logins).where(tables.logins.c.digest == digest))

    def seen(self, times: Iterable[tuple[str, float]]) -> None:
        """Note when logins were last used: (digest, seconds since the epoch)."""
        with self._engine.begin() as connection:
            for digest, when in times:
                connection.execute(
                    update(tables.logins).where(tables.logins.c.digest == digest).values(last_seen=when)
                )

    def all(self) -> list[Login]:
        """Every login."""
        with self._engine.connect() as connection:
            return [Login(**row) for row in connection.execute(select(tables.logins)).mappings()]


@dataclass(frozen=True)
class TokenRecord:
    """A bearer token without the token. Times are seconds since the epoch; None: never."""

    id: str
    user: str
    role: str
    audience: str
    created: float
    expires: float
    revoked: float | None = None
    last_used: float | None = None


class TokenTable:
    """Which bearer tokens there are."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, record: TokenRecord) -> None:
        """Write a token down, unless it is known."""
        with self._engine.begin() as connection:
            connection.execute(insert(tables.tokens).values(**record.__dict__).on_conflict_do_nothing())

    def get(self, token_id: str) -> TokenRecord | None:
        """One token, if it is known."""
        query = select(tables.tokens).where(tables.tokens.c.id == token_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else TokenRecord(**row)

    def all(self) -> list[TokenRecord]:
        """Every token that is known, the newest first."""
        query = select(tables.tokens).order_by(tables.tokens.c.created.desc(), tables.tokens.c.id)
        with self._engine.connect() as connection:
            return [TokenRecord(**row) for row in connection.execute(query).mappings()]

    def revoke(self, token_id: str, when: float) -> None:
        """Note that a token is good for nothing any more; the first time counts."""
        chosen = (tables.tokens.c.id == token_id) & tables.tokens.c.revoked.is_(None)
        with self._engine.begin() as connection:
            connection.execute(update(tables.tokens).where(chosen).values(revoked=when))

    def used(self, uses: Iterable[TokenRecord]) -> None:
        """Note uses (``last_used``); a token that was made elsewhere becomes known by its use."""
        with self._engine.begin() as connection:
            for use in uses:
                statement = insert(tables.tokens).values(**use.__dict__)
                changed = {"last_used": use.last_used}
                connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))

    def forget(self, before: float) -> None:
        """Strike out what has expired before this time."""
        with self._engine.begin() as connection:
            connection.execute(delete(tables.tokens).where(tables.tokens.c.expires < before))


def _session(row: RowMapping) -> Session:
    return Session(
        id=row["id"],
        key=SessionKey(row["kind"], row["user"], row["item"]),
        state=State(row["state"]),
        socket=Path(row["socket"]),
        directory=Path(row["directory"]),
        scratch=None if row["scratch"] is None else Path(row["scratch"]),
        handle=None if row["handle"] is None else Handle.loads(row["handle"]),
        environment=row["environment"],
        notebook=row["notebook"],
        started=row["started"],
        last_seen=row["last_seen"],
    )
