"""A whole class looks at its course: the list of items and the dashboard, for 30 items and 500 students."""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import httpx
import uvicorn
from playwright.sync_api import sync_playwright
from tests.conftest import ARGUMENTS, CHROMIUM
from tests.support.environments import lend
from tests.support.full_course import full_course, paints
from tests.support.hub import NOTEBOOK, RunningHub, publish, running

from bench.gateway.candidates import process
from bench.report import Measure, Sheet
from mograder.hub.history import digest
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable, ResultTable, StoredResult

CONFIG = '[hub]\ntrusted_proxies = ["127.0.0.1"]\nfailed_logins_per_minute = 100000\nrequests_per_minute = 1000000\n'
SECRET = {"MOGRADER_HUB_SECRET": "s" * 40}
GOAL_RATE, GOAL_MS, GOAL_PAINT_MS = 1000, 15, 200
"""Requests for the list that are to be answered in a second, milliseconds that a dashboard may take, and those until
it is on the screen."""


def main(
    students: int = 500, items: int = 30, copies: int = 10, seconds: float = 5.0, loads: int = 9
) -> Sheet:
    """Measure. Each of ``students`` has copies of ``copies`` of the ``items``; a browser comes ``loads`` times."""
    sheet = Sheet(f"Pages: {items} items, {students} students with {copies} copies each")
    sheet.head()
    with tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name, ExitStack() as stack:
        course = make_course(Path(name) / "course", students, items, copies)
        hub = stack.enter_context(running(course, dev=False, env=SECRET))
        cookies = sign_in(hub, students)
        port = int(httpx.URL(hub.url).port or 0)
        answer = httpx.get(hub.url + "assignments", headers={"Cookie": cookies[0]})
        assert len(answer.raise_for_status().json()) == items
        body = Path(name) / "answer.json"
        body.write_bytes(answer.content)
        command = (sys.executable, "-m", "bench.pages", str(body))
        _, bare = stack.enter_context(process(*command, core=0))
        asks = [request("assignments", cookie) for cookie in cookies]
        ours, theirs = rate(port, asks, 8, seconds), rate(int(bare), asks, 8, seconds)
        note = f"{ours:.0f}/s; other: the same bytes from a bare FastAPI route"
        each = Measure("GET /assignments, each", "ms", [1000 / ours], [1000 / theirs], note)
        each.at_most = 1000 / GOAL_RATE
        sheet.add(each)
        pages = [request("", cookie) for cookie in cookies]
        times = latencies(port, pages, seconds)
        note = f"p99 {sorted(times)[len(times) * 99 // 100]:.1f} ms"
        other = latencies(int(bare), pages, 1.0)
        sheet.add(Measure("dashboard, one at a time", "ms", times, other, note, at_most=GOAL_MS))
    sheet.add(_paint(items, loads))
    return sheet


def _paint(items: int, loads: int) -> Measure:
    """The dashboard of somebody who has begun everything, in Chromium, each time for the first time."""
    with tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name, ExitStack() as stack:
        hub = stack.enter_context(running(full_course(Path(name) / "course", items)))
        page = Path(name) / "page.html"
        page.write_text("<!DOCTYPE html><title>One</title><p>One line.")
        _, bare = stack.enter_context(process(sys.executable, "-m", "bench.pages", str(page), core=0))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        ours, theirs = paints(browser, hub.url, f"http://127.0.0.1:{bare}/", loads)
        browser.close()
    note = f"goal {GOAL_PAINT_MS} ms; other: a page of one line from a bare FastAPI route"
    return Measure("dashboard, first contentful paint", "ms", ours, theirs, note)


def make_course(root: Path, students: int, items: int, copies: int) -> Path:
    """A course with work in it, as it lies on the disk after some weeks."""
    root.mkdir(parents=True)
    (root / "mograder.toml").write_text(CONFIG)
    lend(root, "marimo")
    engine = open_database(root / ".mograder" / "hub.db")
    table, results = CopyTable(engine), ResultTable(engine)
    for number in range(items):
        publish(root, f"A{number:02}-Item", NOTEBOOK.format(title=f"Item {number}"), "assignment")
    for student in range(students):
        for number in range(copies):
            name, user = f"A{number:02}-Item", f"student{student}"
            place = root / "hub-notebooks" / user / name
            place.mkdir(parents=True)
            text = NOTEBOOK.format(title=f"Item {number}").encode()
            table.set_base(user, name, digest(text))
            (place / f"{name}.py").write_bytes(text + b"# mine\n" * (number % 2))
            if number % 3 == 0:
                results.put(user, name, StoredResult(digest(text), time.time(), 1, 2, "{}"))
    engine.dispose()
    return root


def sign_in(hub: RunningHub, students: int) -> list[str]:
    """Everybody's cookie, as browsers hold it."""

    def cookie(student: int) -> str:
        with hub.client(f"student{student}") as client:
            client.get("assignments").raise_for_status()
            return "; ".join(f"{name}={value}" for name, value in client.cookies.items())

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(cookie, range(students)))


def request(path: str, cookie: str) -> bytes:
    """A browser's request."""
    return f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nCookie: {cookie}\r\n\r\n".encode()


def rate(port: int, requests: list[bytes], connections: int, seconds: float) -> float:
    """Answers in a second, everybody in turn, over some connections that stay open."""
    turn = count()

    def ask(_: int) -> int:
        with _connection(port) as exchange:
            answered = 0
            while time.perf_counter() < end:
                exchange(requests[next(turn) % len(requests)])
                answered += 1
            return answered

    begun = time.perf_counter()
    end = begun + seconds
    with ThreadPoolExecutor(connections) as pool:
        answered = sum(pool.map(ask, range(connections)))
    return answered / (time.perf_counter() - begun)


def latencies(port: int, requests: list[bytes], seconds: float) -> list[float]:
    """Milliseconds of each answer, one after the other."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    with _connection(port) as exchange:
        while time.perf_counter() < end:
            begun = time.perf_counter()
            exchange(requests[len(times) % len(requests)])
            times.append((time.perf_counter() - begun) * 1000)
    assert statistics.median(times) > 0
    return times


@contextmanager
def _connection(port: int) -> Iterator[Callable[[bytes], None]]:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def exchange(request: bytes) -> None:
            line.sendall(request)
            data = line.recv(1 << 16)
            while b"\r\n\r\n" not in data:
                data += line.recv(1 << 16)
            head, _, body = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head[:200]
            left = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(body)
            while left > 0:
                left -= len(line.recv(1 << 16))

        yield exchange


def _bare(body: Path) -> None:
    """A FastAPI application that does nothing but answer: what the same would cost without a hub."""
    from fastapi import FastAPI
    from fastapi.responses import Response

    app, content = FastAPI(), body.read_bytes()
    kind = "text/html" if body.suffix == ".html" else "application/json"

    @app.get("/{path:path}")
    async def answer() -> Response:
        return Response(content, media_type=kind)

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", loop="uvloop")).run(sockets=[listener])


if __name__ == "__main__":
    _bare(Path(sys.argv[1]))
