"""A course in which one student has begun everything, and every row of the dashboard has all that a row can have."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser

from mograder.hub.history import digest
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable, OriginTable, ResultTable, StoredResult
from tests.support.environments import lend
from tests.support.hub import NOTEBOOK, by_proxy, publish

STUDENT = "ada"


def full_course(root: Path, items: int = 30) -> Path:
    """Make it. Each copy was exported, changed since, checked, and fills its disk; each item was published anew."""
    root.mkdir(parents=True)
    lend(root, "marimo")
    lines = ["[hub]", 'title = "Scientific Machine Learning"', "session_disk_mb = 8"]
    engine = open_database(root / ".mograder" / "hub.db")
    copies, origins, results = CopyTable(engine), OriginTable(engine), ResultTable(engine)
    for number in range(items):
        name = f"A{number:02}-Introduction-To-Learning"
        before, mine, now = (
            NOTEBOOK.format(title=f"{word} {number}").encode() for word in ("Old", "My", "New")
        )
        publish(root, name, now.decode())
        place = root / "hub-notebooks" / STUDENT / name
        place.mkdir(parents=True)
        (place / f"{name}.py").write_bytes(mine)
        with (place / "data.bin").open("wb") as file:
            file.truncate(7_900_000)
        copies.set_base(STUDENT, name, digest(before))
        origins.put(STUDENT, name, "an earlier release", None)
        copies.set_exported(STUDENT, name, digest(before))
        results.put(STUDENT, name, StoredResult(digest(mine), time.time(), 3, 5, "{}"))
        due = int(time.time()) + number * 86_400
        lines += ["[[assignments]]", f'name = "{name}"', f"duedate = {due}"]
    engine.dispose()
    (root / "mograder.toml").write_text("\n".join(lines) + "\n")
    return root


def first_paint(browser: Browser, url: str, user: str = STUDENT) -> float:
    """Milliseconds from the request to the first content on the screen, for somebody who comes for the first time."""
    with browser.new_context(base_url=url, extra_http_headers=by_proxy(user)) as context:
        page = context.new_page()
        page.goto(url)
        return float(
            page.evaluate(
                """new Promise((done) => new PerformanceObserver((list) => list.getEntries()
                    .filter(({ name }) => name === "first-contentful-paint").forEach((entry) => done(entry.startTime)))
                    .observe({ type: "paint", buffered: true }))"""
            )
        )


def paints(browser: Browser, ours: str, other: str, loads: int) -> tuple[list[float], list[float]]:
    """`first_paint` of two pages, in turn: whatever else the machine does, it does to both."""
    first_paint(browser, ours)
    first_paint(browser, other)
    found = [(first_paint(browser, ours), first_paint(browser, other)) for _ in range(loads)]
    return [pair[0] for pair in found], [pair[1] for pair in found]
