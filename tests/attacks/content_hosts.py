"""Hubs with and without a content host, for attacks on what keeps students' pages in.

The names end in ``localhost``: to Chromium all of them are this machine, and ``hub.course.localhost`` and
``content.course.localhost`` are two hosts of one site, ``*.elsewhere.localhost`` are another. Programs ask by ``Host``.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext

from mograder.hub.content import ContentHost
from tests.support.hub import PLAIN, PROXY_SECRET, RunningHub, by_proxy, make_course, running

SECRET = "canary-secret-" + "s" * 40
HUB_NAME = "hub.course.localhost"
MODES = {
    "path": "",
    "owners": "*.elsewhere.localhost",
    "host": "content.course.localhost",
    "port": ":{port}",
}
BELOW = "/teaching/hub"
"""Where on its host the hub of a mode is whose name ends with " below"."""

ITEM = "A1-Answer"
HTTPS = {"X-Forwarded-Proto": "https", "X-Proxy-Secret": PROXY_SECRET}


@dataclass
class Apart:
    """A hub and, but in ``mode`` "path", its content host. ``hub_url`` ends with a slash; ``below`` has none there."""

    running: RunningHub
    hub_url: str
    mode: str
    host: ContentHost | None
    below: str = ""

    @property
    def content(self) -> ContentHost:
        assert self.host is not None
        return self.host

    @property
    def origin(self) -> str:
        """The hub's own, without a slash."""
        return self.hub_url.removesuffix("/").removesuffix(self.below)

    def root(self, user: str) -> str:
        """What precedes the path of all that ``user`` wrote."""
        return f"{self.host.origin(user)}{self.below}" if self.host else self.hub_url.rstrip("/")

    def page(self, user: str, item: str = ITEM, kind: str = "edit") -> str:
        """Where the live notebook of ``user`` is."""
        return f"{self.root(user)}/{kind}/user/{user}/{item}/"

    def ask(
        self, url: str, *, method: str = "GET", cookies: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        """One request to wherever ``url`` is, as a browser's window, without following anything."""
        parts = urlsplit(url)
        fields = {"Host": parts.netloc, "Accept": "text/html", **headers}
        if cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        where = f"http://127.0.0.1:{parts.port}{path}"
        return httpx.request(method, where, headers=fields, timeout=600, follow_redirects=False, verify=PLAIN)

    def dial(self) -> socket.socket:
        """A connection to the hub's own port, whatever name is asked for there."""
        return socket.create_connection(("127.0.0.1", urlsplit(self.hub_url).port or 80), timeout=600)

    def signed_in(self, user: str, *, https: bool = False) -> dict[str, str]:
        """The hub's cookie of somebody who has come through the proxy."""
        answer = self.ask(self.hub_url, **{**by_proxy(user), **(HTTPS if https else {})})
        name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
        return {name: value}

    def start(self, user: str) -> None:
        """Have the notebook of ``user`` run."""
        with self.running.client(user) as http:
            http.post(f"start-edit-deep/{ITEM}").raise_for_status()

    def stop(self, user: str) -> None:
        with self.running.client(user) as http:
            http.post(f"stop-edit/{user}/{ITEM}").raise_for_status()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def hub_apart(course: Path, mode: str, more: str = "") -> Iterator[Apart]:
    """A hub in one of `MODES`, below a path if that is said, with ``more`` in its configuration."""
    port, second = free_port(), free_port()
    mode, _, said = mode.partition(" ")
    below = BELOW if said else ""
    public, host = f"http://{HUB_NAME}:{port}{below}", MODES[mode].format(port=second)
    config = f"""[hub]
title = "Test course"
trusted_proxies = ["127.0.0.1"]
instructors = ["prof"]
failed_logins_per_minute = 100000
public_url = "{public}"
content_host = "{host}"
{more}"""
    content = ContentHost(public, host, SECRET) if host else None
    make_course(course, config)
    with running(course, "--port", str(port), dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as up:
        yield Apart(up, f"{public}/", mode, content, below)


@contextlib.contextmanager
def visitor(chromium: Browser, hub: Apart, user: str, *, https: bool = False) -> Iterator[BrowserContext]:
    """A browser in which ``user`` has come in through the proxy, and has kept the hub's cookie since."""
    proxys = HTTPS if https else {}
    with chromium.new_context(extra_http_headers={**by_proxy(user), **proxys}) as context:
        context.set_default_timeout(240_000)
        first = context.new_page()
        first.goto(hub.hub_url)
        first.close()
        context.set_extra_http_headers(proxys)
        yield context
