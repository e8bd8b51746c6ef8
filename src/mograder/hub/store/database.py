"""Opening ``hub.db``: SQLite in WAL mode, brought to the newest schema."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from mograder.errors import MograderError


def open_database(path: Path) -> Engine:
    """The database at ``path``, made if it is missing and migrated to the newest schema.

    Raises:
        MograderError: it can not be opened, is no database, or was written by a newer version of the hub.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})
    event.listen(engine, "connect", _settings)
    try:
        _migrate(engine)
    except (DatabaseError, sqlite3.Error) as error:
        engine.dispose()
        raise MograderError(
            f"{path} can not be used ({error.__cause__ or error}).",
            tip="move it away: no student's work is in it.",
        ) from error
    path.chmod(0o600)
    return engine


def _settings(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # WAL: readers never wait for the writer. NORMAL: a power cut may lose the last notes, never the database.
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {setting}")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
