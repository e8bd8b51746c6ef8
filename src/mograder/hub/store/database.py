"""Opening ``hub.db``: SQLite in WAL mode, brought to the newest schema."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from mograder.errors import MograderError
from mograder.hub.store.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"


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
        if not _is_newest(engine):
            _migrate(engine, path)
    except MograderError:
        engine.dispose()
        raise
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


def newest() -> str:
    """The name of the newest schema, which is that of the last file of migrations."""
    return max(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _is_newest(engine: Engine) -> bool:
    """Whether the schema is the newest: as it is found, or as it is made where there is none at all.

    Alembic takes a while to import, and is seldom needed.
    """
    with engine.begin() as connection:
        there = inspect(connection).get_table_names()
        if "alembic_version" in there:
            return connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [newest()]
        if there:
            return False
        metadata.create_all(connection)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        )
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": newest()})
        return True


def _migrate(engine: Engine, path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
    except CommandError as error:
        raise MograderError(
            f"{path} was written by a newer version of mograder.",
            tip="install that version again, or move the file away: no student's work is in it.",
        ) from error
