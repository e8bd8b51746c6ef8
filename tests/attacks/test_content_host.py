"""A student's page in a real browser, with each kind of content host and without: it keeps to itself.

Who looks at it is signed in at the hub and has another notebook open besides: an instructor that of another student
where instructors may open live notebooks, else the student their own lecture. Each attack is the body of an async
function that returns what it got; an exception or nothing is a failure.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.attacks.bare import bare_page
from tests.attacks.content_hosts import HTTPS, ITEM, Apart, hub_apart, visitor
from tests.support.hub import NOTEBOOK, by_proxy

pytestmark = [pytest.mark.real, pytest.mark.browser]

MODES = ["owners", "port", "path", "host below"]
"""One form is tried at a hub below a path: where that hub is changes names, not what a browser lets a page do."""

SCRIPT = """async ([hub, other, name]) => {{
    const pause = () => new Promise((go) => setTimeout(go, 1000));
    const within = (promise) => Promise.race([promise, new Promise((go) => setTimeout(go, 8000 + 1000 * {pauses}))]);
    const read = async (address, how = {{}}) => (await fetch(address, {{credentials: 'include', ...how}})).text();
    const frame = async (address, tag = 'iframe') => {{ const f = document.createElement(tag);
        f[tag === 'object' ? 'data' : 'src'] = address; document.body.append(f); await pause();
        try {{ return f.contentDocument.body.innerText }} finally {{ f.remove() }} }};
    const popup = async (address, then) => {{ const w = window.open(address); await pause();
        try {{ for (let left = {pauses}; ; left--) {{ await pause();
            try {{ const got = await then(w); if (got || left < 2) return got }}
            catch (error) {{ if (left < 2) throw error }} }}
        }} finally {{ w.close() }} }};
    const worker = (text) => new Promise((yes, no) => {{
        const w = new Worker(URL.createObjectURL(new Blob([text])));
        w.onmessage = (e) => yes(e.data); w.onerror = no }});
    const asks = (address) => `fetch('${{address}}', {{credentials: 'include'}}).then((r) => r.text())`;
    const attacks = {{ {attacks} }};
    const got = await Promise.all(Object.entries(attacks).map(async ([name, attack]) => {{
        try {{ return [name, String((await within(attack())) || '').slice(0, 200)] }}
        catch (error) {{ return [name, ''] }} }}));
    return Object.fromEntries(got) }}"""

ON_THE_HUB = {
    "read its api": "return await read(hub + 'assignments')",
    "read a page": "return await read(hub)",
    "read it the old way": """const x = new XMLHttpRequest(); x.open('GET', hub, false); x.withCredentials = true;
        x.send(); return x.responseText""",
    "frame a page": "return await frame(hub)",
    "frame a refusal": "return await frame(hub + 'nothing/here')",
    "embed a page": "return await frame(hub, 'object')",
    "read a window": "return await popup(hub, (w) => w.document.body.innerText)",
    "read the form token in a window": """return await popup(hub,
        (w) => w.document.querySelector('meta[name=csrf]').content)""",
    "ask from a window of a refusal": """return await popup(hub + 'nothing',
        (w) => w.fetch(hub + 'assignments').then((r) => r.text()))""",
    "ask from a window of its script": """return await popup(hub + 'static/x/hub.js',
        (w) => w.fetch(hub + 'assignments').then((r) => r.text()))""",
    "ask from an empty window": """return await popup('about:blank',
        (w) => w.fetch(hub + 'assignments').then((r) => r.text()))""",
    "ask from a worker": "return await worker(`${asks(hub + 'assignments')}.then(postMessage, () => postMessage(''))`)",
    "ask from a frame of one's own": """const f = document.createElement('iframe');
        f.srcdoc = `<script>${asks(hub + 'assignments')}.then((t) => parent.found = t)</` + 'script>';
        document.body.append(f); await pause(); return window.found""",
    "include the api as a script": """return await new Promise((yes, no) => {
        const s = document.createElement('script'); s.src = hub + 'assignments';
        s.onload = () => yes('loaded'); s.onerror = no; document.head.append(s) })""",
    "hear its events": """return await new Promise((yes, no) => {
        const s = new EventSource(hub + `events/edit/${name}/A1-Answer`, {withCredentials: true});
        s.onopen = () => yes('heard'); s.onerror = no })""",
    "pretend to be its address": """const was = location.href; history.replaceState(null, '', new URL(hub).pathname);
        const asked = location.href === hub ? read('assignments') : '';
        history.replaceState(null, '', was); return await asked""",
    "serve all of it": "await navigator.serviceWorker.register('/_marimo/x.js', {scope: '/'}); return 'registered'",
    "read its cookie": "return document.cookie.includes('mograder') ? document.cookie : ''",
}
ON_ANOTHER_NOTEBOOK = {
    "read its page": "return await read(other)",
    "read its api": "return await read(other + 'api/status/connections')",
    "frame it": "return await frame(other)",
    "embed it": "return await frame(other, 'object')",
    "read a window": "return await popup(other, (w) => w.document.title)",
    "ask from a window": """return await popup(other,
        (w) => w.fetch(other + 'api/status/connections').then((r) => r.text()))""",
    "open its websocket": """return await new Promise((yes, no) => {
        const s = new WebSocket(other.replace('http', 'ws') + 'ws?session_id=s_evil1');
        s.onopen = () => yes('open'); s.onerror = no })""",
    "ask from a worker": "return await worker(`${asks(other)}.then(postMessage, () => postMessage(''))`)",
    "use what its bar asks": "return await read(other + '_hub/again', {method: 'POST'})",
}
CHANGES = {
    "fetch": "await fetch(target, {method: 'POST', credentials: 'include'})",
    "fetch with a form token": """await fetch(target, {method: 'POST', credentials: 'include',
        headers: {'X-CSRF-Token': 'x'}})""",
    "fetch without reading": """await fetch(target, {method: 'POST', mode: 'no-cors', credentials: 'include',
        body: new URLSearchParams({csrf: 'x'})})""",
    "beacon": "navigator.sendBeacon(target, new URLSearchParams({csrf: 'x'}))",
    "form": """const f = document.createElement('form'); f.method = 'post'; f.action = target; f.target = 'frame';
        const i = document.createElement('iframe'); i.name = 'frame'; document.body.append(i, f); f.submit()""",
    "form in a window": """const f = document.createElement('form'); f.method = 'post'; f.action = target;
        f.target = '_blank'; document.body.append(f); f.submit()""",
}
# What not even a page of the same origin can do.
NEVER_ON_THE_HUB = {
    "frame a page",
    "frame a refusal",
    "embed a page",
    "include the api as a script",
    "serve all of it",
    "read its cookie",
    "ask from a worker",  # the hub's own policy lets no worker start from text
    "ask from a frame of one's own",  # nor a frame run what is in its page
}


@pytest.fixture(scope="module", params=MODES)
def hub(request: pytest.FixtureRequest, course_root: Path) -> Iterator[Apart]:
    with hub_apart(course_root / f"looked-at-{request.param.replace(' ', '-')}", request.param) as up:
        for user in ("alice", "bob"):
            up.start(user)
        with up.running.client("alice") as http:
            http.post("start-run/L01-Intro").raise_for_status()
        yield up


def viewer(hub: Apart) -> str:
    return "prof" if hub.mode in ("owners", "host") else "alice"


def another(hub: Apart) -> str:
    """What else the viewer has open."""
    return hub.page("bob") if viewer(hub) == "prof" else hub.page("alice", "L01-Intro", "run")


@contextlib.contextmanager
def looking(chromium: Browser, hub: Apart, *, https: bool = False) -> Iterator[tuple[BrowserContext, Page]]:
    """The viewer's browser, and their window with alice's page, which they reached from the hub."""
    with visitor(chromium, hub, viewer(hub), https=https) as context:
        page = bare_page(context)
        answer = page.goto(another(hub), wait_until="domcontentloaded")
        assert answer is not None and answer.ok
        assert page.url.startswith(another(hub))
        answer = page.goto(f"{hub.hub_url}edit/user/alice/{ITEM}/", wait_until="domcontentloaded")
        assert answer is not None and answer.ok
        assert page.url.startswith(hub.page("alice"))
        yield context, page


def outcomes(
    page: Page, hub: Apart, attacks: dict[str, str], other: str | None = None, *, pauses: int = 1
) -> dict[str, str]:
    """What each attack gets that gets anything; they run side by side.

    A window is given so many seconds, and one for its coming up, until it shows something.
    """
    arguments = [hub.hub_url, other or another(hub), viewer(hub)]
    bodies = ", ".join(f"{json.dumps(name)}: async () => {{ {body} }}" for name, body in attacks.items())
    found = page.evaluate(SCRIPT.format(attacks=bodies, pauses=pauses), arguments)
    return {name: got for name, got in found.items() if got}


def test_a_students_page_gets_nothing_of_the_hub(chromium: Browser, hub: Apart) -> None:
    with looking(chromium, hub) as (_, page):
        assert outcomes(page, hub, ON_THE_HUB) == {}


def test_a_students_page_gets_nothing_of_another_notebook(chromium: Browser, hub: Apart) -> None:
    with looking(chromium, hub) as (_, page):
        assert outcomes(page, hub, ON_ANOTHER_NOTEBOOK) == {}


def test_a_students_page_changes_nothing_at_the_hub(chromium: Browser, hub: Apart) -> None:
    with looking(chromium, hub) as (_, page):
        for number, body in enumerate(CHANGES.values()):
            target = f"{hub.hub_url}download-release/{viewer(hub)}-{number}/{ITEM}"
            with contextlib.suppress(Exception):
                page.evaluate(f"async (target) => {{ {body} }}", target)
        page.wait_for_timeout(500)  # for what is under way
        assert not list((hub.running.course / "hub-notebooks").glob(f"{viewer(hub)}-*"))


@pytest.mark.parametrize("hub", ["path", "owners"], indirect=True, scope="module")
def test_the_same_attacks_work_from_within(chromium: Browser, hub: Apart) -> None:
    """Or those that got nothing would prove nothing."""
    with looking(chromium, hub) as (_, page):
        page.goto(hub.hub_url)
        page.wait_for_load_state("networkidle")
        assert set(ON_THE_HUB) - set(outcomes(page, hub, ON_THE_HUB, pauses=12)) == NEVER_ON_THE_HUB
        page.goto(hub.page("alice"), wait_until="domcontentloaded")
        own = set(outcomes(page, hub, ON_ANOTHER_NOTEBOOK, hub.page("alice"), pauses=12))
        # On a shared origin, no window holds another one of a notebook.
        through_a_window = {"read a window", "ask from a window"} if hub.mode == "owners" else set()
        assert own >= {"read its page", "read its api", "open its websocket"} | through_a_window


def test_the_owner_works_there_and_finds_the_way_back(chromium: Browser, hub: Apart) -> None:
    with visitor(chromium, hub, "bob") as context:
        page = context.new_page()
        page.goto(f"{hub.hub_url}edit/{ITEM}")
        expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        assert page.url.startswith(hub.page("bob"))
        assert "ticket" not in page.url
        back = page.locator("#mograder-bar a.home")
        assert back.get_attribute("href") == hub.hub_url
        back.click()
        page.wait_for_url(hub.hub_url)


def test_the_dashboards_form_opens_it_without_scripts(chromium: Browser, hub: Apart) -> None:
    """A form's whole way is under the hub's policy, its redirects included."""
    with visitor(chromium, hub, "carol") as signed_in:
        cookies = signed_in.cookies()
    with chromium.new_context(java_script_enabled=False) as context:
        context.set_default_timeout(240_000)
        context.add_cookies(cookies)  # type: ignore[arg-type]  # what it gave is what it takes
        page = context.new_page()
        page.goto(f"{hub.hub_url}edit/{ITEM}")
        page.locator("main form button").first.click()
        page.wait_for_url(f"{hub.page('carol')}**")


def test_a_report_is_shown_where_it_has_no_power(chromium: Browser, hub: Apart) -> None:
    hostile = NOTEBOOK.format(title="Innocent").replace(
        'mo.md("""# Innocent""")', "mo.Html(\"<p id='mine'>mine</p><script>window.mine = 1</script>\")"
    )
    with hub.running.client("mallory") as http:
        http.post(f"download-release/mallory/{ITEM}").raise_for_status()
        (hub.running.course / "hub-notebooks" / "mallory" / ITEM / f"{ITEM}.py").write_text(hostile)
        http.post(f"validate/mallory/{ITEM}").raise_for_status()
    with visitor(chromium, hub, "prof") as context:
        page = bare_page(context)
        page.goto(f"{hub.hub_url}validate-report/mallory/{ITEM}", wait_until="domcontentloaded")
        assert page.url == f"{hub.root('mallory')}/validate-report/mallory/{ITEM}"
        assert page.evaluate("self.origin") == "null"
        assert outcomes(page, hub, ON_THE_HUB) == {}
        assert outcomes(page, hub, ON_ANOTHER_NOTEBOOK, hub.page("bob")) == {}


