"""Attacks from pages in a real browser: another site's, a student's notebook's, and a report that student's code wrote.

Whoever opens these pages is signed in at the hub by its cookie, which a browser sends along from another port of the
same host, too: there it is the hub that refuses. Each attack is the body of an async function that returns
what it got; nothing or an exception is a failure.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.attacks.bare import bare_page
from tests.support.hub import NOTEBOOK, RunningHub, by_proxy, make_course, running
from tests.support.students import Student

pytestmark = [pytest.mark.real, pytest.mark.browser]

CONFIG = '[hub]\ntitle = "Test course"\ntrusted_proxies = ["127.0.0.1"]\ninstructors = ["prof"]\n'
RULE = "a change must come from one of the hub's own pages"
SCRIPT = """async ([hub, victim]) => {{
    const pause = () => new Promise((go) => setTimeout(go, 500));
    const within = (promise) => Promise.race([promise, new Promise((go) => setTimeout(go, 3000))]);
    try {{ return String((await within((async () => {{ {body} }})())) || '') }} catch (error) {{ return '' }} }}"""
CHANGE = "download-release/"

SEEN_FROM_ANOTHER_SITE = {
    "read a page": "return await (await fetch(hub, {credentials: 'include'})).text()",
    "read the api": "return await (await fetch(hub + 'assignments', {credentials: 'include'})).text()",
    "include the api as a script": """return await new Promise((yes, no) => {
        const s = document.createElement('script'); s.src = hub + 'assignments';
        s.onload = () => yes('loaded'); s.onerror = no; document.head.append(s) })""",
    "open the victim's websocket": """return await new Promise((yes, no) => {
        const s = new WebSocket(hub.replace('http', 'ws') + `edit/user/${victim}/A1-Answer/ws?session_id=s_evil1`);
        s.onopen = () => yes('open'); s.onerror = no })""",
    "listen to a start": """return await new Promise((yes, no) => {
        const s = new EventSource(hub + `events/edit/${victim}/A1-Answer`, {withCredentials: true});
        s.addEventListener('ready', () => yes('heard')); s.onerror = no })""",
    "hold a window of the hub": """const w = window.open(hub, 'held'); await pause(); await pause();
        return w.closed ? '' : w.frames.length + w.location.href""",
}
CHANGES_FROM_ANOTHER_SITE = {
    "fetch": f"await fetch(hub + '{CHANGE}' + victim + '/A1-Answer', {{method: 'POST', credentials: 'include'}})",
    "fetch without reading": f"""await fetch(hub + '{CHANGE}' + victim + '/A1-Answer', {{method: 'POST',
        mode: 'no-cors', credentials: 'include', body: new URLSearchParams({{csrf: 'x'}})}})""",
    "beacon": f"navigator.sendBeacon(hub + '{CHANGE}' + victim + '/A1-Answer', new URLSearchParams({{a: 1}}))",
    "form": "send(document, 'application/x-www-form-urlencoded', '_self')",
    "form with files": "send(document, 'multipart/form-data', '_self')",
    "form of text": "send(document, 'text/plain', '_self')",
    "form in a frame": """const f = document.createElement('iframe'); f.name = 'f'; document.body.append(f);
        send(document, 'application/x-www-form-urlencoded', 'f')""",
    "form in a window": "send(document, 'application/x-www-form-urlencoded', '_blank')",
    "form from nowhere": """const f = document.createElement('iframe'); f.sandbox = 'allow-scripts allow-forms';
        f.srcdoc = `<form method=post action="${target}"></form><script>document.forms[0].submit()</` + 'script>';
        document.body.append(f)""",
}
SEND = f"""const target = hub + '{CHANGE}' + victim + '/A1-Answer';
    const send = (document, kind, where) => {{ const f = document.createElement('form');
        f.method = 'post'; f.enctype = kind; f.action = target; f.target = where;
        document.body.append(f); f.submit() }};
