"""``bench.pages``: a small class looks at a small course."""

from __future__ import annotations

import pytest

from bench import pages

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]


def test_the_list_and_the_dashboard_are_measured() -> None:
    sheet = pages.main(students=5, items=3, copies=2, seconds=0.3, loads=1)
    assert [measure.name for measure in sheet.measures] == [
        "GET /assignments, each",
        "dashboard, one at a time",
        "dashboard, first contentful paint",
    ]
    assert all(row["product"] > 0 and row["alternative"] > 0 for row in (m.row() for m in sheet.measures))
