"""Starting notebooks, checking them, and what they weigh: the hub beside plain marimo, driven in the same way."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.support.hub import RunningHub, make_demo, running
from tests.support.marimo_client import MarimoClient

from bench.report import Measure, Sheet
from bench.tab import Tab

ITEM = "A1-Heat-Equation"


def main(rounds: int = 7, crowd: int = 20) -> Sheet:
    """Run all; about six minutes."""
    sheet = Sheet("Sessions: mograder hub beside plain marimo")
    with tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name:
        root = Path(name)
        course = make_demo(root / "course")
        with running(course) as hub:
            _until_warm(hub)
            python = interpreter(course)
            sheet.head()
            sheet.add(_click(hub, python, root, rounds))
            sheet.add(_crowd(hub, python, root, crowd))
            sheet.add(_check(hub, python, root, rounds))
            sheet.add(_checks(hub, python, root, rounds))
            for count in (1, 5, 20, 50):
                sheet.add(_memory(hub, python, root, count))
    return sheet


def interpreter(course: Path) -> Path:
    return next((course / ".mograder" / "environments").glob("*/bin/python"))


def _until_warm(hub: RunningHub) -> None:
    """The first start of an environment waits for its warm process; it is not what is measured."""
    with hub.client("first") as client:
        client.post(f"start-edit-deep/{ITEM}").raise_for_status()
        client.post(f"stop-edit/first/{ITEM}")


def _start(hub: RunningHub, client: httpx.Client) -> tuple[str, dict[str, str]]:
    """Click on Edit: where the notebook is, and what a browser sends along."""
    url = client.post(f"start-edit-deep/{ITEM}").raise_for_status().json()["url"]
    return hub.url + url, {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


def _open(hub: RunningHub, client: httpx.Client) -> float:
    """Seconds from the click on Edit to all cells run. ``client`` is up: so is a browser before somebody clicks."""
    begun = time.perf_counter()
    tab = Tab(*_start(hub, client)).start()
    seconds = time.perf_counter() - begun
    tab.close()
    return seconds


def _stop(hub: RunningHub, user: str) -> None:
    with hub.client(user) as client:
        client.post(f"stop-edit/{user}/{ITEM}").raise_for_status()


@dataclass(frozen=True)
class Plain:
    """A ``marimo edit`` that listens. ``begun`` is when it was started (``time.perf_counter``)."""

    process: subprocess.Popen[bytes]
    port: int
    begun: float


def plain_process(python: Path, notebook: Path, port: int = 0, base: str = "") -> Plain:
    """``marimo edit`` of ``notebook``, up; the caller ends it. ``port`` 0: a free one; ``base``: its base URL."""
    port = port or _free_port()
    command = [str(python), "-m", "marimo", "-q", "edit", "--headless", "--no-token", "--skip-update-check"]
    command += ["--no-sandbox", "--port", str(port), *(["--base-url", base] if base else []), notebook.name]
    # As on the hub, the cells run when the notebook opens.
    environment = {**os.environ, "_MARIMO_CONFIG_OVERLOAD_RUNTIME_AUTO_INSTANTIATE": "true"}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=notebook.parent,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _listening(port)
    return Plain(process, port, begun)


_given: set[int] = set()


def _free_port() -> int:
    """One that is free and was not given out before: twenty that ask at once might get the same."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


@contextlib.contextmanager
def plain_server(python: Path, release: Path, root: Path, name: str) -> Iterator[tuple[int, float]]:
    """``marimo edit`` of a copy of the same file with the same interpreter: its port, and when it was started."""
    place = root / "plain" / name
    shutil.copytree(release, place, ignore=shutil.ignore_patterns(".*", "*.zip", "files.json"))
    server = plain_process(python, place / f"{ITEM}.py")
    try:
        yield server.port, server.begun
    finally:
        server.process.terminate()
        server.process.wait(30)


@contextlib.contextmanager
def _plain(python: Path, release: Path, root: Path, name: str) -> Iterator[float]:
    """Seconds from the start of ``marimo edit`` to all cells run; it stays up for the ``with`` block."""
    with plain_server(python, release, root, name) as (port, begun):
        tab = Tab(f"http://127.0.0.1:{port}/").start()
        yield time.perf_counter() - begun
        tab.close()


def _listening(port: int) -> None:
    while True:  # a plain server tells nobody when it is there
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)


def _click(hub: RunningHub, python: Path, root: Path, rounds: int) -> Measure:
    ours, theirs = [], []
    release = hub.course / "hub-release" / ITEM
    for number in range(rounds):
        with hub.client(f"click{number}") as client:
            ours.append(_open(hub, client))
        _stop(hub, f"click{number}")
        if number < 5:
            with _plain(python, release, root, f"click{number}") as plain:
                theirs.append(plain)
    return Measure("click on Edit to all cells run", "s", ours, theirs, at_least=8, at_most=0.4)


