"""What the hub remembers for the instructors' pages. Calls are short; any thread may make them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, case, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from mograder.hub.store import tables
from mograder.hub.store.state import StoredResult


@dataclass(frozen=True)
class Message:
    """What an instructor says to everybody. ``when`` is in seconds since the epoch."""

    id: int
    author: str
    when: float
    text: str


class MessageTable:
    """Messages, and who has put which away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, author: str, text: str, when: float) -> Message:
        """Keep a message."""
        statement = insert(tables.messages).values(author=author, text=text, when=when)
        with self._engine.begin() as connection:
            key = connection.execute(statement).inserted_primary_key
        assert key is not None
        return Message(int(key[0]), author, when, text)

    def remove(self, message: int) -> None:
        """Take a message back, from everybody."""
        with self._engine.begin() as connection:
            connection.execute(delete(tables.messages).where(tables.messages.c.id == message))
            connection.execute(delete(tables.dismissals).where(tables.dismissals.c.message == message))

    def dismiss(self, message: int, user: str) -> None:
        """Note that ``user`` has put a message away."""
        statement = insert(tables.dismissals).values(message=message, user=user)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_nothing())

    def all(self) -> list[Message]:
        """Every message, newest first."""
        query = select(tables.messages).order_by(tables.messages.c.id.desc())
        with self._engine.connect() as connection:
            return [Message(**row) for row in connection.execute(query).mappings()]

    def dismissed(self) -> set[tuple[int, str]]:
        """Who has put which message away."""
        query = select(tables.dismissals.c.message, tables.dismissals.c.user)
        with self._engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(query)}


@dataclass(frozen=True)
class Visit:
    """Somebody who teaches looked at somebody's work. ``when`` is in seconds since the epoch."""

    visitor: str
    owner: str
    item: str
    when: float


class VisitTable:
    """Who looked at whose work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, visit: Visit, within: float) -> bool:
        """Note a visit, unless the same visitor was there in the last ``within`` seconds. Whether it was noted."""
        t = tables.visits.c
        same = (t.visitor == visit.visitor) & (t.owner == visit.owner) & (t.item == visit.item)
        with self._engine.begin() as connection:
            last = connection.execute(select(func.max(t.when)).where(same)).scalar()
            new = last is None or visit.when - last > within
            if new:
                connection.execute(insert(tables.visits).values(**visit.__dict__))
        return new

    def of(self, owner: str, since: float, most: int = 50) -> list[Visit]:
        """Visits to what is ``owner``'s after ``since``, newest first."""
        t = tables.visits.c
        query = (
            select(t.visitor, t.owner, t.item, t.when)
            .where((t.owner == owner) & (t.when > since))
            .order_by(t.when.desc())
            .limit(most)
        )
        with self._engine.connect() as connection:
            return [Visit(**row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True)
class Attempt:
    """How somebody's check went so far. Times are seconds since the epoch; ``began`` is that of the first copy."""

    user: str
    label: str
    status: str
    tries: int
    first_tried: float
    first_passed: float | None
    began: float | None


class AttemptTable:
    """How each student's checks went."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, user: str, item: str, checks: Iterable[tuple[str, str]], when: float) -> None:
        """Note a validation: (label, status) of each check. One that waits for code ("warn") is no try."""
        t = tables.attempts
        with self._engine.begin() as connection:
            for label, status in checks:
                if status == "warn":
                    continue
                passed = when if status == "success" else None
                statement = insert(t).values(
                    user=user,
                    item=item,
                    label=label,
                    status=status,
                    tries=1,
                    first_tried=when,
                    first_passed=passed,
                )
                # What was passed once stays passed: `tries` counts up to there.
                again = {
                    "status": status,
                    "tries": case((t.c.first_passed.is_(None), t.c.tries + 1), else_=t.c.tries),
                    "first_passed": func.coalesce(t.c.first_passed, passed),
                }
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["item", "user", "label"], set_=again)
                )

    def of_item(self, item: str) -> list[Attempt]:
        """All tries of an item's checks, in the order in which they were first made."""
        t, b = tables.attempts, tables.begun
        began = b.c.when.label("began")
        query = (
            select(t.c.user, t.c.label, t.c.status, t.c.tries, t.c.first_tried, t.c.first_passed, began)
            .outerjoin(b, (b.c.user == t.c.user) & (b.c.item == t.c.item))
            .where(t.c.item == item)
            .order_by(t.c.first_tried, t.c.user, t.c.label)
        )
        with self._engine.connect() as connection:
            return [Attempt(**row) for row in connection.execute(query).mappings()]

    def begun(self, item: str) -> int:
        """How many people have begun an item."""
        query = select(func.count()).where(tables.begun.c.item == item)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def results(self, item: str) -> list[tuple[str, StoredResult]]:
        """Everybody's last validation of an item."""
        query = select(tables.results).where(tables.results.c.item == item)
        names = StoredResult.__dataclass_fields__
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [(row["user"], StoredResult(**{name: row[name] for name in names})) for row in rows]

    def progress(self) -> dict[str, tuple[int, int]]:
        """By person: how many items they have begun, and how many checks they have passed."""
        b, t = tables.begun.c, tables.attempts.c
        items = select(b.user, func.count()).group_by(b.user)
        passed = select(t.user, func.count(t.first_passed)).group_by(t.user)
        with self._engine.connect() as connection:
            begun = {row[0]: row[1] for row in connection.execute(items)}
            won = {row[0]: row[1] for row in connection.execute(passed)}
        return {user: (begun.get(user, 0), won.get(user, 0)) for user in begun.keys() | won.keys()}