def test_where_cookies_are_shared_nobody_opens_anothers_live_page(chromium: Browser, hub: Apart) -> None:
    for user in {"bob", "prof"} - {viewer(hub)}:
        with visitor(chromium, hub, user) as context:
            page = context.new_page()
            answer = page.goto(f"{hub.hub_url}edit/user/alice/{ITEM}/")
            assert answer is not None and answer.status == 403
            assert page.locator("script:not([src*='static/'])").count() == 0  # of the hub alone


# A browser writes cookies when it comes to it: who reads them afterwards waits until they are there.
TOSS = """([name, value]) => { for (const path of ['/', '/assignments', '/teaching/hub/', location.pathname])
    for (const domain of ['', '; domain=course.localhost', '; domain=hub.course.localhost'])
        for (const kind of ['', '; secure'])
            document.cookie = `${name}=${value}; path=${path}${domain}${kind}`;
    return document.cookie }"""
OVERFLOW = """() => { for (let n = 0; n < 400; n++) document.cookie = `z${n}=1; path=/; domain=course.localhost`;
    for (let n = 0; n < 400; n++) document.cookie = `y${n}=1; path=/`;
    return document.cookie }"""
SWEEP = """() => { for (let n = 0; n < 400; n++) {
    document.cookie = `z${n}=; path=/; domain=course.localhost; max-age=0`;
    document.cookie = `y${n}=; path=/; max-age=0` }
    return document.cookie }"""
