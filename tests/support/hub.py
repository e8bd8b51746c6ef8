"""A real hub in a process of its own, for tests that use it the way people do."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from mograder.marimo_adapter import control
from tests.support.environments import lend
from tests.support.service import Service

NOTEBOOK = '''# /// script
# requires-python = ">=3.11"
# dependencies = ["marimo"]
# ///
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell
def _(mo):
    mo.md("""# {title}""")
    return


@app.cell
def _():
    answer = None  # YOUR CODE HERE
    return (answer,)


@app.cell
def _(answer):
    from mograder.runtime import check

    check("Q1: the answer", [] if answer is None else [(answer == 42, "It is 42.")])
    return


if __name__ == "__main__":
    app.run()
'''


def bare_course(root: Path, config: str) -> Path:
    """A course in which nothing is published."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "mograder.toml").write_text(config)
    return root


def make_course(root: Path, config: str = "") -> Path:
    """A course with a published assignment ``A1-Answer`` and a published lecture ``L01-Intro``."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "mograder.toml").write_text(config or '[hub]\ntitle = "Test course"\n')
    publish(root, "A1-Answer", NOTEBOOK.format(title="The answer"), "assignment", {"data.csv": "x,y\n1,2\n"})
    publish(root, "L01-Intro", NOTEBOOK.format(title="Introduction"), "lecture")
    return root


def publish(
    root: Path, name: str, text: str, type_: str = "assignment", files: dict[str, str] | None = None
) -> None:
    """Put an item up by hand, as an instructor with a text editor would."""
    directory = root / "hub-release" / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.py").write_text(text)
    for file, content in (files or {}).items():
        (directory / file).write_text(content)
    names = sorted([f"{name}.py", *(files or {})])
    (directory / "files.json").write_text(json.dumps({"files": names, "type": type_}))


def make_demo(root: Path) -> Path:
    """The demo course, made and published by the command that a newcomer runs; its environment is a lent one."""
    lend(root, "marimo", "matplotlib", "numpy")
    command = [sys.executable, "-m", "mograder", "demo", str(root), "--prepare-only"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return root


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak HTTP alone: to read the machine's certificates takes longer than a request."""

PROXY_SECRET = "proxy-canary-" + "p" * 20
"""What every hub here shares with its login proxy."""


def by_proxy(user: str) -> dict[str, str]:
    """The header fields with which the login proxy names somebody."""
    return {"X-Remote-User": user, "X-Proxy-Secret": PROXY_SECRET}


class RunningHub:
    """A hub that is up. ``url`` ends with a slash."""

    def __init__(
        self,
        process: subprocess.Popen[str],
        url: str,
        course: Path,
        reader: threading.Thread,
        lines: list[str],
    ) -> None:
        self.process = process
        self.reader = reader
        self.url = url
        self.course = course
        self.lines = lines

    @property
    def pid(self) -> int:
        return self.process.pid

    def client(self, user: str, **headers: str) -> httpx.Client:
        """A browser-like client of somebody whom the login proxy names."""
        named = {**by_proxy(user), **headers}
        return httpx.Client(base_url=self.url, headers=named, timeout=300, verify=PLAIN)

    def stop(self, number: int = signal.SIGTERM, patience: float = 120) -> int:
        """End the hub by a signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(patience)
        self.reader.join(patience)
        return status


def start(
    course: Path,
    *arguments: str,
    env: dict[str, str] | None = None,
    dev: bool = True,
    service: Service | None = None,
    through: Sequence[str] = (),
) -> RunningHub:
    """Start ``mograder hub`` on a free port and wait until it says where it is.

    ``service``: as this user. ``through``: a command that ends by executing the rest of its words.
    """
    if service is None and (course / "hub-release" / "A1-Answer").is_dir():
        lend(course, "marimo")  # of a service, all files of a course are to be its own
    python = service.python if service else sys.executable
    become = service.become if service else []
    command = [
        *become,
        *through,
        python,
        "-m",
        "mograder",
        "hub",
        "-C",
        str(course),
        "--headless",
        "--port",
        "0",
    ]
    command += ["--host", "127.0.0.1", *(["--dev"] if dev else []), *arguments]
    known = {**(service.environment() if service else os.environ), "MOGRADER_HUB_PROXY_SECRET": PROXY_SECRET}
    process = subprocess.Popen(
        command,
        cwd=course,
        stderr=subprocess.PIPE,
        text=True,
        env={**known, **(env or {})},
        start_new_session=True,
    )
    lines: list[str] = []
    found: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, lines, found), daemon=True)
    reader.start()
    try:
        url = found.get(timeout=600)
    except queue.Empty:
        url = None
    if url is None:
        process.kill()
        process.wait()
        reader.join(10)
        raise AssertionError("the hub did not come up:\n" + "".join(lines))
    return RunningHub(process, url, course, reader, lines)


@contextlib.contextmanager
def running(course: Path, *arguments: str, **kwargs: object) -> Iterator[RunningHub]:
    """A hub for one ``with`` block; its sessions end with it."""
    hub = start(course, *arguments, **kwargs)  # type: ignore[arg-type]
    try:
        yield hub
    finally:
        hub.stop(signal.SIGINT)
        end_engine(course)


def end_engine(course: Path) -> None:
    """End the session engine of a course with all its sessions, if one runs: it outlives its hubs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(20)
        try:
            line.connect(str(course / ".mograder" / "engine" / "control"))
        except OSError:
            return
        control.send(line, {"do": "quit", "id": 1})
        while control.receive(line)[0] is not None:
            pass


def _read(process: subprocess.Popen[str], lines: list[str], found: queue.Queue[str | None]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            lines.append(line)
            if match := re.search(r" is open at (http://\S+)", line):
                found.put(match[1])
    found.put(None)
