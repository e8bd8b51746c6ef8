"""Names, differences and the table in mograder.toml: ``mograder.moodle.match``, ``compare``, ``table``, ``keys``."""

from __future__ import annotations

import inspect
import io
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.cli.moodle import command
from mograder.course import is_item_name
from mograder.errors import ConfigError, MoodleFailed
from mograder.moodle import client, keys, needs
from mograder.moodle.answers import Assignments, Person, Site, Submission, typed
from mograder.moodle.compare import differences
from mograder.moodle.match import as_item_name, find
from mograder.moodle.table import updated
from mograder.moodle.teams import by_person, of_nobody
from mograder.moodle.words import as_html, plain, same
from tests.support.moodle import recorded

FOUND = typed(Assignments, recorded("assignments_teacher"), "").courses[0].assignments


def zip_of(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("HW1", 0), ("hw1-root-finding", 0), ("HW1 Root finding", 0), ("HW", None), ("HW10", 2), ("A1", None)],
)
def test_an_items_name_finds_one_assignment(wanted: str, number: int | None) -> None:
    assert find(wanted, ["HW1 Root finding", "HW2: Flow", "HW10 Last"]) == number


@given(st.text(min_size=1))
def test_a_name_as_a_directory_is_legal(text: str) -> None:
    assert is_item_name(as_item_name(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HW1: Root finding", "HW1-Root-finding"),
        ("+1 / …", "1"),
        ("???", "assignment"),
        ("user", "assignment"),
        ("u\u0308ber", "über"),
        ("漢" * 90, "漢" * 64),
    ],
)
def test_names_of_moodle_as_directories(text: str, name: str) -> None:
    assert as_item_name(text) == name


def test_a_release_is_compared_by_name_and_content() -> None:
    release = {"A1.py": b"1", "data.csv": b"2", "A1.zip": b"whatever"}
    assert differences("A1", release, {"A1.py": b"1", "data.csv": b"2"}) == []
    assert differences("A1", release, {"A1.zip": zip_of({"A1.py": b"1", "data.csv": b"2"})}) == []
    assert differences("A1", release, {"A1.zip": zip_of({"A1/A1.py": b"1", "A1/data.csv": b"2"})}) == []
    found = differences("A1", release, {"A1.py": b"old", "extra.txt": b""})
    assert [(one.name, one.what) for one in found] == [
        ("A1.py", "different"),
        ("data.csv", "missing"),
        ("extra.txt", "extra"),
    ]


def test_directories_and_a_zip_for_the_notebook_are_compared_too() -> None:
    release = {
        "A1.py": b"1",
        "images/plot.png": b"2",
        "data.zip": zip_of({"a.csv": b"3"}),
        "A1.zip": b"whatever",
    }
    packed = {name: data for name, data in release.items() if name != "A1.zip"}
    assert differences("A1", release, {"A1.zip": zip_of(packed)}) == []
    assert differences("A1", release, packed) == []
    from_a_mac = {f"A1/{name}": data for name, data in packed.items()}
    from_a_mac |= {"__MACOSX/A1/._A1.py": b"x", "A1/.DS_Store": b"x"}
    assert differences("A1", release, {"A1.zip": zip_of(from_a_mac)}) == []
    found = differences("A1", release, {"A1.zip": zip_of(packed | {"images/plot.png": b"old"})})
    assert [(one.name, one.what) for one in found] == [("images/plot.png", "different")]


def test_a_zip_that_is_none_is_said_so() -> None:
    with pytest.raises(MoodleFailed, match="not a zip"):
        differences("A1", {"A1.py": b"1"}, {"A1.zip": b"<html>"})


def test_the_table_keeps_comments_and_what_others_wrote() -> None:
    text = (
        "# top\n[hub]\nport = 1 # why\n\n"
        '[[assignments]]\nname = "A1-Roots" # ours\nid = 1\nweight = 3\n\n[[assignments]]\nname = "Old one"\n'
    )
    after = updated(text, FOUND)
    entries = tomllib.loads(after)["assignments"]
    assert entries[0]["name"] == "A1-Roots"
    assert (entries[0]["weight"], entries[0]["cmid"], entries[0]["files"][1]["name"]) == (3, 3, "hw1.py")
    assert entries[1] == {"name": "Old one"}
    assert [entry["name"] for entry in entries[2:]] == [one.name for one in FOUND[1:]]
    assert after.startswith("# top\n[hub]\nport = 1 # why\n")
    assert "# ours" in after
    assert updated(after, FOUND) == after


def test_what_is_no_toml_is_left_alone() -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        updated("[[[", FOUND)
    with pytest.raises(ConfigError, match="no list of tables"):
        updated("assignments = 3\n", FOUND)


def submission(userid: int, groupid: int, file: str = "a.py") -> Submission:
    area = {"area": "submission_files", "files": [{"filename": file, "fileurl": "u"}] if file else []}
    plugins = [{"type": "file", "fileareas": [area]}]
    return Submission.model_validate({"userid": userid, "groupid": groupid, "plugins": plugins})


def test_a_teams_hand_in_is_that_of_each_member() -> None:
    ada, bob, eve, odd = (
        Person.model_validate({"id": number, "groups": [{"id": group} for group in groups]})
        for number, groups in ((5, [1]), (6, [1, 7]), (7, []), (8, [1, 2]))
    )
    one, two, rest = submission(0, 1), submission(0, 2), submission(0, 0)
    empty = submission(5, 0, "")  # what Moodle keeps for a member
    found = by_person([ada, bob, eve, odd], [empty, one, two, rest])
    assert found == {5: one, 6: one, 7: rest, 8: rest}
    assert of_nobody([ada, eve], [empty, one, two, rest]) == [two]
    own = submission(5, 0)
    assert by_person([ada, bob], [own]) == {5: own}


def test_what_a_service_lacks_is_told_by_command() -> None:
    whole = typed(Site, recorded("site_info_teacher"), "")
    assert needs.missing(whole) == []
    less = [f for f in whole.functions if f.name not in ("mod_assign_save_grade", "mod_assign_get_grades")]
    assert needs.missing(whole.model_copy(update={"functions": tuple(less), "uploads": False})) == [
        "mod_assign_get_grades (for upload-feedback, export)",
        "mod_assign_save_grade (for upload-feedback)",
        "uploading files (for submit, upload-feedback)",
    ]


def test_what_commands_need_is_what_is_called_and_what_the_docs_ask_for() -> None:
    needed = {function for functions in needs.FUNCTIONS.values() for function in functions}
    called = set(re.findall(r'"((?:core|mod)_\w+)"', inspect.getsource(client)))
    assert called == needed | {"core_webservice_get_site_info"}
    docs = (Path(__file__).parents[2] / "docs" / "moodle.md").read_text()
    assert called == set(re.findall(r"`((?:core|mod)_\w+)`", docs))
    assert {*needs.FUNCTIONS, "login"} == {*command.commands}


def test_html_is_compared_by_its_words() -> None:
    assert plain("<p>a &lt; b</p><p>c&nbsp;d</p>") == "a < b\nc d"
    assert same(as_html("a < b\n\nc"), "<p>a &lt; b</p>\n<p dir='ltr'>c</p>")
    assert not same(as_html("a"), "")


def test_tokens_are_kept_for_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    place = keys.keep("https://a.edu", "secret-a")
    keys.keep("https://b.edu", "secret-b")
    assert (keys.kept("https://a.edu"), keys.kept("https://b.edu"), keys.kept("https://c.edu")) == (
        "secret-a",
        "secret-b",
        None,
    )
    assert place.stat().st_mode & 0o777 == 0o600
    place.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.kept("https://a.edu")
