"""``mograder moodle …`` as people type it, against a Moodle over HTTP: ``mograder.cli.moodle``, ``moodle_teach``,
``moodle_room``, ``writing``; and the comparison in ``mograder hub publish``."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.moodle.conftest import Run
from tests.support.hub import NOTEBOOK, bare_course, running
from tests.support.moodle import COURSE, FakeMoodle, Mode


def told(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert "TOKEN-" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_token_is_kept_after_it_was_tried(
    run: Run, moodle: FakeMoodle, tmp_path: Path, course: Path
) -> None:
    assert "name and password" in refused(
        run("", "login", "--url", moodle.url, "--user", "student1", given="wrong\n")
    )
    assert "not signed in" in refused(run("", "fetch", "HW1", "-C", course))
    said = told(run("", "login", "--url", moodle.url, "--user", "student1", given="right\n"))
    assert "Ada Ähm" in said
    assert "TOKEN" not in said
    assert (tmp_path / "config/mograder/moodle.json").stat().st_mode & 0o777 == 0o600
    assert "hw1.py" in told(run("", "fetch", "HW1", "-C", course))
    told(run("", "login", "--url", moodle.url, "--with-token", given="TOKEN-teacher1\n"))
    assert "does not know this token" in refused(
        run("", "login", "--url", moodle.url, "--with-token", given="x\n")
    )


def test_what_a_tokens_service_lacks_is_told_when_it_is_kept(run: Run, moodle: FakeMoodle) -> None:
    moodle.not_in_service |= {"mod_assign_save_grade", "core_enrol_get_enrolled_users"}
    done = run("", "login", "--url", moodle.url, "--with-token", given="TOKEN-teacher1\n")
    assert "You are Tess Teacher" in told(done)
    assert (
        "lacks core_enrol_get_enrolled_users (for sync-users), mod_assign_save_grade (for upload-feedback)"
        in (done.stderr)
    )
    moodle.not_in_service.clear()
    done = run("", "login", "--url", moodle.url, "--with-token", given="TOKEN-teacher1\n")
    assert (done.returncode, done.stderr) == (0, "")


NO_LIST = "does not let this account do that (mod_assign_list_participants)"


@pytest.mark.parametrize(
    ("who", "words", "said"),
    [
        ("outsider", ["sync"], "not enrolled or does not have requested capability"),
        ("outsider", ["upload", "HW1", "--no-open"], "not enrolled or does not have requested capability"),
        ("outsider", ["sync-users", "--dry-run"], "not in that course on Moodle"),
        ("student1", ["fetch-submissions", "HW1"], NO_LIST),
        ("student1", ["upload-feedback", "HW1", "marks.csv"], NO_LIST),
        ("student1", ["export", "HW1"], NO_LIST),
        ("student1", ["fetch", "HW3"], "No assignment on Moodle fits"),
    ],
)
def test_who_may_not_is_told_what_and_nothing_is_done(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path, who: str, words: list[str], said: str
) -> None:
    (tmp_path / "marks.csv").write_text("user,grade\n5,10\n")
    release(course, {"HW1-Root-finding.py": NOTEBOOK.format(title="t"), "data.csv": "1"})
    moodle.hand_in(1, 6, {"hw1.py": b"bob"})
    before = sorted((path, path.is_dir() or path.read_bytes()) for path in course.rglob("*"))
    done = run(who, *words, "-C", course)
    assert said in refused(done)
    assert done.stdout == ""
    assert sorted((path, path.is_dir() or path.read_bytes()) for path in course.rglob("*")) == before
    assert moodle.marks == {}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("mod_assign_save_grade", ["upload-feedback", "HW1", "marks.csv"]),
        ("mod_assign_get_submissions", ["fetch-submissions", "HW1"]),
        ("core_enrol_get_enrolled_users", ["sync-users", "--dry-run"]),
    ],
)
def test_a_function_that_the_service_lacks_is_named(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path, function: str, words: list[str]
) -> None:
    (tmp_path / "marks.csv").write_text("user,grade\n5,10\n")
    moodle.not_in_service.add(function)
    done = run("teacher1", *words, "-C", course)
    assert refused(done)
    assert f"add {function} to the service" in done.stderr
    assert moodle.marks == {}


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("slow", "does not answer in time"),
        ("maintenance", "maintained"),
        ("html", "did not answer as"),
        ("null", ""),
    ],
)
def test_no_command_does_half_of_it_with_a_moodle_in_trouble(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path, mode: Mode, said: str
) -> None:
    (tmp_path / "marks.csv").write_text("user,grade\n5,10\n")
    config = course / "mograder.toml"
    config.write_text(config.read_text() + "timeout = 1\n")
    before = config.read_text()
    moodle.mode = mode
    for who, *words in (
        ("teacher1", "sync"),
        ("teacher1", "sync-users", "--dry-run"),
        ("teacher1", "upload-feedback", "HW1", "marks.csv"),
        ("teacher1", "export", "HW1"),
        ("student1", "submit", "HW1", "marks.csv"),
    ):
        done = run(who, *words, "-C", course)
        assert said in refused(done)
        assert done.stdout == ""
    assert config.read_text() == before
    assert sorted(path.name for path in course.iterdir()) == ["mograder.toml"]
    assert (moodle.marks, moodle.handed_in) == ({}, {})


def test_assignments_are_written_into_the_course_with_comments_kept(run: Run, course: Path) -> None:
    before = (course / "mograder.toml").read_text()
    shown = told(run("teacher1", "sync", "-C", course, "--dry-run"))
    assert '+name = "HW1 Root finding"' in shown
    assert (course / "mograder.toml").read_text() == before
    told(run("teacher1", "sync", "-C", course))
    after = (course / "mograder.toml").read_text()
    assert after.startswith(before.rstrip("\n"))
    assert [entry["id"] for entry in tomllib.loads(after)["assignments"]] == [1, 2, 3, 4, 5]
    assert "has all of it already" in told(run("teacher1", "sync", "-C", course))


@pytest.mark.parametrize("mode", ["maintenance", "html", "off", "damaged"])
def test_no_error_page_ever_becomes_a_notebook(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path, mode: Mode
) -> None:
    told(run("student1", "fetch", "HW1", "-C", course))
    mine = tmp_path / "HW1-Root-finding" / "hw1.py"
    mine.write_text("my work\n")
    moodle.mode = mode
    refused(run("student1", "fetch", "HW1", "-C", course))
    assert mine.read_text() == "my work\n"
    moodle.mode = "ok"
    assert "yours is kept as hw1." in told(run("student1", "fetch", "HW1", "-C", course))
    assert {path.read_text() for path in mine.parent.glob("hw1*.py")} == {"my work\n", "import marimo\n"}
    assert "yours is kept" not in told(run("student1", "fetch", "HW1", "-C", course))


def test_a_hand_in_is_reported_when_moodle_has_it(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path
) -> None:
    (tmp_path / "hw1.py").write_text("x = 1\n")
    said = told(run("student1", "submit", "HW1", "hw1.py", "-C", course))
    assert "Moodle has hw1.py (6 bytes)" in said
    moodle.forgetful.add("mod_assign_save_submission")
    (tmp_path / "hw1.py").write_text("x = 2\n")
    assert "said yes, but does not have" in refused(run("student1", "submit", "HW1", "hw1.py", "-C", course))
    assert (
        "no assignment on moodle fits"
        in refused(run("student1", "submit", "HW9", "hw1.py", "-C", course)).casefold()
    )
    assert run("student1", "submit", "HW1", "-C", course).returncode == 2


def test_marks_and_comments_go_there_and_back(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path
) -> None:
    (tmp_path / "ada.html").write_text("<p>look</p>")
    marks = tmp_path / "marks.csv"
    marks.write_text("user,grade,comment,file\nstudent1@example.org,87.5,Well <done>,ada.html\n6,61,,\n")
    assert "2 marks would be given" in told(
        run("teacher1", "upload-feedback", "HW1", marks, "-C", course, "--dry-run")
    )
    assert moodle.marks == {}
    assert "all 2 marks" in told(run("teacher1", "upload-feedback", "HW1", marks, "-C", course))
    said = told(run("student1", "feedback", "HW1", "-C", course))
    assert "87.50 / 100.00" in said
    assert "Well <done>" in said
    assert (tmp_path / "feedback/HW1-Root-finding/ada.html").read_text() == "<p>look</p>"
    assert "no feedback yet" in told(run("student3", "feedback", "HW1", "-C", course))
    rows = list(csv.DictReader(io.StringIO(told(run("hubservice", "export", "HW1", "-C", course)))))
    assert {row["username"]: row["grade"] for row in rows} == {
        "student1": "87.5",
        "student2": "61",
        "student3": "",
    }
    assert len(json.loads(told(run("teacher1", "export", "HW1", "-C", course, "--format", "json")))) == 3


def test_a_number_that_may_mean_two_people_is_a_mark_for_neither(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path
) -> None:
    moodle.people[6]["idnumber"] = "5"  # and 5 is Moodle's number of somebody else
    (tmp_path / "marks.csv").write_text("user,grade\n5,10\n")
    done = run("hubservice", "upload-feedback", "HW1", "marks.csv", "-C", course)
    assert "marks.csv:2: 5 may be any of Ada Ähm, Bob O'Brien; nothing was sent" in refused(done)
    assert moodle.marks == {}


def test_a_comment_of_several_lines_keeps_them(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path
) -> None:
    (tmp_path / "marks.csv").write_bytes(b'\xef\xbb\xbfuser,grade,comment\r\n5,10,"Good.\r\nBut slow."\r\n')
    told(run("teacher1", "upload-feedback", "HW1", "marks.csv", "-C", course))
    assert moodle.marks[1, 5]["comment"] == "<p>Good.</p><p>But slow.</p>"
    assert "\nGood.\nBut slow.\n" in told(run("student1", "feedback", "HW1", "-C", course))


def test_a_comment_that_moodle_did_not_keep_is_told_with_whose_it_was(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path
) -> None:
    (tmp_path / "marks.csv").write_text("user,grade,comment\n5,10,Good\n6,20,\n")
    moodle.loses.add("comment")
    done = run("teacher1", "upload-feedback", "HW1", "marks.csv", "-C", course)
    assert "all of what was to be given to 5." in refused(done)
    assert "5: Moodle has the mark, but does not have the comment as it was sent" in done.stderr
    assert done.stdout == ""
    moodle.loses.clear()
    assert (
        "HW5 Blind: Moodle has all 2 marks. It does not show the comments and files of 1 of them yet."
        in told(run("teacher1", "upload-feedback", "HW5", "marks.csv", "-C", course))
    )
    moodle.assignment(1)["grade"] = -2
    done = run("teacher1", "upload-feedback", "HW1", "marks.csv", "-C", course)
    assert "marked by words of a scale on Moodle, not by points. Nothing was sent." in refused(done)


def test_a_teams_hand_in_is_exported_for_each_member_and_fetched_once(
    run: Run, course: Path, moodle: FakeMoodle
) -> None:
    moodle.hand_in(4, 5, {"hw4.py": b"ours", "old/hw4.py": b"first try"})
    rows = list(csv.DictReader(io.StringIO(told(run("teacher1", "export", "HW4", "-C", course)))))
    assert {(row["email"], row["team"], row["files"]) for row in rows} == {
        ("student1@example.org", "Tutorial A", "hw4.py old/hw4.py"),
        ("student2@example.org", "Tutorial A", "hw4.py old/hw4.py"),
        ("student3@example.org", "", ""),
    }
    moodle.assignment(4)["blindmarking"] = 1  # then Moodle does not say who is in which group
    rows = json.loads(told(run("teacher1", "export", "HW4", "-C", course, "--format", "json")))
    assert [(row["name"], row["team"], row["files"]) for row in rows if row["files"]] == [
        ("", "1", "hw4.py old/hw4.py")
    ]
    told(run("teacher1", "fetch-submissions", "HW4", "-C", course))
    place = course / "submitted/HW4/group-1"
    assert (place / "hw4.py").read_text() == "ours"
    assert (place / "old/hw4.py").read_text() == "first try"


def test_a_file_that_can_have_no_place_here_does_not_stop_the_others(
    run: Run, course: Path, moodle: FakeMoodle
) -> None:
    moodle.hand_in(1, 5, {".profile": b"x", "hw1.py": b"ada"})
    moodle.hand_in(1, 6, {"hw1.py": b"bob"})
    done = run("teacher1", "fetch-submissions", "HW1", "-C", course)
    assert '1 files were left out: student1@example.org: ".profile"' in refused(done)
    assert "2 files are new" in done.stdout
    assert sorted(path.name for path in course.glob("submitted/HW1/*/*")) == ["hw1.py", "hw1.py"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("stranger@example.org,50", "not among those"),
        ("student1,50", "of people this account sees: e-mail address, Moodle's own number."),
        ("student1@example.org,150", "between 0 and 100"),
        ("student1@example.org,good", "no mark"),
        ("student1@example.org,1\n5,2", "several rows"),
    ],
)
def test_a_table_of_marks_is_sent_whole_or_not_at_all(
    run: Run, course: Path, moodle: FakeMoodle, tmp_path: Path, row: str, said: str
) -> None:
    marks = tmp_path / "marks.csv"
    marks.write_text(f"user,grade\nstudent2@example.org,10\n{row}\n")
    assert said in refused(run("teacher1", "upload-feedback", "HW1", marks, "-C", course))
    assert moodle.marks == {}


def test_hand_ins_are_fetched_and_nothing_here_is_lost(run: Run, course: Path, moodle: FakeMoodle) -> None:
    moodle.hand_in(1, 5, {"hw1.py": b"first"})
    moodle.hand_in(1, 6, {"hw1.py": b"bob"})
    told(run("teacher1", "fetch-submissions", "HW1", "-C", course))
    place = course / "submitted/HW1/student1@example.org"
    assert (place / "hw1.py").read_text() == "first"
    moodle.hand_in(1, 5, {"hw1.py": b"second"})
    assert "1 files are new, 1 were here" in told(run("teacher1", "fetch-submissions", "HW1", "-C", course))
    assert {path.read_text() for path in place.iterdir()} == {"first", "second"}


def test_the_roster_of_moodle_may_enter_and_a_key_that_is_hidden_is_said(
    run: Run, course: Path, course_root: Path
) -> None:
    said = refused(run("teacher1", "sync-users", "-C", course, "--key", "username", "--dry-run"))
    assert "username of 4 of 5 people" in said
    names = told(run("hubservice", "sync-users", "-C", course, "--key", "username", "--dry-run")).split()
    assert names == ["student1", "student2", "student3", "ta1", "teacher1"]
    config = course / "mograder.toml"
    config.write_text(config.read_text() + 'key = "idnumber"\n')
    names = told(run("hubservice", "sync-users", "-C", course, "--dry-run")).split()
    assert names == ["s001", "s002", "s003", "t001", "t002"]
    config.write_text(config.read_text().replace("idnumber", "email") + "strip_domain = true\n")
    assert "student1" in told(run("teacher1", "sync-users", "-C", course, "--dry-run")).split()
    whole = told(run("teacher1", "sync-users", "-C", course, "--whole", "--dry-run")).split()
    assert "student1@example.org" in whole
    secret = "0123456789abcdef" * 4
    with running(bare_course(course_root / "roster", ""), env={"MOGRADER_HUB_SECRET": secret}) as hub:
        words = ["hub", "-C", str(hub.course), "generate-token", "prof", "--role", "instructor"]
        made = subprocess.run(
            [sys.executable, "-m", "mograder", *words],
            env={"MOGRADER_HUB_SECRET": secret, "PATH": "/usr/bin"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        there = {"MOGRADER_HUB_URL": hub.url, "MOGRADER_HUB_INSTRUCTOR_TOKEN": made.stdout.strip()}
        said = told(run("teacher1", "sync-users", "-C", course, "--strip-domain", **there))
        assert "5 people" in said
        listed = (hub.course / "allowed_users.txt").read_text()
        assert {"student1", "ta1"} <= set(listed.split())


def release(course: Path, files: dict[str, str]) -> None:
    directory = course / "release" / "HW1-Root-finding"
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)


def test_the_file_to_attach_is_made_and_the_page_named(run: Run, course: Path, moodle: FakeMoodle) -> None:
    release(course, {"HW1-Root-finding.py": NOTEBOOK.format(title="t"), "data.csv": "1"})
    dry = told(run("teacher1", "upload", "HW1", "-C", course, "--dry-run"))
    assert f"{moodle.url}/course/modedit.php?update=3" in dry
    made = course / "release/HW1-Root-finding/HW1-Root-finding.zip"
    assert not made.exists()
    assert str(made) in told(run("teacher1", "upload", "HW1", "-C", course, "--no-open"))
    assert made.exists()


def publish(course: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mograder",
        "hub",
        "-C",
        str(course),
        "publish",
        "HW1",
        "--dry-run",
        *words,
    ]
    env = {"MOGRADER_MOODLE_TOKEN": "TOKEN-teacher1", "PATH": "/usr/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_publishing_stops_where_moodle_has_something_else(run: Run, course: Path, moodle: FakeMoodle) -> None:
    notebook = NOTEBOOK.format(title="t")
    release(course, {"HW1-Root-finding.py": notebook, "data.csv": "1"})
    said = publish(course)
    assert said.returncode == 1
    assert "not on Moodle" in said.stderr
    assert "on Moodle, not in the release" in said.stderr
    assert "nothing was sent" in said.stderr
    told(publish(course, "--force"))
    moodle.attach(1, {"HW1-Root-finding.py": notebook.encode(), "data.csv": b"1"})
    assert "is the same on Moodle" in publish(course).stderr
    told(publish(course))
    moodle.attach(1, {"HW1-Root-finding.py": notebook.encode(), "data.csv": b"2"})
    assert "other content on Moodle" in publish(course).stderr
    told(run("teacher1", "upload", "HW1", "-C", course, "--no-open"))
    zipped = (course / "release/HW1-Root-finding/HW1-Root-finding.zip").read_bytes()
    moodle.attach(1, {"HW1-Root-finding.zip": zipped})
    told(publish(course))
    moodle.mode = "maintenance"
    assert "can not be compared" in refused(publish(course))


def test_a_release_with_directories_is_the_same_on_moodle_as_its_zip(
    run: Run, course: Path, moodle: FakeMoodle
) -> None:
    """The round: ``generate``, attach what ``moodle upload`` says, ``publish``."""
    source = course / "source" / "HW1-Root-finding"
    (source / "images").mkdir(parents=True)
    (source / "HW1-Root-finding.py").write_text(NOTEBOOK.format(title="t"))
    (source / "images" / "plot.png").write_bytes(b"PNG")
    made = subprocess.run(
        [sys.executable, "-m", "mograder", "generate", "-C", str(course), "HW1", "--no-validate"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    attached = course / "release/HW1-Root-finding/HW1-Root-finding.zip"
    for with_generates_zip in (True, False):
        if not with_generates_zip:
            attached.unlink()
        assert str(attached) in told(run("teacher1", "upload", "HW1", "-C", course, "--no-open"))
        moodle.attach(1, {attached.name: attached.read_bytes()})
        said = publish(course)
        assert said.returncode == 0, said.stderr
        assert "is the same on Moodle" in said.stderr
        assert "images/plot.png" in said.stderr
    (course / "release/HW1-Root-finding/images/plot.png").write_bytes(b"another")
    assert "images/plot.png" in publish(course).stderr
    assert "other content on Moodle" in publish(course).stderr


def test_what_is_missing_is_asked_for(run: Run, tmp_path: Path, moodle: FakeMoodle) -> None:
    assert "Which Moodle?" in refused(run("teacher1", "fetch", "HW1"))
    assert "--course-id" in refused(run("teacher1", "fetch", "HW1", "--url", moodle.url))
    assert "hw1.py" in told(run("teacher1", "fetch", "HW1", "--url", moodle.url, "--course-id", COURSE))
