"""``mograder.sessions.answers``: whether a session answers, whatever it does instead."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.sessions.answers import answers, cell_runs
from mograder.sessions.launchers.base import listen


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="s-") as directory:
        yield Path(directory) / "s"


def ask(
    path: Path, answer: bytes | None, patience: float = 5.0, base: str = "/edit/user/ada/A1"
) -> tuple[bool, bytes]:
    """What `answers` says of a server that says ``answer`` (None: nothing), and what the server was asked."""
    asked = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(b"\r\n\r\n"))
        if answer is not None:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    async def scenario() -> bool:
        async with await asyncio.start_unix_server(serve, sock=listen(path)):
            return await answers(path, base, patience)

    return asyncio.run(scenario()), bytes(asked)


def test_a_healthy_server_answers(place: Path) -> None:
    yes, asked = ask(place, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert yes
    assert asked.startswith(b"GET /edit/user/ada/A1/health HTTP/1.1\r\nHost: ")


def test_names_are_encoded_in_the_question(place: Path) -> None:
    _, asked = ask(place, b"", base="/edit/user/ada@uni/Übung 1")
    assert asked.startswith(b"GET /edit/user/ada%40uni/%C3%9Cbung%201/health HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [b"", b"\r\n", b"HTTP/1.1 500 Oops\r\n\r\n", b"HTTP/1.1 404 No\r\n\r\n", b"SSH-2.0\r\n", b"\xff\xfe\n",
     b"x" * (1 << 20), b"HTTP/1.1"],
)  # fmt: skip
def test_anything_else_is_no_answer(place: Path, answer: bytes) -> None:
    assert not ask(place, answer)[0]


def test_silence_is_no_answer_when_patience_ends(place: Path) -> None:
    begun = time.monotonic()
    assert not ask(place, None, patience=0.1)[0]
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("kind", ["nothing", "file", "nobody"])
def test_where_nobody_listens_there_is_no_answer(place: Path, kind: str) -> None:
    if kind == "file":
        place.touch()
    if kind == "nobody":
        listen(place).close()
    assert not asyncio.run(answers(place, "/x", 5))


def test_a_server_that_comes_up_later_is_waited_for(place: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async def scenario() -> bool:
        listener = listen(place)  # it listens before the server is there
        question = asyncio.create_task(answers(place, "/x", 5))
        await asyncio.sleep(0.1)
        assert not question.done()
        async with await asyncio.start_unix_server(serve, sock=listener):
            return await question

    assert asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "runs"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.1 204 -\r\n\r\n", False), (b"HTTP/1.1 404 .\r\n\r\n", None),
     (b"HTTP/1.1 two\r\n", False), (b"", False)],
)  # fmt: skip
def test_only_a_plain_yes_says_that_a_cell_runs(place: Path, answer: bytes, runs: bool | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"/edit/user/ada/A1/_mograder/running HTTP/1.1")
        writer.write(answer)
        writer.close()

    async def scenario() -> bool | None:
        async with await asyncio.start_unix_server(serve, sock=listen(place)):
            return await cell_runs(place, "/edit/user/ada/A1", 5)

    assert asyncio.run(scenario()) is runs
