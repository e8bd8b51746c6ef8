"""``mograder.hub.store``: the database and its schema (``database``, ``tables``, ``migrations``), and what is kept
in it (``state``)."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from mograder.errors import MograderError
from mograder.hub.store import state, tables
from mograder.hub.store.database import MIGRATIONS, newest, open_database
from mograder.hub.store.state import CopyTable, Login, LoginTable, ResultTable, StoredResult


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".mograder" / "hub.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    made = open_database(path)
    yield made
    made.dispose()


def refusal(path: Path) -> str:
    with pytest.raises(MograderError) as caught:
        open_database(path)
    assert len(str(caught.value).splitlines()) == 1
    assert str(path) in str(caught.value)
    return str(caught.value)


# -- the database ---------------------------------------------------------------------------------------------


def migrate(path: Path, to: str) -> None:
    """Bring the database at ``path`` to schema ``to``, as the hub of that time did."""
    path.parent.mkdir()
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    engine.dispose()


def test_the_newest_schema_is_the_last_migration() -> None:
    assert newest() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_a_database_that_is_up_to_date_needs_no_migrations(path: Path) -> None:
    code = "import sys; from pathlib import Path; from mograder.hub.store.database import open_database\n"
    code += "open_database(Path(sys.argv[1])).dispose(); print('alembic' in sys.modules)"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        assert done.stdout == "False\n"


@pytest.mark.parametrize("before", [None, "0001", "0005_origins", newest()])
def test_a_new_database_and_a_migrated_one_have_exactly_the_tables_that_the_code_uses(
    path: Path, before: str | None
) -> None:
    if before:
        migrate(path, before)
    engine = open_database(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []
    primary = {
        name: inspect(engine).get_pk_constraint(name)["constrained_columns"]
        for name in tables.metadata.tables
    }
    assert primary == {
        name: [c.name for c in table.primary_key] for name, table in tables.metadata.tables.items()
    }
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [newest()]
    engine.dispose()


def test_a_comparison_that_finds_nothing_could_have_found_something(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE copies DROP COLUMN base"))
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) != []


def test_what_was_written_is_there_when_it_is_opened_again(path: Path) -> None:
    for _ in range(3):
        engine = open_database(path)
        CopyTable(engine).set_base("ada", "A1", "d1")
        assert CopyTable(engine).get_copy("ada", "A1") == ("d1", None)
        engine.dispose()


def test_readers_do_not_wait_for_a_writer(engine: Engine) -> None:
    CopyTable(engine).set_base("ada", "A1", "d1")
    with engine.begin() as writer:
        writer.execute(text("UPDATE copies SET base = 'd2'"))
        assert CopyTable(engine).get_copy("ada", "A1") == ("d1", None)
    assert CopyTable(engine).get_copy("ada", "A1") == ("d2", None)


def test_the_state_is_for_nobody_else_to_read(engine: Engine, path: Path) -> None:
    CopyTable(engine).set_base("ada", "A1", "d1")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["hub.db", "hub.db-wal", "hub.db-shm"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content", [b"this is no database at all " * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database_is_said_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert "can not be used" in refusal(path)
    assert "no student's work is in it" in refusal(path)
    assert path.read_bytes() == content


def test_a_damaged_database_is_said(path: Path) -> None:
    open_database(path).dispose()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)
    assert "can not be used" in refusal(path)


def test_a_database_of_a_newer_version_is_said_and_left_alone(path: Path) -> None:
    engine = open_database(path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "was written by a newer version of mograder. Tip: install that version again" in refusal(path)


def test_a_directory_in_its_place_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    assert "can not be opened (Is a directory)" in refusal(path)


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    open_database(path).dispose()


KILLED = """
import os, sys
from pathlib import Path
from sqlalchemy import event
from mograder.hub.store import tables
from mograder.hub.store.database import open_database
event.listen(tables.results, "before_create", lambda *_, **__: os._exit(9))
open_database(Path(sys.argv[1]))
"""
MIGRATING = """
import os, sys
from pathlib import Path
from alembic import op
from mograder.hub.store.database import open_database
op.add_column = lambda *_: os._exit(9)
open_database(Path(sys.argv[1]))
"""


def test_a_hub_killed_while_it_migrates_can_be_started_again(path: Path) -> None:
    migrate(path, "0001")
    assert subprocess.run([sys.executable, "-c", MIGRATING, str(path)]).returncode == 9
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    connection.close()
    open_database(path).dispose()


def test_a_hub_killed_while_it_makes_its_tables_can_be_started_again(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == 9
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'sessions'").fetchall() == []
    connection.close()
    open_database(path).dispose()


# -- what is kept in it ---------------------------------------------------------------------------------------


def test_a_copy_that_nobody_noted_has_no_beginning(engine: Engine) -> None:
    assert CopyTable(engine).get_copy("ada", "A1") == (None, None)


def test_a_new_beginning_forgets_the_export(engine: Engine) -> None:
    copies = CopyTable(engine)
    copies.set_base("ada", "A1", "d1")
    copies.set_exported("ada", "A1", "d2")
    assert copies.get_copy("ada", "A1") == ("d1", "d2")
    copies.set_base("ada", "A1", "d3")
    assert copies.get_copy("ada", "A1") == ("d3", None)
    assert copies.get_copy("bob", "A1") == (None, None)


def test_an_export_of_a_copy_with_no_known_beginning_is_noted(engine: Engine) -> None:
    CopyTable(engine).set_exported("ada", "A1", "d1")
    assert CopyTable(engine).get_copy("ada", "A1") == (None, "d1")


def test_the_last_result_of_each_copy_is_kept(engine: Engine) -> None:
    results = ResultTable(engine)
    assert results.get("ada", "A1") is None
    results.put("ada", "A1", StoredResult("d1", 1.5, 1, 3, "{}"))
    last = StoredResult("d2", 2.5, 3, 3, '{"checks": []}')
    results.put("ada", "A1", last)
    results.put("bob", "A1", StoredResult("d9", 1.5, 0, 3, "{}"))
    assert results.get("ada", "A1") == last


def test_logins_are_added_seen_and_removed(engine: Engine) -> None:
    logins = LoginTable(engine)
    one, two = (Login(digest, "ada", "student", "proxy", 1.0, 1.0) for digest in ("d1", "d2"))
    logins.add(one)
    logins.add(two)
    logins.seen([("d1", 9.0), ("unknown", 8.0)])
    logins.remove("d2")
    logins.remove("unknown")
    (left,) = logins.all()
    assert (left.digest, left.last_seen, left.created) == ("d1", 9.0, 1.0)


def test_many_threads_write_and_none_is_turned_away(engine: Engine) -> None:
    copies, errors = CopyTable(engine), []

    def write(user: str) -> None:
        try:
            for number in range(20):
                copies.set_base(user, f"A{number}", "d")
                copies.get_copy(user, f"A{number}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(f"user{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM copies")).scalar() == 160


@pytest.mark.parametrize("name", ["'; DROP TABLE copies; --", "漢字", 'a"b', "%s"])
def test_names_are_values_never_statements(engine: Engine, name: str) -> None:
    CopyTable(engine).set_base(name, name, name)
    assert CopyTable(engine).get_copy(name, name) == (name, None)


def test_the_results_of_earlier_contents_are_remembered_up_to_a_limit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_CHECKED", 3)
    results = ResultTable(engine)
    for number in range(5):
        results.put("ada", "A1", StoredResult(f"{number}" * 64, float(number), number, 9, "{}"))
    results.put("ada", "A1", StoredResult("4" * 64, 6.0, 5, 9, "{}"))
    assert results.by_content("ada", "A1") == {"2" * 12: (2, 9), "3" * 12: (3, 9), "4" * 12: (5, 9)}
    assert results.by_content("bob", "A1") == {}