def _crowd(hub: RunningHub, python: Path, root: Path, crowd: int, rounds: int = 3) -> Measure:
    """Seconds until the last of ``crowd`` who click at once has all cells run; rounds differ."""
    release = hub.course / "hub-release" / ITEM
    ours, theirs = [], []
    with ThreadPoolExecutor(crowd) as pool:
        for number in range(rounds):
            users = [f"crowd{number}-{user}" for user in range(crowd)]
            ours.append(_together(hub, pool, users))
            theirs.append(_together_plain(python, release, root, pool, users))
    return Measure(f"{crowd} at once: all cells of all run", "s", ours, theirs, at_most=3)


def _together(hub: RunningHub, pool: ThreadPoolExecutor, users: list[str]) -> float:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(hub.client(user)) for user in users]
        begun = time.perf_counter()
        list(pool.map(lambda client: _open(hub, client), clients))
        seconds = time.perf_counter() - begun
    list(pool.map(lambda user: _stop(hub, user), users))
    return seconds


def _together_plain(
    python: Path, release: Path, root: Path, pool: ThreadPoolExecutor, users: list[str]
) -> float:
    begun = time.perf_counter()

    def plain(user: str) -> float:
        with _plain(python, release, root, user):
            return time.perf_counter() - begun

    return max(pool.map(plain, users))


def _check(hub: RunningHub, python: Path, root: Path, rounds: int) -> Measure:
    ours, theirs = [], []
    with _checker(hub, "checker") as check:
        ours = [_seconds(check) for _ in range(rounds)]
    release = hub.course / "hub-release" / ITEM / f"{ITEM}.py"
    theirs = [_seconds(lambda: _export(python, release, root / "out.html")) for _ in range(min(rounds, 4))]
    return Measure("validate, against marimo export html", "s", ours, theirs, at_least=5)


def _checks(hub: RunningHub, python: Path, root: Path, rounds: int, workers: int = 2) -> Measure:
    """Seconds that a notebook takes where ``workers`` are checked at a time."""
    release = hub.course / "hub-release" / ITEM / f"{ITEM}.py"

    def one(worker: int) -> None:
        with _checker(hub, f"worker{worker}") as check:
            ready.wait()
            for _ in range(rounds):
                check()

    def other(worker: int) -> None:
        ready.wait()
        for _ in range(2):
            _export(python, release, root / f"out{worker}.html")

    ready = threading.Barrier(workers + 1)
    taken = []
    with ThreadPoolExecutor(workers) as pool:
        for work, count in ((one, rounds), (other, 2)):
            running = [pool.submit(work, worker) for worker in range(workers)]
            ready.wait()
            begun = time.perf_counter()
            for each in running:
                each.result()
            taken.append((time.perf_counter() - begun) / (workers * count))
    note = f"{1 / taken[0]:.2f} notebooks a second, other {1 / taken[1]:.2f}"
    return Measure(f"validate, {workers} at a time: each", "s", [taken[0]], [taken[1]], note, at_least=5)


@contextlib.contextmanager
def _checker(hub: RunningHub, user: str) -> Iterator[Callable[[], None]]:
    """Validates one more version of ``user``'s notebook at each call: the same content is not run twice."""
    with hub.client(user) as client:
        client.post(f"download-release/{user}/{ITEM}").raise_for_status()
        path = hub.course / "hub-notebooks" / user / ITEM / f"{ITEM}.py"
        text = path.read_text()
        numbers = itertools.count()

        def check() -> None:
            path.write_text(f"{text}# {next(numbers)}\n")
            assert client.post(f"validate/{user}/{ITEM}").raise_for_status().json()["checks"]

        yield check


def _export(python: Path, notebook: Path, output: Path) -> None:
    command = [str(python), "-m", "marimo", "-q", "export", "html", "--no-sandbox", "-f", "-o", str(output)]
    subprocess.run([*command, str(notebook)], check=False, capture_output=True)


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _stay(hub: RunningHub, user: str) -> MarimoClient:
    """A tab that stays open when all cells have run: it answers the server's pings."""
    with hub.client(user) as client:
        url, headers = _start(hub, client)
    return MarimoClient(url=url, headers=headers).start()


def _memory(hub: RunningHub, python: Path, root: Path, count: int) -> Measure:
    """Megabytes (PSS) that each of ``count`` idle sessions adds."""
    release = hub.course / "hub-release" / ITEM
    before = _pss_of_user_processes()
    tabs = [_stay(hub, f"idle{number}") for number in range(count)]
    ours = (_pss_of_user_processes() - before) / count
    del tabs
    for number in range(count):
        _stop(hub, f"idle{number}")
    some = min(count, 5)  # the sum grows with each, by as much as the first
    with contextlib.ExitStack() as stack:
        before = _pss_of_user_processes()
        for number in range(some):
            stack.enter_context(_plain(python, release, root, f"idle-{count}-{number}"))
        theirs = (_pss_of_user_processes() - before) / some
    return Measure(f"memory of an idle session, N={count}", "MB", [ours], [theirs], at_least=2)


def _pss_of_user_processes() -> float:
    """Megabytes of all processes of the machine, shared pages counted once."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/smaps_rollup"):
        with contextlib.suppress(OSError):
            total += next(
                (int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("Pss:")), 0
            )
    return total / 1024
