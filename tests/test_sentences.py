"""``mograder.sentences``: said in English, told in another language."""

from __future__ import annotations

import copy
import json

import pytest

from mograder.errors import Forbidden, MograderError, NotFound, UnsafeNotebook
from mograder.sentences import Sentence, joined, packed, told, unpacked

GERMAN = {
    "{item} is gone: {why}.": "{item} ist weg: {why}.",
    "it was {how}": "sie war {how}",
    "full": "voll",
    "{message} Tip: {tip}": "{message} Tipp: {tip}",
    "There is no file {name}.": "Es gibt keine Datei {name}.",
    "look in {name}/.": "sieh in {name}/ nach.",
}


def german(text: str) -> str:
    return GERMAN.get(text, text)


def test_a_sentence_is_the_english_text_and_can_be_told_in_another_language() -> None:
    said = Sentence("{item} is gone: {why}.", item="A1", why=Sentence("it was {how}", how=Sentence("full")))
    assert said == "A1 is gone: it was full."
    assert type(str(said)) is str
    assert told(said, german) == "A1 ist weg: sie war voll."


def test_data_in_a_sentence_stays_as_it_is_whatever_it_looks_like() -> None:
    said = Sentence("{item} is gone: {why}.", item="{why}", why="full")
    assert told(said, german) == "{why} ist weg: full."
    assert Sentence("no value, {braces}") == "no value, {braces}" == told("no value, {braces}", german)
    assert Sentence("it was {how}", how=ValueError("odd")).values == {"how": "odd"}


def test_several_sentences_are_told_each_by_itself() -> None:
    said = joined([Sentence("full"), "{plain}", Sentence("it was {how}", how=1)])
    assert said == "full; {plain}; it was 1"
    assert told(said, german) == "voll; {plain}; sie war 1"
    assert (joined([]), joined([Sentence("full")])) == ("", "full")


def test_a_plain_text_is_its_own_template_but_not_within_data() -> None:
    assert told("full", german) == "voll"
    assert told({"label": "full", "why": [Sentence("full")]}, german) == {"label": "full", "why": ["voll"]}
    assert told(None, german) is None


@pytest.mark.parametrize("way", [lambda one: unpacked(json.loads(json.dumps(packed(one)))), copy.deepcopy])
def test_a_sentence_goes_to_another_process_and_into_the_database_and_comes_back(way) -> None:  # type: ignore[no-untyped-def]
    said = Sentence("{item} is gone: {why}.", item="A{1}", why=Sentence("it was {how}", how=3))
    result = way({"warnings": [said, "plain"], "ok": True, "none": None})
    assert result == {"warnings": ["A{1} is gone: it was 3.", "plain"], "ok": True, "none": None}
    assert told(result["warnings"], german) == ["A{1} ist weg: sie war 3.", "plain"]


def test_an_error_says_its_message_and_tip_in_english_and_keeps_how_they_were_made() -> None:
    error = NotFound("There is no file {name}.", tip="look in {name}/.", name="x")
    assert str(error) == "There is no file x. Tip: look in x/."
    assert (error.message, error.tip) == ("There is no file x.", "look in x/.")
    assert told(error.whole, german) == "Es gibt keine Datei x. Tipp: sieh in x/ nach."


def test_an_error_with_a_plain_message_is_as_it_always_was() -> None:
    assert str(MograderError("Nothing {here}.")) == "Nothing {here}."
    assert str(Forbidden("No.", tip="ask")) == "No. Tip: ask"
    refused = UnsafeNotebook("{name} is no good.", findings=["one"], name="A1")
    assert (str(refused), refused.findings, refused.tip) == ("A1 is no good.", ["one"], None)


def test_an_error_made_from_another_ones_sentence_keeps_it() -> None:
    first = NotFound("There is no file {name}.", name="x")
    assert told(MograderError(first.message).message, german) == "Es gibt keine Datei x."
    around = MograderError("{item} is gone: {why}.", item="A1", why=first.message)
    assert told(around.whole, german) == "A1 ist weg: Es gibt keine Datei x.."
