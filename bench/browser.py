"""In Chromium: from the click on Edit to a notebook whose cells have run, what crossed the wire, what was asked for.

With an empty cache and, for a second notebook, with the cache that the first one left; beside plain marimo, and beside
a hub that lets each session serve marimo's files itself (marimo under two base URLs of one address).
"""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.conftest import ARGUMENTS, CHROMIUM
from tests.support.hub import RunningHub, make_demo, running

from bench.report import Measure, Sheet
from bench.sessions import ITEM, interpreter, plain_process

SECOND = "A2-Heat-Again"
"""The same notebook under another name: the second one that a student opens."""

LAST = "Q4: name that metal"
"""Shown by the last check of the demo assignment."""


@dataclass
class Visit:
    """One notebook opened. ``seconds`` from the click; ``requests`` that left the browser, and ``assets`` of them for
    marimo's files, with the ``megabytes`` that came back."""

    seconds: float = 0.0
    requests: int = 0
    assets: int = 0
    megabytes: float = 0.0
    cached: set[str] = field(default_factory=set)


Pair = tuple[Visit, Visit]
"""The first notebook, with an empty cache, and the second one."""


def main(rounds: int = 5) -> Sheet:
    """Each round is a new visitor, who opens two notebooks one after the other."""
    sheet = Sheet("In the browser: click on Edit to all cells run")
    with (
        tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name,
        sync_playwright() as playwright,
    ):
        root = Path(name)
        course = make_demo(root / "course")
        _second_item(course)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        sheet.head()
        with running(course) as hub:
            _on_the_hub(browser, hub)  # the first start of an environment waits for its warm process
            python, release = interpreter(course), course / "hub-release" / ITEM
            ours, plain, unshared = [], [], []
            for number in range(rounds):
                ours.append(_on_the_hub(browser, hub))
                plain.append(_plainly(browser, python, release, root / f"plain{number}", same_address=False))
                unshared.append(_plainly(browser, python, release, root / f"hub{number}", same_address=True))
        for other, visits in (("plain marimo", plain), ("no shared files", unshared)):
            for which, word in ((0, "empty cache"), (1, "second notebook")):
                _compare(sheet, word, other, [pair[which] for pair in ours], [pair[which] for pair in visits])
        browser.close()
    return sheet


def _compare(sheet: Sheet, word: str, other: str, ours: list[Visit], theirs: list[Visit]) -> None:
    def of(what: Callable[[Visit], float]) -> tuple[list[float], list[float]]:
        return [what(visit) for visit in ours], [what(visit) for visit in theirs]

    note = f"other: {other}"
    sheet.add(Measure(f"{word}: click to all cells run", "s", *of(lambda visit: visit.seconds), note))
    sheet.add(Measure(f"{word}: on the wire", "MB", *of(lambda visit: visit.megabytes), note))
    assets = statistics.median(visit.assets for visit in ours)
    note += f"; of ours for marimo's files: {assets:.0f}"
    sheet.add(Measure(f"{word}: requests", "", *of(lambda visit: visit.requests), note))


def _second_item(course: Path) -> None:
    place = course / "hub-release" / SECOND
    shutil.copytree(course / "hub-release" / ITEM, place)
    (place / f"{ITEM}.py").rename(place / f"{SECOND}.py")
    listing = place / "files.json"
    listing.write_text(listing.read_text().replace(f"{ITEM}.py", f"{SECOND}.py"))


@contextmanager
def _counted(context: BrowserContext, page: Page) -> Iterator[Visit]:
    """Counts what leaves the browser for ``page``, by Chromium's own account of its network."""
    visit = Visit()
    urls: dict[str, str] = {}
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def sent(event: dict[str, Any]) -> None:
        urls[event["requestId"]] = event["request"]["url"]

    def cached(event: dict[str, Any]) -> None:
        visit.cached.add(event["requestId"])

    def answered(event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache") or event["response"].get("fromPrefetchCache"):
            visit.cached.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        url = urls.get(event["requestId"], "")
        if event["requestId"] in visit.cached or not url.startswith("http"):
            return
        visit.requests += 1
        visit.assets += "/assets/" in url
        visit.megabytes += event["encodedDataLength"] / 1e6

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.requestServedFromCache", cached)
    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", finished)
    yield visit
    session.detach()


def _on_the_hub(browser: Browser, hub: RunningHub) -> Pair:
    context = browser.new_context()
    dashboard = context.new_page()
    # What a dashboard fetches in idle moments would flatter the first notebook: a student may click at once.
    dashboard.route("**/_marimo/**", lambda route: route.abort())
    dashboard.goto(hub.url)
    for item in (ITEM, SECOND):
        row = dashboard.locator(f'li[data-key="{item}"]')
        row.get_by_role("button", name=re.compile("^Download")).click()
        row.get_by_role("link", name=re.compile("^Edit")).first.wait_for()
    user = dashboard.locator(".who bdi").inner_text()
    visits = []
    for item in (ITEM, SECOND):
        link = dashboard.locator(f'li[data-key="{item}"]').get_by_role("link", name=re.compile("^Edit")).first
        target = link.get_attribute("href") or ""
        page = context.new_page()
        with _counted(context, page) as visit:
            begun = time.perf_counter()
            page.goto(hub.url + target.lstrip("./"))
            _until_run(page)
            visit.seconds = time.perf_counter() - begun
        visits.append(visit)
        page.close()
        context.request.post(f"{hub.url}stop-edit/{user}/{item}")
    context.close()
    return visits[0], visits[1]


def _plainly(browser: Browser, python: Path, release: Path, place: Path, *, same_address: bool) -> Pair:
    context = browser.new_context()
    visits: list[Visit] = []
    port = 0
    for number in (1, 2):
        shutil.copytree(
            release, place / str(number), ignore=shutil.ignore_patterns(".*", "*.zip", "files.json")
        )
        base = f"/edit/user/student/A{number}" if same_address else ""
        server = plain_process(python, place / str(number) / f"{ITEM}.py", port if same_address else 0, base)
        port = server.port
        page = context.new_page()
        with _counted(context, page) as visit:
            page.goto(f"http://127.0.0.1:{server.port}{base}/")
            _until_run(page)
            visit.seconds = time.perf_counter() - server.begun
        visits.append(visit)
        page.close()
        server.process.terminate()
        server.process.wait(30)
    context.close()
    return visits[0], visits[1]


def _until_run(page: Page) -> None:
    page.get_by_text(LAST).first.wait_for(state="attached", timeout=120_000)