"""
FROM_A_NOTEBOOK = {
    "read a page": "return await (await fetch('/')).text()",
    "read the api": "return await (await fetch('/assignments')).text()",
    "read the old way": """const x = new XMLHttpRequest(); x.open('GET', '/assignments', false); x.send();
        return x.responseText""",
    "change something": f"return (await fetch('/{CHANGE}' + victim + '/A1-Answer', {{method: 'POST'}})).status",
    "read another's notebook": "return await (await fetch(`/edit/user/${victim}/A1-Answer/`)).text()",
    "open another's websocket": """return await new Promise((yes, no) => {
        const s = new WebSocket(hub.replace('http', 'ws') + `edit/user/${victim}/A1-Answer/ws?session_id=s_evil1`);
        s.onopen = () => yes('open'); s.onerror = no })""",
    "frame the hub": """const f = document.createElement('iframe'); f.src = '/'; document.body.append(f);
        await pause(); return f.contentDocument.body.innerText""",
    "read the form token in a window": """const w = window.open('/'); await pause(); await pause();
        return w.document.querySelector('meta[name=csrf]').content""",
    "submit a form": """const i = document.createElement('iframe'); i.name = 'x'; document.body.append(i);
        const f = document.createElement('form'); f.method = 'post'; f.action = `/download-release/${victim}/A1-Answer`;
        f.target = 'x'; document.body.append(f); f.submit(); await pause(); return i.contentDocument.body.innerText""",
    "serve the whole hub": """await navigator.serviceWorker.register('/_marimo/sw.js', {scope: '/'});
        return 'registered'""",
    "read the cookie": "return document.cookie.includes('mograder') ? document.cookie : ''",
    "write a cookie that the hub reads": """document.cookie = 'mograder_hub=evil; path=/';
        return (await fetch('/assignments')).status""",
}

# What not even the hub's own page can do.
NEVER = {
    "include the api as a script",  # its type says that it is none
    "frame the hub",
    "submit a form",  # into a frame
    "serve the whole hub",
    "read the cookie",
}


@pytest.fixture(scope="module")
def guarded(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "attacked-from-a-browser", CONFIG)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        yield up


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of another site, with an empty page."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body>elsewhere</body>")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(10)


@contextlib.contextmanager
def browser_of(chromium: Browser, hub: RunningHub, user: str) -> Iterator[BrowserContext]:
    """A browser in which ``user`` has come in through the proxy, and has kept the hub's cookie since."""
    with chromium.new_context(extra_http_headers=by_proxy(user)) as context:
        context.set_default_timeout(30_000)
        context.new_page().goto(hub.url)
        context.set_extra_http_headers({})
        (cookie,) = context.cookies(hub.url)
        yield context
        assert cookie in context.cookies(hub.url)


def attempt(page: Page, hub: RunningHub, victim: str, body: str) -> str:
    return str(page.evaluate(SCRIPT.format(body=body), [hub.url, victim]))


# 127.0.0.1 on another port is the same site to a browser, which then sends every cookie along; localhost is not.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_sites_page_reads_nothing(
    chromium: Browser, guarded: RunningHub, elsewhere: int, host: str
) -> None:
    victim = f"bob-{host.replace('.', '-')}"
    with Student(guarded, victim) as bob, browser_of(chromium, guarded, victim) as context:
        bob.edit()
        got = {}
        for name, body in SEEN_FROM_ANOTHER_SITE.items():
            page = context.new_page()
            page.goto(f"http://{host}:{elsewhere}/")
            got[name] = attempt(page, guarded, victim, body)
        assert {name: what for name, what in got.items() if what} == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_sites_page_changes_nothing(
    chromium: Browser, guarded: RunningHub, elsewhere: int, host: str
) -> None:
    for number, body in enumerate(CHANGES_FROM_ANOTHER_SITE.values()):
        victim = f"carol-{number}-{host.replace('.', '-')}"
        with browser_of(chromium, guarded, victim) as context:
            page = context.new_page()
            page.goto(f"http://{host}:{elsewhere}/")
            page.evaluate(
                f"([hub, victim]) => {{ {SEND} (async () => {{ {body} }})() }}", [guarded.url, victim]
            )
            refusal = judged(guarded, page, f"POST /{CHANGE}{victim}/A1-Answer")
        assert (refusal["status"], refusal["rule"]) == (403, RULE)
        assert not (guarded.course / "hub-notebooks" / victim).exists()


