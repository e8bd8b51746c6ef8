"""mograder.hub.pages.render: a view becomes HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from mograder.hub.pages import teach_views, version_views, views
from mograder.hub.pages.assets import packed, static_table
from mograder.hub.pages.language import LANGUAGES, speaking
from mograder.hub.pages.render import _TEMPLATES, content_security_policy, render
from tests.pages.gallery import all_views
from tests.pages.sample import LATER, NOW, Sample

VIEWS = all_views(Sample())
PAGE = views.Page("Course", "alice", "student")


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_page_that_can_be_shown_is_in_the_gallery() -> None:
    """Whoever adds a page adds its picture: the checks of looks, sizes and accessibility run over the gallery."""
    assert {type(view) for view in VIEWS.values()} == set(_TEMPLATES)


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_holds_nothing_inline(name: str) -> None:
    for tag, attributes in Elements(render(VIEWS[name])).found:
        assert tag not in ("style", "base", "iframe")
        assert tag != "script" or attributes.get("src")
        assert "style" not in attributes
        assert not any(attribute.startswith("on") for attribute in attributes)


def below(view: Any, root: str) -> Any:
    """The view of a page that lies deeper; of a preview the page in it, too."""
    if isinstance(view, teach_views.Preview):
        view = replace(view, shown=below(view.shown, root))
    return replace(view, page=replace(view.page, root=root))


@pytest.mark.parametrize("name", VIEWS)
def test_every_address_is_relative_to_the_hub(name: str) -> None:
    view = below(VIEWS[name], "../../")
    elsewhere = getattr(view, "onward", None)  # the login's own end is at the login
    for _, attributes in Elements(render(view)).found:
        for attribute in ("href", "src", "action", "formaction"):
            address = attributes.get(attribute)
            assert address in (None, elsewhere) or address.startswith(("../../", "#")), (attribute, address)


@pytest.mark.parametrize("name", VIEWS)
def test_ids_are_unique_and_references_lead_somewhere(name: str) -> None:
    elements = Elements(render(VIEWS[name])).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    if isinstance(VIEWS[name], teach_views.Preview):
        ids.append("act")  # what is inert belongs to no form: it does nothing, whatever a browser makes of it
    for _, attributes in elements:
        for attribute in ("aria-labelledby", "aria-describedby", "form"):
            assert attributes.get(attribute, "main") in ids


@pytest.mark.parametrize("name", [name for name in VIEWS if "hostile" in name])
def test_names_are_text_and_never_markup(name: str) -> None:
    html = render(VIEWS[name])
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_post_carries_the_proof_of_origin_if_there_is_one() -> None:
    without = version_views.History(PAGE, "alice", "A1", NOW)
    assert 'name="csrf"' not in render(without)
    html = render(replace(without, page=replace(PAGE, csrf='proof"')))
    posts = len(re.findall(r'<form[^>]* method="post"', html))
    assert posts == html.count('<input type="hidden" name="csrf" value="proof&#34;">') == 2


def test_a_sign_out_form_is_there_when_there_is_an_address_for_it() -> None:
    problem = views.Problem(PAGE, 404, "No.")
    assert "Sign out" not in render(problem)
    html = render(replace(problem, page=replace(PAGE, sign_out="sign-out", root="../")))
    assert '<form method="post" action="../sign-out">' in html


def test_code_in_what_a_check_says_is_set_apart_and_stays_text() -> None:
    result = views.Check("Q1 `<b>`", "danger", ("`u[1:-1]` has *two* ends, `", "a ` b"))
    html = render(replace(VIEWS["report"], checks=(result,)))
    assert "<bdi>Q1 <code>&lt;b&gt;</code></bdi>" in html
    assert "<bdi><code>u[1:-1]</code> has *two* ends, `</bdi>" in html
    assert "<bdi>a ` b</bdi>" in html


def test_nobody_is_named_when_nobody_is_signed_in() -> None:
    assert 'class="who"' not in render(VIEWS["problem-401"])


def test_a_notice_about_the_mode_is_on_every_page() -> None:
    for view in VIEWS.values():
        page = replace(view.page, mode_notice="Development mode: anybody may enter.")
        assert "Development mode: anybody may enter." in render(replace(view, page=page))


def test_a_start_asks_again_without_scripts_only_while_it_is_under_way() -> None:
    assert '<noscript><meta http-equiv="refresh"' in render(VIEWS["start"])
    assert "refresh" not in render(VIEWS["start-failed"])
    begun = views.Start(PAGE, "A1", "edit", "start-edit-deep/A1", "edit/user/alice/A1/")
    assert "refresh" not in render(begun)
    assert 'action="start-edit-deep/A1"' in render(begun)


def test_a_row_says_its_state_due_date_and_last_check() -> None:
    row = views.ItemRow(
        "A1", "One", "modified", True, True, NOW + LATER, views.Tally(3, 5), True, False, True
    )
    html = render(views.Dashboard(PAGE, NOW, (row,)))
    for words in (
        "Changed since export",
        "in 1 day",
        "3 of 5 checks pass",
        "Editor open",
        "Update available",
    ):
        assert words in html
    assert "Hidden from students" in html


def test_an_instructor_sees_whose_session_it_is_and_can_stop_it() -> None:
    page = replace(PAGE, user="ina", role="instructor")
    session = views.SessionRow("bob", "A1", "edit", "edit/user/bob/A1/", NOW)
    html = render(views.Dashboard(page, NOW, sessions=(session,)))
    assert "<bdi>bob</bdi>" in html
    assert 'formaction="stop-edit/bob/A1" aria-label="Stop A1 of bob"' in html


@pytest.mark.parametrize("code", LANGUAGES)
def test_thirty_assignments_stay_below_sixty_kilobytes_with_everything_that_they_load(code: str) -> None:
    """Each row with all that a row can say. On a real hub in a browser: ``test_budget``."""
    row = views.ItemRow(
        "A", "Introduction", "modified", True, True, NOW, views.Tally(3, 5), True, False, True, "96 of 100 MB"
    )
    rows = tuple(
        replace(row, name=f"A{n:02}-Introduction", title=f"Introduction number {n}", due=NOW + n * LATER)
        for n in range(30)
    )
    with speaking(code):
        html = render(replace(Sample().dashboard(), assignments=rows))
    loaded = [packed(url, "gzip") or data for url, (data, _) in static_table().items() if url in html]
    assert len(loaded) == 5
    assert len(html.encode()) + sum(map(len, loaded)) < 60_000


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    policy = content_security_policy()
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
