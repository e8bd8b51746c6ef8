"""A reader of German gets German, whatever answers them; a program gets the contract's English."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mograder.course import Course
from mograder.errors import SessionFailed
from mograder.hub.api import forms
from mograder.hub.api.events import encode
from mograder.hub.app import Hub, build
from mograder.hub.pages.language import speaking, tell
from mograder.hub.settings import Options, combine
from mograder.hub.store.state import ResultTable, StoredResult
from mograder.sentences import Sentence, packed
from mograder.sessions.engine.protocol import Ended
from mograder.sessions.launchers.process import ProcessLauncher
from mograder.sessions.launchers.warm import sentence
from mograder.sessions.progress import Event
from mograder.sessions.progress import sentence as last_words
from mograder.validation.model import ValidationResult
from tests.support.hub import PROXY_SECRET, by_proxy, make_course

SECRET = "canary-of-the-secret-" + "x" * 32
CONFIG = '[hub]\ntrusted_proxies = ["127.0.0.1"]\ninstructors = ["prof"]\nrequests_per_minute = 20\n'
GERMAN = {"Accept-Language": "de-CH,de;q=0.9"}
PAGE = {**GERMAN, "Accept": "text/html"}
SCRIPT = {**GERMAN, "Accept": "application/json", "X-CSRF-Token": forms.token(SECRET, "alice")}
PROGRAM = {**GERMAN, "Accept": "application/json"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    course = Course.load(make_course(tmp_path / "course", CONFIG))
    hub = build(combine(course, Options(), SECRET, PROXY_SECRET), ProcessLauncher())
    hub.settings.notebooks_dir.mkdir(exist_ok=True)
    yield hub
    hub.engine.dispose()


def ask(
    hub: Hub, *requests: tuple[str, str, dict[str, str]], user: str | None = "alice", **more: Any
) -> list[httpx.Response]:
    """What the hub answers, one request after another."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(hub.app, raise_app_exceptions=False)
        named = {} if user is None else by_proxy(user)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=named) as client:
            return [
                await client.request(method, path, headers=headers, **more)
                for method, path, headers in requests
            ]

    return asyncio.run(run())


def detail(answer: httpx.Response) -> str:
    return str(answer.json()["detail"])


def test_an_error_page_is_german_from_its_title_to_its_tip(hub: Hub) -> None:
    (page,) = ask(hub, ("GET", "/results/alice/A1-Answer", PAGE))
    for words in (
        'lang="de"',
        "Hier ist nichts",
        "A1-Answer wurde noch nicht geprüft.",
        "<b>Tipp:</b> drücke auf „Prüfen“.",
    ):
        assert words in page.text


def test_what_a_pages_script_shows_is_german_and_what_a_program_reads_is_english(hub: Hub) -> None:
    missing = ("POST", "/reset/alice/A1-Answer")
    shown, read, chosen = ask(
        hub, (*missing, SCRIPT), (*missing, PROGRAM), (*missing, {**SCRIPT, "Cookie": "mograder_language=en"})
    )
    assert (
        detail(shown)
        == "Du hast keine Kopie von A1-Answer, die sich zurücksetzen ließe. Tipp: drücke auf „Herunterladen“."
    )
    assert detail(read) == detail(chosen) == "You have no copy of A1-Answer to reset. Tip: press Download."


def test_a_refused_upload_says_each_line_in_german(hub: Hub) -> None:
    text = (
        b"import marimo\n\napp = marimo.App()\n\n\n@app.cell\ndef _():\n    import subprocess\n    return\n"
    )
    (answer,) = ask(hub, ("POST", "/upload/alice/A1-Answer", SCRIPT), files={"file": ("A1-Answer.py", text)})
    line = "Zeile 8: `import subprocess` hat in Kursarbeiten nichts zu suchen."
    assert answer.json()["unsafe"] == [line]
    assert f"A1-Answer.py wurde nicht angenommen: {line} Tipp: entferne diese Zeilen" in detail(answer)
    (answer,) = ask(
        hub, ("POST", "/upload/alice/A1-Answer", SCRIPT), files={"file": ("A1-Answer.py", b"def (")}
    )
    assert "Das ist kein Python" in detail(answer)


def test_who_is_refused_before_any_route_is_told_in_german_too(hub: Hub) -> None:
    stranger, other, elsewhere = ask(hub, ("GET", "/", PAGE), user=None) + ask(
        hub,
        ("GET", "/teach", PAGE),
        ("POST", "/reset/alice/A1-Answer", {**SCRIPT, "Origin": "http://evil.example"}),
    )
    assert "Bitte melde dich an: niemand ist angemeldet." in stranger.text
    assert "alice darf das nicht: nur Lehrende dürfen den ganzen Kurs sehen und steuern." in other.text
    assert (
        detail(elsewhere) == "Diese Anfrage kam von einer anderen Website und wurde darum nicht ausgeführt."
    )
    late = ask(hub, *[("GET", "/account", PAGE)] * 30)[-1]
    assert late.status_code == 429
    assert '<html lang="de">' in late.text and "alice fragt zu viel auf einmal." in late.text


