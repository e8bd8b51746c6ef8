"""``mograder.course``: the gate through which every name from outside passes."""

from __future__ import annotations

import contextlib
import os
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mograder.course import (
    Course,
    file_name,
    find_item,
    is_item_name,
    is_user_name,
    item_name,
    list_items,
    shown,
    user_name,
)
from mograder.errors import ConfigError, NameRefused, NotFound

ANY_TEXT = st.text(st.characters(), max_size=80)  # lone surrogates too
NASTY = st.text(st.sampled_from("aZ0._-+@/\\\0\n\x1b\u202e\u200b é𝔘\ud800:~%"), max_size=80)


def accepted(check: object, text: str) -> bool:
    with contextlib.suppress(NameRefused):
        assert check(text) == text  # type: ignore[operator]
        return True
    return False


@given(ANY_TEXT | NASTY)
@example("𝔘" * 64)
@example("user")
@example("a.")
def test_an_item_name_is_harmless_in_a_path_a_url_and_a_command(text: str) -> None:
    if accepted(item_name, text):
        assert 1 <= len(text) <= 64
        assert not text.startswith((".", "-", "+"))
        assert not set(text) & set("/\\\0\n\r\t '\"<>&;|$`%?#:~@")
        assert text.isprintable()
        assert unicodedata.normalize("NFC", text) == text
        assert text.casefold() != "user"
        assert file_name(f"{text}.py")
        assert file_name(f"{text}.zip")


@given(ANY_TEXT | NASTY)
def test_a_user_name_is_harmless_in_a_path_and_a_header(text: str) -> None:
    if accepted(user_name, text):
        assert not text.startswith((".", "-", "+", "@"))
        assert not set(text) & set("/\\\0\n\r\t '\"<>&;|$`%?#:~,")
        assert len(os.fsencode(text)) <= 192


@given(ANY_TEXT | NASTY)
def test_a_file_name_names_one_visible_file_in_its_directory(text: str) -> None:
    if accepted(file_name, text):
        assert Path("/base", text).name == text
        assert Path("/base", text).parent == Path("/base")
        assert not text.startswith(".")
        assert len(text.splitlines()) == 1


@given(st.text("aé漢𝔘0", min_size=1, max_size=64))
def test_every_accepted_name_can_be_made_on_disk(text: str) -> None:
    if accepted(item_name, text):
        with tempfile.TemporaryDirectory() as place:
            (Path(place) / text).mkdir()
            (Path(place) / text / f"{text}.py").touch()


@pytest.mark.parametrize("name", ["A1", "A1-Intro-to-SciML", "L01_Übung", "1", "a.b+c", "_draft", "漢字"])
def test_ordinary_item_names_are_accepted(name: str) -> None:
    assert item_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../A1", "A1/..", "a b", "-rf", "a\n", "a\0", "A1.", "user", "USER", "u\u0308ber", "a" * 65,
     "a\u202eb", "%2e%2e", "a@b", "a\\b", "/etc", "漢" * 65, "𝔘" * 64, "\ud800"],
)  # fmt: skip
def test_item_names_that_could_do_harm_are_refused(name: str) -> None:
    with pytest.raises(NameRefused) as caught:
        item_name(name)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["ada", "ada@uni.example", "s1234567", "o.meara-2", "user"])
def test_ordinary_user_names_are_accepted(name: str) -> None:
    assert user_name(name) == name
    assert is_user_name(name)


@pytest.mark.parametrize("name", ["", "@ada", "ada lovelace", "ada/bob", "(null)", "ada,bob", "ada\r\nX: y"])
def test_user_names_that_could_do_harm_are_refused(name: str) -> None:
    assert not is_user_name(name)


@pytest.mark.parametrize(
    "name", [".env", "a/b", "a\\b", "", "a\nb", "a\x7f", "a\u200bb", "x" * 201, "é" * 101]
)
def test_file_names_that_could_do_harm_are_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        file_name(name)


@given(st.text(st.characters()))
def test_what_is_shown_is_one_short_printable_line(text: str) -> None:
    line = shown(text)
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert len(line) <= 83
    line.encode()


def test_bidi_marks_and_escape_sequences_are_not_shown() -> None:
    assert shown("a\u202eb\x1b[31m\n") == '"a�b�[31m�"'


def course(root: Path, text: str = "") -> Course:
    (root / "mograder.toml").write_text(text)
    return Course.load(root)


def test_a_course_has_absolute_directories(tmp_path: Path) -> None:
    found = course(tmp_path, '[hub]\nnotebooks_dir = "work"\nrelease_dir = "/srv/published"\n')
    assert found.source_dir == tmp_path / "source"
    assert found.release_dir == tmp_path / "release"
    assert found.notebooks_dir == tmp_path / "work"
    assert found.published_dir == Path("/srv/published")
    assert found.state_dir == tmp_path / ".mograder"


def test_a_course_is_called_what_it_says_or_as_its_directory(tmp_path: Path) -> None:
    assert course(tmp_path).title == tmp_path.name
    assert course(tmp_path, '[hub]\ntitle = "Waves"\n').title == "Waves"


def test_a_directory_without_configuration_is_no_course(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a course directory"):
        Course.load(tmp_path)


@pytest.fixture
def items(tmp_path: Path) -> Path:
    for name in ("A1-Intro", "A10-Waves", "A2-Heat", "A2-Sound", "L01", "user", ".hidden", "not an item"):
        (tmp_path / name).mkdir()
    (tmp_path / "A3").write_text("a file")
    return tmp_path


def test_items_are_the_directories_with_legal_names(items: Path) -> None:
    assert list_items(items) == ["A1-Intro", "A10-Waves", "A2-Heat", "A2-Sound", "L01"]


def test_a_missing_directory_holds_no_items(tmp_path: Path) -> None:
    assert list_items(tmp_path / "nowhere") == []


def test_an_item_is_found_by_its_name_or_its_prefix_up_to_a_dash(items: Path) -> None:
    assert find_item(items, "L01") == "L01"
    assert find_item(items, "A1") == "A1-Intro"
    assert find_item(items, "A10") == "A10-Waves"


def test_a_prefix_that_fits_several_items_lists_them(items: Path) -> None:
    with pytest.raises(NotFound, match=r"fits several items.*A2-Heat, A2-Sound"):
        find_item(items, "A2")


@pytest.mark.parametrize("text", ["A", "A9", "a1"])
def test_what_fits_nothing_lists_what_there_is(items: Path, text: str) -> None:
    with pytest.raises(NotFound, match="There: A1-Intro, A10-Waves"):
        find_item(items, text)


def test_a_crafted_name_is_refused_before_the_disk_is_looked_at(items: Path) -> None:
    with pytest.raises(NameRefused):
        find_item(items, "../" + items.name)


def test_the_checks_that_answer_yes_or_no_agree_with_those_that_raise() -> None:
    assert is_item_name("A1")
    assert not is_item_name("user")
