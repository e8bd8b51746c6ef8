"""The documented web servers, for real, in front of a real hub: a person in a browser sees the university's login."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from mograder.hub.identity.model import Role
from mograder.hub.identity.tokens import make
from tests.peers import services
from tests.peers.services import CLIENT_SECRET, NAME, Site
from tests.peers.upstream import recording
from tests.support.hub import PROXY_SECRET, RunningHub, make_course, publish, running
from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM, HEADERS = "A1-Answer", "A2-Headers"
SECRET = "s" * 40
HUBS = "__Host-Http-mograder_hub"
RECORDER = """# /// script
# requires-python = ">=3.11"
# dependencies = ["marimo"]
# ///
import marimo

app = marimo.App()


@app.cell
def _():
    import json
    from pathlib import Path

    import marimo as mo

    request = mo.app_meta().request
    seen = {"headers": dict(request.headers), "cookies": dict(request.cookies), "user": str(request.user)}
    Path("seen.json").write_text(json.dumps(seen))
    mo.md("recorded")
    return


if __name__ == "__main__":
    app.run()
"""


@dataclass
class University:
    """One of the documented web servers, with the login behind it and a hub."""

    kind: str
    site: Site
    hub: RunningHub

    @property
    def url(self) -> str:
        return self.site.url

    def ask(self, path: str = "", **headers: str) -> httpx.Response:
        """A request by a program that knows nobody and follows nothing."""
        with httpx.Client(verify=False) as client:
            url = f"https://127.0.0.1:{self.site.port}{self.site.below}/{path}"
            return client.get(url, headers={"Host": f"{NAME}:{self.site.port}", **headers})


BELOW = "/teaching/hub"
"""Where on its host the hub is that a web server keeps "below a path"."""


ALL = ["apache", "nginx", "apache below a path", "nginx below a path"]


@pytest.fixture(scope="module", params=ALL[1:3])
def university(request: pytest.FixtureRequest, course_root: Path) -> Iterator[University]:
    kind, _, below = request.param.partition(" ")
    with ExitStack() as stack:
        site = _site(stack, BELOW if below else "")
        course = _course(course_root / f"behind-{request.param.replace(' ', '-')}", kind, site)
        hub = stack.enter_context(running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}))
        _prepare(hub)
        issuer = stack.enter_context(services.provider(site))["issuer"]
        if kind == "apache":
            backend = str(httpx.URL(hub.url).netloc.decode())
            stack.enter_context(services.apache(site, issuer, backend))
        else:
            stack.enter_context(services.nginx(site, issuer, str(site.directory / "hub.sock")))
        yield University(kind, site, hub)
        hub.stop()  # first: Apache waits long for streams that nobody ends


def _sign_out(below: str) -> str:
    """Where a login service behind nginx signs out, as docs/login.md says."""
    return f"/oauth2/sign_out?rd={quote(f'{below}/', safe='')}" if below else "/oauth2/sign_out"


def _prepare(hub: RunningHub) -> None:
    """The packages are there before anybody waits for them before a browser."""
    token = make(SECRET, "first", Role.STUDENT)
    with httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {token}"}, timeout=600) as http:
        http.post(f"start-edit-deep/{ITEM}").raise_for_status()
        http.post(f"stop-edit/first/{ITEM}").raise_for_status()


def _site(stack: ExitStack, below: str = "") -> Site:
    directory = Path(tempfile.mkdtemp(prefix="mograder-peers-", dir="/var/tmp"))
    stack.callback(shutil.rmtree, directory)
    return services.make_site(directory, below)


def _course(root: Path, kind: str, site: Site) -> Path:
    """As docs/login.md says, for each of the two."""
    hub = {"public_url": site.url, "instructors": ["prof"]}
    if kind == "apache":
        back = site.url.replace(":", "%3A").replace("/", "%2F")
        hub |= {"trusted_proxies": ["127.0.0.1"], "logout_url": f"{site.below}/oidc/callback?logout={back}"}
    else:
        hub |= {"unix_socket": str(site.directory / "hub.sock"), "logout_url": _sign_out(site.below)}
        hub |= {"unix_socket_group": "www-data"} if os.geteuid() == 0 else {}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in hub.items())
    course = make_course(root, f"[hub]\n{lines}")
    publish(course, HEADERS, RECORDER)
    return course


@pytest.fixture
def browser(chromium: Browser, university: University) -> Iterator[BrowserContext]:
    """A browser that nobody has used yet."""
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(240_000)
    yield context
    context.close()


def log_in(page: Page, user: str, url: str) -> None:
    page.goto(url)
    expect(page).to_have_url(re.compile(r"^http://127\.0\.0\.1:\d+/interaction/"))
    page.locator("input[name=login]").fill(user)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.wait_for_url(re.compile(rf"^{re.escape(url)}"))


def whom_it_greets(page: Page) -> str:
    return page.locator(".who bdi").inner_text()


def status_of(page: Page, path: str) -> int:
    """What the page at the hub's root is answered that asks for this path of the hub."""
    return int(page.evaluate("path => fetch(path).then(answer => answer.status)", path))


