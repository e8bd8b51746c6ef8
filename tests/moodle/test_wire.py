"""The protocol, with every way in which Moodle says no: ``mograder.moodle.wire`` and ``answers``."""

from __future__ import annotations

import pytest

from mograder.errors import MoodleFailed
from mograder.moodle import wire
from mograder.moodle.answers import Assignments, typed
from mograder.moodle.wire import Wire, flattened, site_url, token_for
from tests.support.moodle import FakeMoodle, Mode, nested, recorded


def test_parameters_are_written_as_moodle_reads_them() -> None:
    written = flattened({"a": [{"b": 1}, {"b": None}], "c": True, "d": "ä", "e": None})
    assert written == {"a[0][b]": "1", "c": "1", "d": "ä"}
    assert nested(list(written.items())) == {"a": {"0": {"b": "1"}}, "c": "1", "d": "ä"}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("token", "function", "code"),
    [
        ("TOKEN-nobody", "core_webservice_get_site_info", "invalidtoken"),
        ("TOKEN-teacher1", "core_no_such_function", None),
        ("TOKEN-student1", "mod_assign_save_grade", "nopermissions"),
        ("TOKEN-teacher1", "mod_assign_get_submission_status", "invalidparameter"),
    ],
)
def test_a_refusal_with_status_200_is_an_error(
    moodle: FakeMoodle, old: bool, token: str, function: str, code: str | None
) -> None:
    moodle.old = old
    with Wire(moodle.url, token) as line, pytest.raises(MoodleFailed) as refused:
        line.call(function)
    assert refused.value.code == (code or ("invalidrecord" if old else "invalidrecordunknown"))
    assert token not in str(refused.value)


def test_a_function_outside_the_service_is_named(moodle: FakeMoodle) -> None:
    moodle.not_in_service.add("core_webservice_get_site_info")
    with (
        Wire(moodle.url, "TOKEN-teacher1") as line,
        pytest.raises(MoodleFailed, match="core_webservice_get_site_info"),
    ):
        line.call("core_webservice_get_site_info")


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("maintenance", "maintained"),
        ("html", "did not answer as Moodle"),
        ("empty", "did not answer as Moodle"),
        ("off", "switched off"),
        ("redirect", "elsewhere.example.edu"),
        ("slow", "in time"),
    ],
)
def test_a_moodle_in_trouble_is_said_in_a_sentence(moodle: FakeMoodle, mode: Mode, said: str) -> None:
    moodle.mode = mode
    with Wire(moodle.url, "TOKEN-teacher1", timeout=0.5) as line:
        for ask in (
            lambda: line.call("core_webservice_get_site_info"),
            lambda: line.upload({"a.py": b"x"}),
            lambda: line.download(
                f"{moodle.url}/webservice/pluginfile.php/19/mod_assign/introattachment/0/hw1.py"
            ),
        ):
            with pytest.raises(MoodleFailed, match=said):
                ask()


def test_a_moodle_that_is_away_is_said_in_a_sentence() -> None:
    with (
        Wire("http://127.0.0.1:9", "TOKEN-x") as line,
        pytest.raises(MoodleFailed, match="can not be reached"),
    ):
        line.call("core_webservice_get_site_info")


def test_a_file_comes_whole_from_where_the_token_belongs(moodle: FakeMoodle) -> None:
    file = moodle.assignment(1)["introattachments"][0]
    assert file["fileurl"].startswith("https://moodle.example.edu/")  # not where this Moodle is reached
    with Wire(moodle.url, "TOKEN-student1") as line:
        assert line.download(file["fileurl"]) == b"a,b\n1,2\n"
        with pytest.raises(MoodleFailed, match="not the address of a file"):
            line.download("https://elsewhere.example.edu/steal")


def test_a_damaged_file_and_an_error_are_no_files(moodle: FakeMoodle) -> None:
    url = f"{moodle.url}/pluginfile.php/19/mod_assign/introattachment/0/hw1.py"
    with (
        Wire(moodle.url, "TOKEN-nobody") as line,
        pytest.raises(MoodleFailed, match="does not know this token"),
    ):
        line.download(url)
    with Wire(moodle.url, "TOKEN-student1") as line:
        assert line.download(url) == b"import marimo\n"
        with pytest.raises(MoodleFailed, match="not on Moodle any more"):
            line.download(url.replace("hw1", "nope"))
        moodle.mode = "damaged"
        with pytest.raises(MoodleFailed, match="damaged"):
            line.download(url)