PLANT = "value => { document.cookie = `mograder_hub=${value}; path=/`; return document.cookie }"


@pytest.mark.parametrize("overflowing", [False, True])
def test_a_cookie_that_a_page_sets_makes_nobody_somebody_else(
    chromium: Browser, hub: Apart, overflowing: bool
) -> None:
    """It plants a login of mallory's, after pushing out the viewer's own: at worst the viewer is signed out.

    Where cookies are shared with the hub, or its site is, that takes HTTPS; as the proxy tells it, which is all that
    the hub goes by.
    """
    https = hub.mode != "owners"
    ((planted, evil),) = hub.signed_in("mallory", https=https).items()
    assert planted.startswith("__Host-Http-mograder_hub" if https else "mograder_hub")
    with looking(chromium, hub, https=https) as (context, page):
        before = {cookie["name"] for cookie in context.cookies(hub.hub_url)}
        assert planted in before
        if overflowing:
            page.evaluate(OVERFLOW)
            page.evaluate(SWEEP)
        page.evaluate(TOSS, [planted, evil])
        hubs = context.new_page()
        hubs.goto(hub.hub_url)
        assert "mallory" not in hubs.content()
        # The login proxy has the last word, on every request.
        context.set_extra_http_headers({**by_proxy(viewer(hub)), **(HTTPS if https else {})})
        hubs.goto(hub.hub_url)
        assert viewer(hub) in hubs.content()
        assert "mallory" not in hubs.content()


@pytest.mark.parametrize("hub", ["path"], indirect=True, scope="module")
def test_over_plain_http_and_without_a_host_of_its_own_it_does(chromium: Browser, hub: Apart) -> None:
    """Or the test before would prove nothing; the documentation says so."""
    (evil,) = hub.signed_in("mallory").values()
    with looking(chromium, hub) as (context, page):
        hubs = context.new_page()
        for _ in range(5):  # which cookies a browser throws out first is its own business
            page.evaluate(OVERFLOW)
            page.evaluate(SWEEP)
            page.evaluate(PLANT, evil)
            hubs.goto(hub.hub_url)
            if "mallory" in hubs.content():
                return
        raise AssertionError(hubs.content())