def hub_cookie(context: BrowserContext) -> dict[str, str]:
    (found,) = [c for c in context.cookies() if c.get("name", "").startswith(HUBS)]
    return {"Cookie": f"{found.get('name')}={found.get('value')}"}


def open_notebook(page: Page, item: str) -> Page:
    row = page.locator(f'li[data-key="{item}"]')
    row.get_by_role("button", name=re.compile("^Download")).click()
    with page.context.expect_page() as opened:
        row.get_by_role("link", name=re.compile("^Edit")).first.click()
    return opened.value


@pytest.mark.parametrize("university", ALL, indirect=True, scope="module")
def test_a_student_logs_in_and_what_they_type_is_saved(
    university: University, browser: BrowserContext
) -> None:
    page = browser.new_page()
    log_in(page, "ada", university.url)
    assert whom_it_greets(page) == "ada"
    sockets: list[str] = []
    browser.on("page", lambda tab: tab.on("websocket", lambda socket: sockets.append(socket.url)))
    editor = open_notebook(page, ITEM)
    cell = editor.locator(".cm-content", has_text="YOUR CODE HERE").first
    cell.click()
    editor.keyboard.press("Control+a")
    editor.keyboard.insert_text("answer = 42")
    editor.keyboard.press("Control+Enter")
    expect(editor.get_by_text("It is 42.").first).to_be_attached()
    notebook = university.hub.course / "hub-notebooks" / "ada" / ITEM / f"{ITEM}.py"
    assert eventually(lambda: "answer = 42" in notebook.read_text(), 30)
    assert any(url.startswith(f"wss://{NAME}:") and "/edit/user/ada/" in url for url in sockets)


def test_a_notebook_sees_nothing_of_the_login(university: University, browser: BrowserContext) -> None:
    page = browser.new_page()
    log_in(page, "eve", university.url)
    editor = open_notebook(page, HEADERS)
    expect(editor.get_by_text("recorded", exact=True).first).to_be_visible(timeout=240_000)
    held = {c.get("name"): c.get("value", "") for c in browser.cookies(university.url)}
    logins = {"apache": "mod_auth_openidc_session", "nginx": "login_service"}
    (hubs,) = [name for name in held if name.startswith(HUBS)]
    assert logins[university.kind] in held  # or this would prove nothing
    path = university.hub.course / "hub-notebooks" / "eve" / HEADERS / "seen.json"
    assert eventually(path.exists, 30)
    seen = path.read_text()
    assert json.loads(seen)["headers"]["host"] == f"{NAME}:{university.site.port}"
    for name in ("x-remote-user", "x-proxy-secret", "oidc_", "authorization", "access_token", *held):
        if not name.startswith("session"):  # marimo's own cookie
            assert name.lower() not in seen.lower(), name
    for secret in (
        PROXY_SECRET,
        CLIENT_SECRET,
        held[hubs],
        held[logins[university.kind]],
    ):
        assert secret not in seen


def test_the_next_person_at_the_same_browser_is_not_taken_for_the_last(
    university: University, browser: BrowserContext
) -> None:
    page = browser.new_page()
    log_in(page, "ada", university.url)
    adas = hub_cookie(browser)
    assert httpx.get(university.hub.url + "status/ada/A1-Answer", headers=adas).status_code == 200
    # Ada ends the university's login, and forgets about the hub's: its cookie stays behind.
    kept = [c for c in browser.cookies() if c.get("name", "").startswith(HUBS)]
    browser.clear_cookies()
    browser.add_cookies(kept)  # type: ignore[arg-type]
    log_in(page, "bob", university.url)
    assert whom_it_greets(page) == "bob"
    assert hub_cookie(browser) != adas
    assert status_of(page, "status/ada/A1-Answer") == 403
    assert httpx.get(university.hub.url + "status/ada/A1-Answer", headers=adas).status_code == 401


@pytest.mark.parametrize("university", ALL, indirect=True, scope="module")
def test_signing_out_ends_the_login_here_and_at_the_university(
    university: University, browser: BrowserContext
) -> None:
    page = browser.new_page()
    log_in(page, "ada", university.url)
    adas = hub_cookie(browser)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes, sign me out").click()  # the university asks once more
    expect(page).to_have_url(re.compile(r"/interaction/"))  # back at the hub, which sends to the login
    assert httpx.get(university.hub.url + "status/ada/A1-Answer", headers=adas).status_code == 401
    log_in(page, "bob", university.url)
    assert whom_it_greets(page) == "bob"


