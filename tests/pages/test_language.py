"""The languages of the pages: ``mograder.hub.pages.language``."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mograder.hub.pages import words
from mograder.hub.pages.language import (
    COOKIE,
    LANGUAGES,
    choose,
    gettext,
    language,
    ngettext,
    speaking,
    texts,
)
from mograder.hub.pages.render import render
from tests.pages.gallery import all_views
from tests.pages.sample import NOW, Sample
from tests.pages.texts import LOCALE, extracted, known

PLACES = re.compile(r"%\(\w+\)s|\{\w*\}")
OTHERS = sorted(LOCALE.glob("*.po"))


def test_every_language_has_its_texts() -> None:
    assert [path.stem for path in OTHERS] == sorted(set(LANGUAGES) - {"en"})


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_every_text_is_translated_and_none_is_left_over(path: Path) -> None:
    wanted = {message.id: message for message in extracted() if message.id}
    there = {message.id: message for message in known(path) if message.id}
    assert wanted.keys() == there.keys(), "run python -m tests.pages.texts"
    for text, message in there.items():
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        asked = text if isinstance(text, tuple) else (text,)
        assert all(said), text
        assert not message.fuzzy, text
        for one in said:
            assert set(PLACES.findall(one)) <= {place for form in asked for place in PLACES.findall(form)}, (
                text
            )
        assert set(PLACES.findall(said[-1])) == set(PLACES.findall(asked[-1])), text


@pytest.mark.parametrize(
    ("cookie", "wanted", "language"),
    [
        ("", "", "en"),
        ("", "de-CH,de;q=0.9,en;q=0.8", "de"),
        ("", "fr,en;q=0.5,de;q=0.7", "de"),
        ("", "de;q=0,en", "en"),
        ("", "nonsense;;q=x, ,*", "en"),
        (f"{COOKIE}=en", "de", "en"),
        (f"x=1; {COOKIE}=de", "en", "de"),
        (f"{COOKIE}=../../etc", "de", "de"),
    ],
)
def test_the_language_is_chosen_or_the_browsers(cookie: str, wanted: str, language: str) -> None:
    assert choose(cookie, wanted) == language


def test_a_language_is_spoken_for_a_while() -> None:
    with speaking("de"):
        assert (language(), gettext("Assignments"), ngettext("student", "students", 2)) == (
            "de",
            "Aufgaben",
            "Personen",
        )
        assert texts()["Undo"] == "Rückgängig"
        with speaking("tlh"):
            assert language() == "en"
    assert (gettext("Assignments"), texts()) == ("Assignments", {})


def test_times_and_sizes_are_said_as_the_language_does() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    with speaking("de"):
        assert words.ago(now - timedelta(days=3), now) == "vor 3 Tagen"
        assert words.time_left(now + timedelta(hours=1), now) == "in 1 Stunde"
        assert words.lasting(7200) == "2 Stunden"
        assert words.size(12_345) == "12,3 kB"
        assert "Nov" in words.day(now)
        assert words.day(now).startswith("Di")


@pytest.mark.parametrize("name", sorted(all_views(Sample())))
def test_every_page_is_there_in_german(name: str) -> None:
    view = all_views(Sample())[name]
    english = render(view)
    with speaking("de"):
        german = render(view)
    assert '<html lang="de"' in german
    assert german != english.replace('lang="en"', 'lang="de"')
    assert "%(" not in german
    assert german.count("<bdi>") >= english.count("<bdi>") - 2


def test_a_percent_sign_in_what_others_wrote_is_a_percent_sign() -> None:
    row = replace(Sample().assignments[0], title="100 %(s) of it", name="A1-%s")
    view = replace(Sample().dashboard(), assignments=(row,), now=NOW)
    assert "100 %(s) of it" in render(view)
