"""Nothing that a page says is left out of the translation: every page in a language made of brackets."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import httpx
import pytest

from mograder.course import Course
from mograder.hub.app import build
from mograder.hub.pages.language import speaking
from mograder.hub.pages.render import render
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher
from tests.pages.gallery import all_views
from tests.pages.pseudo import forgotten, pseudo
from tests.pages.sample import Sample
from tests.pages.sources import spoken
from tests.support.hub import PROXY_SECRET, by_proxy, make_course

_SAID = {"text", "sentence", "tip", "findings", "error", "mode_notice", "facts", "disk", "visibility", "problem",
         "integrity_warnings", "export_error", "trouble", "lead", "said", "empty", "label", "when"}  # fmt: skip
"""Fields of views that hold what was said before, by a route or by an error: the tests below look at those."""

ITEM = "A1-Answer"
CONFIG = '[hub]\ntitle = "Test course"\ninstructors = ["prof"]\ntrusted_proxies = ["127.0.0.1"]\n'
PAGES = ("", "?done=reset&item=A1-Answer", "account", "account?done=look", "logout", f"edit/{ITEM}", "run/L01-Intro",
         "history/prof/" + ITEM, "history/prof/" + ITEM + "?done=restored", "files/prof/" + ITEM + "?done=stored",
         "compare/prof/" + ITEM, "update/prof/" + ITEM + "?done=undone", "teach", "teach?done=sent", "teach/radar",
         "teach/radar?item=A1-Answer", "teach/people", "teach/people?q=nobody", "teach/tokens?done=revoked",
         "teach/audit", "teach/health", "teach/preview", "teach/stop-all", "teach/stop/edit/prof/" + ITEM,
         "teach/student/prof", "teach/help/prof/" + ITEM)  # fmt: skip
PROBLEMS = ("nowhere", "results/prof/" + ITEM, "edit/A9", "edit/CON", "teach/preview?at=never",
            "teach/people?format=pdf",
            "files/prof/" + ITEM + "/none.txt", "compare/prof/" + ITEM + "?old=none", "teach/radar?item=A9",
            "teach/tokens/x/revoke", "versions/prof/" + ITEM + "/none", "validate-report/prof/" + ITEM)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def brackets() -> Iterator[None]:
    with pseudo(), speaking("de"):
        yield


def texts(thing: Any, within: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a view, with the name of the field that it stands in."""
    if isinstance(thing, str):
        yield within, thing
    elif is_dataclass(thing):
        for field in fields(thing):
            yield from texts(getattr(thing, field.name), field.name)
    elif isinstance(thing, list | tuple):
        for one in thing:
            yield from texts(one, within)


@pytest.mark.parametrize("name", sorted(all_views(Sample())))
def test_every_template_marks_all_that_it_says(name: str) -> None:
    view = all_views(Sample())[name]
    held = list(texts(view))
    said = {text for field, text in held if field in _SAID}
    assert forgotten(render(view), said, {text for _, text in held}) == []


def test_what_is_not_marked_is_found_wherever_it_is_shown_or_read_out() -> None:
    page = """<title>⟦A⟧ – A1 of B</title><p>⟦Two <bdi>x</bdi> of ⟦y⟧⟧ ok <b>3 MB</b></p>
        <a title="Go">–</a><time>Fri</time>"""
    assert forgotten(page, named={"A1"}) == ["ok", "– of B", "Go"]


@pytest.mark.parametrize("address", [*PAGES, *PROBLEMS])
def test_every_page_of_a_hub_marks_all_that_it_says(pages: dict[str, httpx.Response], address: str) -> None:
    page = pages[address]
    assert (page.status_code >= 400) == (address in PROBLEMS), page.text
    named = {"Test course", ITEM, "L01-Intro", "prof", "Hello"}
    assert forgotten(page.text, named=named) == []
    assert '<html lang="de"' in page.text


def test_no_error_that_a_page_may_show_hides_its_words_from_the_translators() -> None:
    wrong = [
        f"{file}:{line}"
        for file, line, text in spoken()
        if isinstance(text, ast.JoinedStr | ast.BinOp) or ast.unparse(text).startswith("str(")
    ]
    assert wrong == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, httpx.Response]:
    """Every page of a hub, as one of its instructors sees it who has a copy, too."""
    course = Course.load(make_course(tmp_path_factory.mktemp("course"), CONFIG))
    hub = build(combine(course, Options(), "s" * 40, PROXY_SECRET), ProcessLauncher())
    hub.settings.notebooks_dir.mkdir(exist_ok=True)

    async def ask() -> dict[str, httpx.Response]:
        transport = httpx.ASGITransport(hub.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub", headers=by_proxy("prof")
        ) as client:
            (await client.post(f"download-release/prof/{ITEM}")).raise_for_status()
            (await client.post("teach/message", data={"text": "Hello"})).raise_for_status()
            client.headers.update({"Accept": "text/html", "Accept-Language": "de"})
            return {one: await client.get(one) for one in (*PAGES, *PROBLEMS)}

    try:
        return asyncio.run(ask())
    finally:
        hub.engine.dispose()
