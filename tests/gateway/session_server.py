"""Sessions for the tests: unix-socket servers that answer well or badly as the path asks, and record what they saw.

``python -m tests.gateway.session_server DIRECTORY`` listens on ``http.sock`` (HTTP written by hand, so that it can
be wrong) and ``ws.sock`` (WebSockets by the websockets package) there, and prints "ready".
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

SEEN: list[str] = []
PUSHED = {"bytes": 0, "ended": None}
RELEASE = asyncio.Event()
COOKIES = (
    b"Set-Cookie: hub=evil; Path=/\r\nSet-Cookie: session_a=1; Path=/; Domain=hub.test; Max-Age=60\r\n"
    b"Set-Cookie: __Host-hub=1; Path=/; Secure\r\nSet-Cookie: other=1; Path=/\r\n"
)
DANGEROUS = (
    b'Service-Worker-Allowed: /\r\nClear-Site-Data: "*"\r\nX-Accel-Redirect: /secret\r\nX-Accel-Buffering: yes\r\n'
    b"Cross-Origin-Opener-Policy: unsafe-none\r\nRefresh: 0;url=/hub\r\nStrict-Transport-Security: max-age=1\r\n"
    b'Alt-Svc: h3=":1"\r\nNEL: {}\r\nReport-To: {}\r\nAccess-Control-Allow-Origin: *\r\n'
    b"Access-Control-Allow-Credentials: true\r\nWWW-Authenticate: Basic\r\nServer: mine\r\n"
    b"Link: </x>; rel=preload\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Marimo-Fine: yes\r\n"
)


class Exchange:
    """One request on a raw connection, and ways to answer it."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head, self.reader, self.writer = head, reader, writer
        self.method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        url = urlsplit(target)
        self.name = url.path.rpartition("/")[2]
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        self.fields = {key.strip().lower(): value.strip() for key, _, value in lines}
        self.close = False

    def number(self, name: str) -> int:
        return int(self.query[name])

    async def read_body(self) -> int:
        """Read the request's body and return its size."""
        if b"chunked" in self.fields.get(b"transfer-encoding", b""):
            size = 0
            while piece := int((await self.reader.readline()).split(b";")[0], 16):
                await self.reader.readexactly(piece + 2)
                size += piece
            await self.reader.readline()
            return size
        left = size = int(self.fields.get(b"content-length", b"0"))
        while left:
            piece = await self.reader.read(min(left, 1 << 16))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
        return size

    def answer(self, body: bytes = b"ok", extra: bytes = b"", status: bytes = b"200 OK") -> None:
        head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), extra)
        self.writer.write(head + (b"" if self.method == "HEAD" else body))

    def raw(self, data: bytes, *, close: bool = False) -> None:
        self.writer.write(data)
        self.close = close


Handler = Callable[[Exchange], Awaitable[None]]
HANDLERS: dict[str, Handler] = {}


def handler(name: str) -> Callable[[Handler], Handler]:
    def add(function: Handler) -> Handler:
        HANDLERS[name] = function
        return function

    return add


def canned(name: str, data: bytes, *, close: bool = False) -> None:
    async def send(exchange: Exchange) -> None:
        exchange.raw(data, close=close)

    HANDLERS[name] = send