def test_a_name_may_have_any_letters(university: University, browser: BrowserContext) -> None:
    page = browser.new_page()
    log_in(page, "björk", university.url)
    assert whom_it_greets(page) == "björk"


def test_an_instructor_is_one_by_name(university: University, browser: BrowserContext) -> None:
    page = browser.new_page()
    log_in(page, "prof", university.url)
    assert status_of(page, "status/ada/A1-Answer") == 200


def test_who_is_not_signed_in_gets_a_login_for_a_page_and_401_for_anything_else(
    university: University,
) -> None:
    page = university.ask(Accept="text/html")
    assert page.status_code == 302 and page.headers["location"].startswith("http://127.0.0.1:")
    fetch = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert university.ask("assignments", **fetch).status_code == 401
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-Fetch-Mode": "websocket"}
    assert university.ask(f"edit/user/ada/{ITEM}/ws", **upgrade).status_code == 401


def test_nobody_becomes_somebody_by_naming_themselves(university: University) -> None:
    lies = {"X-Remote-User": "prof", "X-Proxy-Secret": PROXY_SECRET, "X-Forwarded-For": "127.0.0.1"}
    fetch = {"Sec-Fetch-Mode": "cors"}
    assert university.ask("assignments", **fetch, **lies).status_code == 401
    assert university.ask("sessions", Authorization="Bearer junk", **lies).status_code == 401


def test_a_program_comes_through_with_a_token_of_the_hub(university: University) -> None:
    token = make(SECRET, "eve", Role.STUDENT)
    lies = {"X-Remote-User": "prof", "X-Proxy-Secret": PROXY_SECRET}
    words = {"Authorization": f"Bearer {token}", **lies}
    assert university.ask("assignments", **words).status_code == 200
    assert university.ask("status/eve/A1-Answer", **words).status_code == 200
    assert university.ask("status/ada/A1-Answer", **words).status_code == 403


@pytest.mark.parametrize(
    "university", ["apache below a path", "nginx below a path"], indirect=True, scope="module"
)
def test_what_is_beside_the_hub_is_none_of_its_business(
    university: University, browser: BrowserContext
) -> None:
    page = browser.new_page()
    strays: list[str] = []
    log_in(page, "zoe", university.url)
    browser.on("request", lambda request: strays.append(request.url))
    editor = open_notebook(page, ITEM)
    expect(editor.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    assert editor.url == f"{university.url}edit/user/zoe/{ITEM}/"
    assert [url for url in strays if url.startswith("http") and not url.startswith(university.url)] == []
    (cookie,) = [c for c in browser.cookies() if c.get("name", "").startswith(HUBS)]
    assert re.fullmatch(rf"{HUBS}_[0-9a-f]{{8}}", cookie.get("name", ""))
    site = university.site
    with httpx.Client(verify=False, headers={"Host": f"{NAME}:{site.port}"}) as client:
        bare = client.get(f"https://127.0.0.1:{site.port}{site.below}")
        assert (bare.is_redirect, bare.headers["location"]) == (True, university.url)
        for path in ("/", "/teaching/", "/assignments", "/teaching/hub2/assignments"):
            answer = client.get(f"https://127.0.0.1:{site.port}{path}")
            assert answer.status_code in (200, 403, 404)  # no login, and nothing of the hub's
            assert "content-security-policy" not in answer.headers


@pytest.mark.parametrize("kind", ["apache", "nginx"])
def test_the_web_server_tells_the_hub_who_it_is_and_keeps_the_rest(kind: str, chromium: Browser) -> None:
    with ExitStack() as stack:
        site = _site(stack)
        socket = site.directory / "upstream.sock"
        address, seen = stack.enter_context(recording(socket))
        issuer = stack.enter_context(services.provider(site))["issuer"]
        start = {"apache": services.apache, "nginx": services.nginx}[kind]
        stack.enter_context(start(site, issuer, address if kind == "apache" else str(socket)))
        lies = {"X-Remote-User": "prof", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example"}
        lies |= {"X-Proxy-Secret": "guess", "X-Forwarded-Proto": "http"}
        context = stack.enter_context(chromium.new_context(ignore_https_errors=True))
        page = context.new_page()
        log_in(page, "ada", site.url)
        context.set_extra_http_headers(lies)
        seen.clear()
        page.goto(f"{site.url}again")
        fields = seen[0]
    told = dict(fields)
    assert len(told) == len(fields)  # nothing twice
    assert told["x-remote-user"] == "ada"
    assert told.get("x-proxy-secret") == (PROXY_SECRET if kind == "apache" else None)
    assert told["x-forwarded-proto"] == "https"
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["host"] == told["x-forwarded-host"] == f"{NAME}:{site.port}"
    assert not [name for name in told if "oidc" in name or "token" in name or name == "authorization"]
    if kind == "apache":
        assert "mod_auth_openidc_session" not in told.get("cookie", "")