def test_a_fault_of_the_hubs_own_is_told_in_german(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.app.state.logins, "of", lambda user: 1 / 0)
    page, answer = ask(hub, ("GET", "/account", PAGE), ("GET", "/account", PROGRAM))
    assert "Im Hub ging etwas schief." in page.text and 'lang="de"' in page.text
    assert detail(answer) == "Something went wrong in the hub. It was noted; your work is safe."


def test_a_result_that_was_kept_is_told_in_the_language_of_whoever_looks(hub: Hub) -> None:
    warning = Sentence(
        "Line {line}: {cell} was changed, and is not meant to be.", line=7, cell=Sentence("The setup cell")
    )
    result = ValidationResult(
        integrity_warnings=(warning,), export_error=Sentence("The validation was called off.")
    )
    kept = StoredResult("0" * 64, 0.0, 0, 0, json.dumps(packed(result.to_json())))
    ResultTable(hub.engine).put("alice", "A1-Answer", kept)
    german, english = ask(
        hub,
        ("GET", "/results/alice/A1-Answer", PAGE),
        ("GET", "/results/alice/A1-Answer", {"Accept": "text/html"}),
    )
    assert "Zeile 7: Die Setup-Zelle wurde geändert und soll es nicht." in german.text
    assert "Die Prüfung wurde abgebrochen." in german.text
    assert "Line 7: The setup cell was changed, and is not meant to be." in english.text


def test_a_table_is_german_to_read_and_to_search_and_english_to_take_away(hub: Hub) -> None:
    page, found, none, csv = ask(
        hub,
        ("GET", "/teach/people", PAGE),
        ("GET", "/teach/people?q=lehrperson", PAGE),
        ("GET", "/teach/people?q=nobody", PAGE),
        ("GET", "/teach/people?format=csv", PAGE),
        user="prof",
    )
    assert "Darf hinein" in page.text and "<span>ja</span>" in page.text
    assert "Lehrperson" in found.text and "<bdi>prof</bdi>" in found.text
    assert "<bdi>prof</bdi></a></td>" not in none.text
    header, prof, *_ = csv.text.lstrip("\ufeff").splitlines()
    assert header == "Name,Role,May enter,Last seen,Begun,Checks passed"
    assert prof.startswith("prof,instructor,yes,")


def test_the_hubs_health_is_told_in_german_and_taken_away_in_english(hub: Hub) -> None:
    page, export = ask(
        hub, ("GET", "/teach/health", PAGE), ("GET", "/teach/health?format=json", PAGE), user="prof"
    )
    for words in (
        "Inhalt A1-Answer",
        "Aufgabe, Dateien: 2, von Hand hingelegt: Der erste Start probiert die Pakete aus",
        "mograder hub publish probiert sie aus, bevor jemand es öffnet",
    ):
        assert words in page.text
    item = next(row for row in export.json() if row["What"] == "item A1-Answer")
    assert item["Detail"] == "assignment, 2 files, put up by hand: the first start tries its packages"
    assert item["What to do"] == "mograder hub publish tries them before anybody opens it"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Ended("s", "memory", 0, "512 MiB"), "Es brauchte mehr Arbeitsspeicher, als es darf (512 MiB)"),
        (Ended("s", "disk", 0, Sentence("more than {size} MiB", size=9)), "als es darf (mehr als 9 MiB)"),
        (Ended("s", "engine"), "Der Teil des Hubs, der Notebooks ausführt, wurde neu gestartet."),
        (Ended("s", "", -9), "Sein Server wurde von Signal 9 beendet."),
    ],
)
def test_the_end_of_a_notebook_is_told_in_german(end: Ended, words: str) -> None:
    with speaking("de"):
        assert words in tell(sentence(end))


def test_the_events_of_a_start_are_german_for_a_reader_of_german() -> None:
    why = Sentence("Its server ended with status {number}.", number=3)
    error = SessionFailed("The notebook {item} could not be started. {why}", item="A1", why=why)
    event = Event("failed", last_words(error))
    with speaking("de"):
        assert (
            "Das Notebook A1 ließ sich nicht starten. Sein Server endete mit Status 3."
            in json.loads(encode(event).split(b"data: ")[1])["detail"]
        )
    assert b"The notebook A1 could not be started. Its server ended with status 3." in encode(event)