canned("die", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 5000, close=True)
canned(
    "diechunk",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000 + b"\r\n",
    close=True,
)
canned("dienohead", b"", close=True)
canned("noframing", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"z" * 3000, close=True)
canned("http10", b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", close=True)
canned("dupcl", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde")
canned("samecl", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc")
canned(
    "clte",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
)
canned(
    "extra",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
)
canned("r101", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nGARBAGE")
canned(
    "r103", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)
canned("r100", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
canned("r204", b"HTTP/1.1 204 No Content\r\n\r\n")
canned("r304", b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')
canned("r299", b"HTTP/1.1 299 Odd\r\nContent-Length: 3\r\n\r\nodd")
canned("r999", b"HTTP/1.1 999 Odd\r\nContent-Length: 3\r\n\r\nodd")
canned("hugehead", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\nContent-Length: 2\r\n\r\nok")
canned("nonsense", b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
canned("bareheader", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: a\rX-B: b\r\n\r\nok")


@handler("seen")
async def _seen(exchange: Exchange) -> None:
    exchange.answer(json.dumps(SEEN[:-1]).encode())
    SEEN.clear()


@handler("headers")
async def _headers(exchange: Exchange) -> None:
    await exchange.read_body()
    exchange.answer(exchange.head)


@handler("early")
async def _early(exchange: Exchange) -> None:
    exchange.answer(b"early", b"Connection: close\r\n", b"413 Too Large")
    exchange.close = True


@handler("hang")
async def _hang(exchange: Exchange) -> None:
    await exchange.writer.wait_closed()


@handler("held")
async def _held(exchange: Exchange) -> None:
    """Answer once released, in pieces: the first at once."""
    RELEASE.clear()
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    exchange.raw(b"7\r\nfirst\n\n\r\n")
    await exchange.writer.drain()
    await RELEASE.wait()
    exchange.raw(b"6\r\nlast\n\n\r\n0\r\n\r\n")


@handler("release")
async def _release(exchange: Exchange) -> None:
    RELEASE.set()
    exchange.answer()


@handler("push")
async def _push(exchange: Exchange) -> None:
    """Push ``n`` bytes as fast as they are taken."""
    total = exchange.number("n")
    PUSHED.update(bytes=0, ended=None)
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
    try:
        while PUSHED["bytes"] < total:
            exchange.raw(b"y" * 65536)
            PUSHED["bytes"] += 65536
            await exchange.writer.drain()
        PUSHED["ended"] = "complete"
    except ConnectionError:
        PUSHED["ended"] = "broken off"
        raise


@handler("pushed")
async def _pushed(exchange: Exchange) -> None:
    exchange.answer(json.dumps(PUSHED).encode())


@handler("sized")
async def _sized(exchange: Exchange) -> None:
    exchange.answer(b"s" * exchange.number("n"))


@handler("dielate")
async def _die_late(exchange: Exchange) -> None:
    """Announce ``n`` bytes, and end with a few missing."""
    size = exchange.number("n")
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"d" * (size - 10), close=True)


@handler("twice")
async def _twice(exchange: Exchange) -> None:
    """Answer with ``n`` bytes, and once more without being asked."""
    exchange.answer(b"t" * exchange.number("n"))
    exchange.answer(b"POISON")


@handler("stream")
async def _stream(exchange: Exchange) -> None:
    left = exchange.number("n")
    exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while left:
        piece = min(left, 50_000)
        exchange.raw(b"%x\r\n%b\r\n" % (piece, b"c" * piece))
        left -= piece
        await exchange.writer.drain()
    exchange.raw(b"0\r\n\r\n")


@handler("cookies")
async def _cookies(exchange: Exchange) -> None:
    exchange.answer(b"c", COOKIES + DANGEROUS)


@handler("page")
async def _page(exchange: Exchange) -> None:
    exchange.answer(b"<!doctype html><title>a notebook</title><body>notebook", b"Content-Type: text/html\r\n")


@handler("sw")
async def _service_worker(exchange: Exchange) -> None:
    exchange.answer(b"", b"Content-Type: text/javascript\r\nService-Worker-Allowed: /\r\n")


@handler("script")
async def _script(exchange: Exchange) -> None:
    """Whatever the page wants it to be."""
    exchange.answer(exchange.query["text"].encode(), b"Content-Type: text/javascript\r\n")


@handler("cached")
async def _cached(exchange: Exchange) -> None:
    exchange.answer(b"c", b"Cache-Control: public, max-age=60, s-maxage=99\r\n")


@handler("redirect")
async def _redirect(exchange: Exchange) -> None:
    exchange.answer(b"", b"Location: %b\r\n" % exchange.query["to"].encode(), b"302 Found")


@handler("close")
async def _close(exchange: Exchange) -> None:
    exchange.answer(b"closing")
    exchange.close = True


@handler("up")
async def _up(exchange: Exchange) -> None:
    exchange.answer(b"%d" % await exchange.read_body())


@handler("save")
async def _save(exchange: Exchange) -> None:
    await HANDLERS[exchange.query.get("how", "up")](exchange)


@handler("fails")
async def _fails(exchange: Exchange) -> None:
    await exchange.read_body()
    exchange.answer(b"no", status=b"500 Internal Server Error")


@handler("ws")
async def _not_a_websocket(exchange: Exchange) -> None:
    """Answer a handshake in the way that the key's query asks for."""
    kind = exchange.query.get("as", "refused")
    if kind == "refused":
        exchange.answer(b"no", b"Connection: close\r\n", b"403 Forbidden")
        exchange.close = True
    elif kind == "ignored":
        exchange.answer(b"not upgraded")
    elif kind == "forged":
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
        )
    elif kind == "huge":
        exchange.raw(b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"a" * 100_000)
    elif kind == "silent":
        await exchange.writer.wait_closed()
    elif kind == "late":
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        heard = await exchange.reader.read()  # until the browser's end
        exchange.raw(b"\x82%c" % len(heard) + heard, close=True)
    elif kind == "gone":
        exchange.close = True


IDLE: set[asyncio.StreamWriter] = set()


@handler("idle")
async def _idle(exchange: Exchange) -> None:
    """Tell how many connections wait for a request."""
    exchange.answer(json.dumps({"connections": len(IDLE)}).encode())


async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            IDLE.add(writer)
            head = await reader.readuntil(b"\r\n\r\n")
            IDLE.discard(writer)
            SEEN.append(head.decode("latin-1"))
            exchange = Exchange(head, reader, writer)
            function = HANDLERS.get(exchange.name)
            if function is None:
                await exchange.read_body()
                exchange.answer()
            else:
                await function(exchange)
            await writer.drain()
            if exchange.close:
                break
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        if isinstance(error, asyncio.IncompleteReadError) and error.partial:
            SEEN.append("PARTIAL:" + error.partial.decode("latin-1"))
    finally:
        IDLE.discard(writer)
        writer.close()


SOCKET_STATE: dict[str, object] = {}


async def serve_websocket(connection: ServerConnection) -> None:
    """Echo; a text that starts with "CMD " is a command."""
    SOCKET_STATE["extensions"] = [type(e).__name__ for e in connection.protocol.extensions]
    SOCKET_STATE["headers"] = list(connection.request.headers.raw_items()) if connection.request else []
    try:
        async for message in connection:
            if not isinstance(message, str) or not message.startswith("CMD "):
                await connection.send(message)
            elif await command(connection, *message[4:].split()):
                return
    except ConnectionClosed:
        pass
    finally:
        SOCKET_STATE["last_close"] = [connection.close_code, connection.close_reason]


async def command(connection: ServerConnection, name: str, *arguments: str) -> bool:
    """Carry a command out; return whether it ends the connection."""
    if name == "state":
        await connection.send(json.dumps(SOCKET_STATE))
    elif name == "close":
        await connection.close(int(arguments[0]), "bye")
        return True
    elif name == "abort":
        connection.transport.abort()
        return True
    elif name == "ping":
        await (await connection.ping(b"hello"))
        await connection.send("ponged")
    elif name == "push":
        SOCKET_STATE.update(pushed=0, push_ended=None)
        SOCKET_STATE["task"] = None
        TASKS.add(asyncio.create_task(push(connection, int(arguments[0]))))
    elif name == "half":
        # The header of a frame of 10 bytes and half of its payload; the rest when released.
        RELEASE.clear()
        connection.transport.write(b"\x81\x0ahalf-")
        await RELEASE.wait()
        connection.transport.write(b"whole" + b"\x81\x04next")
    return False


TASKS: set[asyncio.Task[None]] = set()


async def push(connection: ServerConnection, total: int) -> None:
    pushed = 0
    try:
        while pushed < total:
            await connection.send(b"q" * 65536)
            pushed += 65536
            SOCKET_STATE["pushed"] = pushed
        SOCKET_STATE["push_ended"] = "complete"
    except ConnectionClosed:
        SOCKET_STATE["push_ended"] = "broken off"


async def main(directory: Path) -> None:
    http = await asyncio.start_unix_server(serve_http, directory / "http.sock", limit=1 << 20)
    sockets = unix_serve(
        serve_websocket,
        str(directory / "ws.sock"),
        subprotocols=["marimo"],
        max_size=None,
        ping_interval=None,
    )
    async with http, sockets:
        print("ready", flush=True)
        await http.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
