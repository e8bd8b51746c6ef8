"""The way to serve a marimo that the hooks do not know: unchanged, on loopback TCP, behind a unix socket.

The gateway speaks to unix sockets alone, so each connection to the session's socket is joined to one to
marimo's port. marimo's port has no password: the relay works only where nobody else is on the loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path

from mograder.marimo_adapter import options

_CHUNK = 64 * 1024
#: Seconds between two tries to reach marimo while it starts: a TCP port says by no event that it is open.
_RETRY = 0.02


def serve(spec: options.ServeSpec, listener: socket.socket, *, shared_loopback: bool = False) -> int:
    """Run stock marimo and relay ``listener`` to it until it ends; its exit status (2: refused).

    Refuses where the network namespace holds more than ``lo``, unless ``shared_loopback``: another user of
    this machine could then reach the notebook.
    """
    if not shared_loopback and [name for _, name in socket.if_nameindex()] != ["lo"]:
        print("mograder: refusing to serve marimo over TCP outside a private network", file=sys.stderr)
        return 2
    _write_settings(spec)
    _adopt_orphans()
    try:
        return asyncio.run(_serve(spec, listener))
    finally:
        _end_children()


async def _serve(spec: options.ServeSpec, listener: socket.socket) -> int:
    port = _free_port()
    words = [sys.executable, "-I", "-B", "-m", "marimo", *options.serve_arguments(spec, port=port)]
    marimo = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, marimo.terminate)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await _join(reader, writer, port, marimo)
        writer.close()

    listener.setblocking(False)
    server = await asyncio.start_unix_server(accept, sock=listener)
    status = await marimo.wait()
    server.close()
    return status if status >= 0 else 128 - status


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, marimo: asyncio.subprocess.Process
) -> None:
    upstream = await _connect(port, marimo)
    if upstream is None:
        return
    there, back = upstream
    try:
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
    finally:
        back.close()


async def _connect(
    port: int, marimo: asyncio.subprocess.Process
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    while marimo.returncode is None:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(_RETRY)
    return None


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


def _adopt_orphans() -> None:
    """Older versions of marimo leave their kernels behind; make this process their parent when they do."""
    subreaper = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
    ctypes.CDLL(None).prctl(subreaper, 1, 0, 0, 0)


def _end_children() -> None:
    # A child that ends may hand over its own children, so look again until nobody is left.
    while children := Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for child in map(int, children):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_settings(spec: options.ServeSpec) -> None:
    """marimo's user file is the only door that the command line leaves; a notebook's header outranks it."""
    home = os.environ.get("XDG_CONFIG_HOME")
    if not home:
        return
    file = Path(home, "marimo", "marimo.toml")
    file.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for section, values in options.settings(spec).items():
        lines += [f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    """Settings hold strings, numbers, booleans, lists and small tables; JSON writes the first four."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