def test_a_file_without_its_hash_is_measured(moodle: FakeMoodle) -> None:
    """A proxy on the way may take the ETag off."""
    url = f"{moodle.url}/pluginfile.php/19/mod_assign/introattachment/0/hw1.py"
    with Wire(moodle.url, "TOKEN-student1") as line:
        moodle.mode = "bare"
        assert line.download(url, 14) == line.download(url) == b"import marimo\n"
        moodle.mode = "cut"
        with pytest.raises(MoodleFailed, match="damaged"):
            line.download(url, 14)


@pytest.mark.parametrize(("token", "said"), [("student1", "hw3"), ("outsider", "hw1")])
def test_a_file_of_what_is_hidden_or_of_another_course_is_refused(
    moodle: FakeMoodle, token: str, said: str
) -> None:
    moodle.attach(3, {"hw3.py": b"hidden"})
    with Wire(moodle.url, "TOKEN-teacher1") as line:
        assert line.download(moodle.assignment(3)["introattachments"][0]["fileurl"]) == b"hidden"
    with (
        Wire(moodle.url, f"TOKEN-{token}") as line,
        pytest.raises(MoodleFailed, match="no access to that course"),
    ):
        line.download(
            f"/pluginfile.php/{'21' if said == 'hw3' else '19'}/mod_assign/introattachment/0/{said}.py"
        )


def test_a_file_that_is_too_big_is_said_so(moodle: FakeMoodle) -> None:
    moodle.max_upload = 10
    with (
        Wire(moodle.url, "TOKEN-student1") as line,
        pytest.raises(MoodleFailed, match="larger than this Moodle"),
    ):
        line.upload({"hw1.py": b"x" * 11})


def test_what_php_throws_has_no_code_and_is_an_error_all_the_same() -> None:
    with pytest.raises(MoodleFailed, match=r"Moodle refused \(f\): Too few arguments\. *$"):
        wire._judged({"exception": "ArgumentCountError", "message": "Too few arguments."}, "f")


def test_a_right_that_is_missing_is_named() -> None:
    said = recorded("save_grade_student")
    with pytest.raises(MoodleFailed, match=r"do that \(mod_assign_save_grade: Grade assignment\)"):
        wire._judged(said, "mod_assign_save_grade")


def test_a_file_that_moodle_did_not_take_is_an_error(
    moodle: FakeMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moodle, "upload", lambda *_: recorded("upload_same_name_again"))
    with Wire(moodle.url, "TOKEN-student1") as line, pytest.raises(MoodleFailed, match="already exists"):
        line.upload({"hw1.py": b"x"})
    monkeypatch.setattr(moodle, "upload", lambda *_: [])
    with Wire(moodle.url, "TOKEN-student1") as line, pytest.raises(MoodleFailed, match="did not take"):
        line.upload({"hw1.py": b"x"})


def test_a_token_is_given_for_the_right_password_alone(moodle: FakeMoodle) -> None:
    assert token_for(moodle.url, "student1", "right", "marimo_hub") == "TOKEN-student1"
    with pytest.raises(MoodleFailed, match="name and password"):
        token_for(moodle.url, "student1", "wrong", "marimo_hub")
    with pytest.raises(MoodleFailed, match="web service"):
        token_for(moodle.url, "student1", "right", "nope")


@pytest.mark.parametrize(
    "text", ["moodle.example.edu", "ftp://x", "https://", "https://me@x.edu", "http://x.edu"]
)
def test_a_token_is_not_sent_just_anywhere(text: str) -> None:
    with pytest.raises(MoodleFailed):
        site_url(text)


def test_an_answer_of_another_form_is_an_error() -> None:
    with pytest.raises(MoodleFailed, match="courses"):
        typed(Assignments, {"warnings": []}, "the list of assignments")
    found = typed(Assignments, recorded("assignments_teacher"), "the list of assignments")
    assert [one.name for one in found.courses[0].assignments][:2] == ["HW1 Root finding", "HW2 Workflow"]