def judged(hub: RunningHub, page: Page, did: str) -> dict[str, object]:
    """What the hub wrote down about ``did``, as soon as it has."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in (hub.course / ".mograder" / "audit.log").read_text().splitlines():
            entry: dict[str, object] = json.loads(line)
            if entry["did"] == did:
                return entry
        page.wait_for_timeout(50)
    raise AssertionError(f"the hub never saw {did}")


def test_the_hubs_own_page_changes_something_with_its_word_and_nothing_without(
    chromium: Browser, guarded: RunningHub
) -> None:
    with browser_of(chromium, guarded, "erin") as context:
        own = context.new_page()
        own.goto(guarded.url)
        status = """async (path) => { const word = document.querySelector('meta[name=csrf]').content;
            const f = (headers) => fetch(path, {method: 'POST', headers}).then((answer) => answer.status);
            return [await f({}), await f({'X-CSRF-Token': word})] }"""
        assert own.evaluate(status, f"/{CHANGE}erin/A1-Answer") == [403, 200]


def test_a_window_opened_from_another_site_knows_no_opener(
    chromium: Browser, guarded: RunningHub, elsewhere: int
) -> None:
    with browser_of(chromium, guarded, "bob") as context:
        page = context.new_page()
        page.goto(f"http://localhost:{elsewhere}/")
        with page.expect_popup() as popup:
            page.evaluate("hub => { window.open(hub) }", guarded.url)
        popup.value.wait_for_url(guarded.url)
        assert popup.value.evaluate("window.opener") is None
        assert "Test course" in popup.value.content()


def test_no_site_frames_the_hub(chromium: Browser, guarded: RunningHub, elsewhere: int) -> None:
    with browser_of(chromium, guarded, "bob") as context:
        page = context.new_page()
        page.goto(f"http://localhost:{elsewhere}/")
        with page.expect_event("console", lambda said: "frame-ancestors" in said.text):
            page.evaluate(
                "hub => { const f = document.createElement('iframe'); f.src = hub; document.body.append(f) }",
                guarded.url,
            )
        assert all("Test course" not in frame.content() for frame in page.frames)


def test_a_notebooks_page_reaches_neither_the_hub_nor_anybody_else(
    chromium: Browser, guarded: RunningHub
) -> None:
    with Student(guarded, "alice") as alice, Student(guarded, "dave") as dave:
        dave.edit()
        alice.edit()
        with browser_of(chromium, guarded, "alice") as context:
            got = {}
            for name, body in FROM_A_NOTEBOOK.items():
                page = bare_page(context)
                page.goto(f"{guarded.url}edit/user/alice/A1-Answer/", wait_until="domcontentloaded")
                victim = "alice" if name in ("change something", "submit a form") else "dave"
                got[name] = attempt(page, guarded, victim, body)
                page.close()
            assert {name: what for name, what in got.items() if what} == {}


def test_from_the_hubs_own_page_most_of_it_works(chromium: Browser, guarded: RunningHub) -> None:
    """Or the attacks that got nothing elsewhere would prove nothing."""
    attacks = {**SEEN_FROM_ANOTHER_SITE, **FROM_A_NOTEBOOK}
    with Student(guarded, "grace") as grace, browser_of(chromium, guarded, "grace") as context:
        grace.edit()
        got = {}
        for name, body in attacks.items():
            page = context.new_page()
            page.goto(guarded.url)
            got[name] = attempt(page, guarded, "grace", body)
            page.close()
        assert {name for name, what in got.items() if not what} == NEVER


def test_an_instructor_does_not_open_a_students_live_page(chromium: Browser, guarded: RunningHub) -> None:
    with Student(guarded, "frank") as frank, browser_of(chromium, guarded, "prof") as context:
        frank.edit()
        page = context.new_page()
        answer = page.goto(f"{guarded.url}edit/user/frank/A1-Answer/")
        assert answer is not None
        assert answer.status == 403
        assert page.locator("script").count() == 0


HOSTILE = NOTEBOOK.format(title="Innocent").replace(
    'mo.md("""# Innocent""")',
    "mo.Html(\"<p id='mine'>mine</p><script>fetch('/reset/alice/A1-Answer',{method:'POST'})</script>\")",
)


def test_a_report_that_a_students_code_wrote_has_no_power_over_the_instructor_who_reads_it(
    chromium: Browser, guarded: RunningHub
) -> None:
    with Student(guarded, "mallory") as mallory, browser_of(chromium, guarded, "prof") as context:
        mallory.http.post("download-release/mallory/A1-Answer").raise_for_status()
        mallory.notebook.write_text(HOSTILE)
        mallory.http.post("validate/mallory/A1-Answer").raise_for_status()
        got = {}
        for name, body in FROM_A_NOTEBOOK.items():
            page = bare_page(context)
            page.goto(f"{guarded.url}validate-report/mallory/A1-Answer", wait_until="domcontentloaded")
            assert page.evaluate("self.origin") == "null"
            got[name] = attempt(page, guarded, "mallory", body)
            page.close()
        assert {name: what for name, what in got.items() if what} == {}
        assert mallory.notebook.read_text() == HOSTILE
