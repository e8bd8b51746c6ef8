"""Runs the hub: takes the course and the port, serves until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from mograder.course import is_item_name, is_user_name
from mograder.errors import MograderError
from mograder.hub.app import Hub, build
from mograder.hub.content import content_host
from mograder.hub.gateway.attach import attach
from mograder.hub.gateway.options import Limits, Options
from mograder.hub.listeners import BACKLOG, listen, listen_unix
from mograder.hub.settings import Settings, make_directories


def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Run the hub until SIGINT or SIGTERM. ``on_ready`` gets its URL once it takes connections.

    Sessions go on when the hub ends; only Ctrl-C in dev mode ends them too.

    Raises:
        MograderError: the port is taken, or another hub serves this course.
    """
    make_directories(settings)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_claim(settings.state_dir / "hub.lock"))
        sockets = [stack.enter_context(listen(settings.hub.host, settings.hub.port))]
        content = content_host(settings)
        if content is not None and content.own_port is not None:
            sockets.append(stack.enter_context(listen(settings.hub.host, content.own_port)))
        if settings.unix_socket is not None:
            unix = listen_unix(settings.unix_socket, settings.hub.unix_socket_group)
            sockets.append(stack.enter_context(unix))
        _run(build(settings), sockets, on_ready)


def url(listener: socket.socket) -> str:
    """Where a browser on this machine finds the hub."""
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  compared, not bound
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def _run(hub: Hub, sockets: list[socket.socket], on_ready: Callable[[str], None]) -> None:
    attached = attach(hub.app, hub.door, gateway_options(hub))
    config = uvicorn.Config(
        attached.app,
        **attached.settings,
        loop="uvloop",
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config, hub, lambda: on_ready(url(sockets[0]).rstrip("/") + f"{hub.settings.root}/"))
    server.run(sockets=sockets)


def gateway_options(hub: Hub) -> Options:
    """How the gateway of ``hub`` meets the world."""

    def legal(name: str) -> bool:
        return is_user_name(name) or is_item_name(name)

    return Options(
        legal_name=legal,
        trusted_proxy=hub.gate.is_trusted,
        known_host=lambda host, from_proxy: hub.hosts.knows(host, from_proxy=from_proxy),
        shared_origin=hub.content is None or hub.content.mode != "owners",
        scheme="https" if hub.settings.hub.public_url.startswith("https:") else "http",
        root=hub.settings.root,
        assets_path=f"{hub.settings.root}/_marimo/",
        speaks_for_many=hub.gate.is_proxys,
        granted=hub.granted,
        limits=Limits(
            connections=min(hub.settings.hub.max_connections, _descriptors() // 2 - 100),
            connections_per_address=hub.settings.hub.connections_per_address,
        ),
    )


def _descriptors() -> int:
    """How many descriptors this process may have: as many as it may ask for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard, 1024) if hard != resource.RLIM_INFINITY else 1 << 20


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and which ends a developer's sessions on Ctrl-C."""

    def __init__(self, config: uvicorn.Config, hub: Hub, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._hub = hub
        self._on_ready = on_ready
        self._interrupted = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What lives now lives as long as the hub: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._interrupted = self._interrupted or sig == signal.SIGINT
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._interrupted and self._hub.settings.dev:
            await asyncio.wait_for(self._hub.sessions.shutdown(), 10)
        self._hub.app.state.streams.close()
        await super().shutdown(sockets)


def _claim(path: Path) -> _Held:
    """Hold a course for this hub alone: two would race for its sessions."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode().strip()
        os.close(descriptor)
        raise MograderError(
            f"Another hub (process {holder or 'unknown'}) serves this course already.",
            tip="stop it first, or name another course with -C.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return _Held(descriptor)


class _Held:
    """A lock that ends with its ``with`` block, or with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
