"""mograder.hub.pages.render: a view becomes HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mograder.hub.pages import version_views, views
from mograder.hub.pages.assets import packed, static_table
from mograder.hub.pages.render import content_security_policy, render
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


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_holds_nothing_inline(name: str) -> None:
    for tag, attributes in Elements(render(VIEWS[name])).found:
        assert tag not in ("style", "base", "iframe")
        assert tag != "script" or attributes.get("src")
        assert "style" not in attributes
        assert not any(attribute.startswith("on") for attribute in attributes)


@pytest.mark.parametrize("name", VIEWS)
def test_every_address_is_relative_to_the_hub(name: str) -> None:
    view = VIEWS[name]
    page = replace(view.page, root="../../")
    for _, attributes in Elements(render(replace(view, page=page))).found:
        for attribute in ("href", "src", "action", "formaction"):
            address = attributes.get(attribute)
            assert address is None or address.startswith(("../../", "#")), (attribute, address)


@pytest.mark.parametrize("name", VIEWS)
def test_ids_are_unique_and_references_lead_somewhere(name: str) -> None:
    elements = Elements(render(VIEWS[name])).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        for attribute in ("aria-labelledby", "aria-describedby", "form"):
            assert attributes.get(attribute, "main") in ids


def test_names_are_text_and_never_markup() -> None:
    html = render(VIEWS["dashboard-hostile"])
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


def test_thirty_assignments_stay_below_sixty_kilobytes_with_everything_that_they_load() -> None:
    rows = tuple(
        views.ItemRow(
            f"A{n:02}-Introduction",
            f"Introduction number {n}",
            "modified",
            True,
            True,
            NOW + n * LATER,
            views.Tally(3, 5),
        )
        for n in range(30)
    )
    html = render(replace(Sample().dashboard(), assignments=rows))
    loaded = [packed(url, "gzip") or data for url, (data, _) in static_table().items() if url in html]
    assert len(loaded) == 4
    assert len(html.encode()) + sum(map(len, loaded)) < 60_000


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    policy = content_security_policy()
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
