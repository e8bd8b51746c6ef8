"""Opening ``hub.db``: SQLite in WAL mode, brought to the newest schema."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from mograder.errors import MograderError


def open_database(path: Path) -> Engine:
    """The database at ``path``, made if it is missing and migrated to the newest schema.

    Raises:
        MograderError: it can not be opened, is no database, or was written by a newer version of the hub.
    """
    try:
        _make_private(path)
    except OSError as error:
        raise MograderError(f"{path} can not be opened ({error.strerror}).") from error
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})
    event.listen(engine, "connect", _settings)
    event.listen(engine, "begin", _begin)
    try:
        _migrate(engine)
    except CommandError as error:
        engine.dispose()
        raise MograderError(
            f"{path} was written by a newer version of mograder.",
            tip="install that version again, or move the file away: no student's work is in it.",
        ) from error
    except (DatabaseError, sqlite3.Error) as error:
        engine.dispose()
        raise MograderError(
            f"{path} can not be used ({error.__cause__ or error}).",
            tip="move it away: no student's work is in it.",
        ) from error
    return engine


def _make_private(path: Path) -> None:
    """Made before SQLite sees it, which gives the files beside it the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _settings(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # Python's driver would begin a transaction by itself, but not before a change of the schema: `_begin` does.
    connection.isolation_level = None
    # WAL: readers never wait for the writer. NORMAL: a power cut may lose the last notes, never the database.
    for setting in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")
