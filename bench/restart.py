"""A hub that is killed under open sessions: how soon the next hub has them, beside starting them all again."""

from __future__ import annotations

import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from tests.support.hub import RunningHub, end_engine, make_course, start
from tests.support.marimo_client import MarimoClient

from bench.pages import CONFIG, SECRET
from bench.report import Measure, Sheet

ITEM = "A1-Answer"


def main(count: int = 50, rounds: int = 3) -> Sheet:
    """Run it; about a minute."""
    sheet = Sheet("Restart: a hub killed with kill -9 under open sessions")
    with tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name:
        course = make_course(Path(name) / "course", CONFIG)
        hub = start(course, dev=False, env=SECRET)
        try:
            _open(hub, "first")  # the first one waits for the environment
            begun = time.perf_counter()
            pages = _open_all(hub, count)
            afresh = time.perf_counter() - begun
            sheet.head()
            again, whole = [], []
            for _ in range(rounds):
                hub.stop(signal.SIGKILL)
                begun = time.perf_counter()
                hub = start(course, dev=False, env=SECRET)
                again.append(time.perf_counter() - begun)
                _all_answer(hub, pages)
                whole.append(time.perf_counter() - begun)
            note = "other: start them anew"
            sheet.add(Measure(f"{count} sessions: new hub open", "s", again, [afresh], note, at_most=2))
            sheet.add(Measure(f"{count} sessions: every page answers", "s", whole, [afresh]))
        finally:
            hub.stop(signal.SIGINT)
            end_engine(course)
    return sheet


def _open(hub: RunningHub, user: str) -> str:
    with hub.client(user) as client:
        page = str(client.post(f"start-edit-deep/{ITEM}").raise_for_status().json()["url"])
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    tab = MarimoClient(url=hub.url + page, headers={"Cookie": cookie}).start()
    assert tab.socket is not None
    tab.socket.close()
    return page


def _open_all(hub: RunningHub, count: int) -> dict[str, str]:
    users = [f"student{number}" for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(users, pool.map(lambda user: _open(hub, user), users), strict=True))


def _all_answer(hub: RunningHub, pages: dict[str, str]) -> None:
    def ask(entry: tuple[str, str]) -> httpx.Response:
        with hub.client(entry[0], Accept="text/html") as client:
            return client.get(entry[1]).raise_for_status()

    with ThreadPoolExecutor(8) as pool:
        assert all("marimo" in answer.text for answer in pool.map(ask, pages.items()))
