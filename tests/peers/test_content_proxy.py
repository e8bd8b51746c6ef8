"""The documented nginx as a hub needs it that has a content host, also if it shares its own host with others."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.peers import services
from tests.peers.services import CONTENT_NAME, NAME, Site
from tests.peers.test_login_proxies import BELOW, ITEM, SECRET, log_in, open_notebook
from tests.support.hub import make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]


@contextmanager
def university(course: Path, below: str) -> Iterator[Site]:
    """A hub behind nginx and a login, with a content host."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="mograder-peers-", dir="/var/tmp"))
        stack.callback(shutil.rmtree, directory)
        site = services.make_site(directory, below)
        hub = {"public_url": site.url, "instructors": ["prof"], "content_host": f"*.{CONTENT_NAME}"}
        hub |= {"unix_socket": str(directory / "hub.sock"), "logout_url": "/oauth2/sign_out"}
        hub |= {"unix_socket_group": "www-data"} if os.geteuid() == 0 else {}
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in hub.items())
        made = make_course(course, f"[hub]\n{lines}")
        up = stack.enter_context(running(made, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}))
        issuer = stack.enter_context(services.provider(site))["issuer"]
        backend = str(directory / "hub.sock")
        _prepare(backend, f"http://{NAME}:{site.port}{below}/")
        stack.enter_context(services.nginx(site, issuer, backend, content=True))
        yield site
        up.stop()


def _prepare(backend: str, url: str) -> None:
    """The packages are there before anybody waits for them before a browser."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=backend), base_url=url, timeout=600) as http:
        answer = http.post(f"start-edit-deep/{ITEM}", headers={"X-Remote-User": "first"})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module", params=["", BELOW])
def site(request: pytest.FixtureRequest, course_root: Path) -> Iterator[Site]:
    with university(
        course_root / f"content-behind-nginx{request.param.replace('/', '-')}", request.param
    ) as up:
        yield up


def test_a_student_logs_in_at_the_hub_and_works_at_a_host_of_their_own(chromium: Browser, site: Site) -> None:
    with chromium.new_context(ignore_https_errors=True) as context:
        context.set_default_timeout(240_000)
        page = context.new_page()
        log_in(page, "ada", site.url)
        sockets: list[str] = []
        context.on("page", lambda tab: tab.on("websocket", lambda socket: sockets.append(socket.url)))
        editor = open_notebook(page, ITEM)
        expect(editor.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        own = rf"//u[0-9a-f]+\.{re.escape(CONTENT_NAME)}:{site.port}{site.below}/edit/user/ada/{ITEM}/"
        assert re.fullmatch("https:" + own, editor.url)
        assert any(re.match("wss:" + own, url) for url in sockets)
        (cookie,) = [c for c in context.cookies(editor.url) if c.get("name") == "__Secure-mograder_content"]
        assert cookie.get("secure") and cookie.get("httpOnly")
        editor.locator("#mograder-bar a.home").click()
        editor.wait_for_url(site.url)


@pytest.mark.parametrize(
    "fields", [{"X-Remote-User": "prof"}, {"Authorization": "Bearer x"}, {"X-Proxy-Secret": "x"}]
)
def test_nobody_is_anybody_at_the_content_host_by_saying_so(site: Site, fields: dict[str, str]) -> None:
    name = f"u0123456789.{CONTENT_NAME}:{site.port}"
    with httpx.Client(verify=False) as client:
        for path in ("", "assignments", f"edit/user/ada/{ITEM}/api/status/connections"):
            answer = client.get(
                f"https://127.0.0.1:{site.port}{site.below}/{path}", headers={"Host": name, **fields}
            )
            assert answer.status_code in (401, 404)
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
