"""The engine's loop: one thread that hears the hub, the warm processes and the ends of sessions."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import signal
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mograder import __version__
from mograder.errors import MograderError, SandboxError, exhausted
from mograder.marimo_adapter import control
from mograder.marimo_adapter.owner import Coming, Warm
from mograder.sandbox import usage
from mograder.sandbox.logs import CappedLog
from mograder.sandbox.rota import Watched
from mograder.sandbox.watchdog import Watchdog
from mograder.sentences import Sentence, packed
from mograder.sessions.engine.loop import Mishaps, turn
from mograder.sessions.engine.plan import EnginePlan
from mograder.sessions.engine.protocol import PROTOCOL, Ended, Launch
from mograder.sessions.engine.tenant import Maker, Tenant
from mograder.sessions.engine.trial import Judged, Trial, Wanted
from mograder.sessions.engine.warmth import Warmths

LOOK_SECONDS = 0.5
"""How often the watchdog looks, and what is due is done."""

REMEMBERED = 1000
"""Ends of sessions that are kept for a hub that was away."""

Act = Callable[[], None]


class Engine:
    """Invariant: whatever is in ``_tenants`` has a running sandbox; it leaves the table when that is gone."""

    def __init__(self, listener: socket.socket, plan: EnginePlan) -> None:
        self._plan = plan
        self._listener = listener
        self._maker = Maker(plan.identities, plan.tree)
        self._selector = selectors.DefaultSelector()
        self._clients: set[socket.socket] = set()
        self._tenants: dict[str, Tenant] = {}
        self._ended: OrderedDict[str, Ended] = OrderedDict()
        self._warmths = Warmths(self._watch_warm, self._unwatch, self._write_down, self._try_out)
        self._watchdog = Watchdog()
        self._mishaps = Mishaps()
        self._deaf = True  # nobody is let in at the moment
        self._running = True

    def run(self) -> None:
        """Until a hub says quit, or SIGTERM comes."""
        self._hear_signals()
        self._listen()
        next_look = time.monotonic() + LOOK_SECONDS
        while self._running:
            turn(self._selector, max(0.0, next_look - time.monotonic()))
            if time.monotonic() >= next_look:
                self._tick()
                next_look = time.monotonic() + LOOK_SECONDS
        for tenant in self._tenants.values():
            tenant.end()

    # -- the hub ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        if self._deaf:
            self._on(self._listener, self._accept)
            self._deaf = False

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # there is no descriptor for it: who knocks waits until the next look
            self._unwatch(self._listener)
            self._deaf = True
            return
        peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", peer)
        if uid != self._plan.hub_uid:
            client.close()
            return
        self._clients.add(client)
        self._on(client, partial(self._hear, client))

    def _hear(self, client: socket.socket) -> None:
        message: dict[str, Any] | None = None
        descriptors: list[int] = []
        try:
            message, descriptors = control.receive(client)
            if message is None:
                self._drop(client)
                return
            self._do(client, message, descriptors)
        except _REFUSALS as error:
            self._answer(client, message or {}, **_refusal(error))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _do(self, client: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
        match message.get("do"):
            case "hello":
                alive = {name: tenant.how for name, tenant in self._tenants.items()}
                ended = packed([asdict(end) for end in self._ended.values()])
                self._answer(
                    client, message, protocol=PROTOCOL, version=__version__, alive=alive, ended=ended
                )
            case "launch":
                self._launch(client, message, descriptors)
            case "stop":
                self._end(message["session"], "stopped")
                self._answer(client, message)
            case "warm":
                python, notebook = Path(message["python"]), Path(message["notebook"])
                self._warmths.get(message["environment"], python, notebook, lambda _: None, message["limits"])
                self._answer(client, message)
            case "status":
                words = {name: warmth.words for name, warmth in self._warmths.by_environment.items()}
                self._answer(client, message, environments=words)
            case "usage":
                self._answer(client, message, sessions=self._usage(), cpu=self._cpu())
            case "quit":
                self._running = False
                self._answer(client, message)
            case other:
                self._answer(client, message, error=f"the engine can not {other!r}", kind="Malformed")

    def _launch(self, client: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
        fields = {name: message[name] for name in Launch.__dataclass_fields__ if name in message}
        launch = Launch(**fields)
        names: list[str] = message["given"]
        notebook = Path(launch.notebook) if launch.notebook else None
        if len(descriptors) < len(names):  # the kernel drops those for which we have no number
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        given = dict(zip(names, descriptors, strict=True))
        descriptors.clear()  # they are closed when it is launched, which may be later

        def go(warm: Warm | None) -> None:
            try:
                if not self._listens(client):
                    return  # its hub was killed while the environment became warm: nobody would know the session
                tenant = self._make(launch, warm, given)
                self._answer(client, message, how=tenant.how)
            except _REFUSALS as error:
                self._answer(client, message, **_refusal(error))
            finally:
                for descriptor in given.values():
                    os.close(descriptor)

        self._warmths.get(launch.environment, Path(launch.python), notebook, go, launch.limits)

    def _make(self, launch: Launch, warm: Warm | None, descriptors: dict[str, int]) -> Tenant:
        tenant = self._maker.make(launch, warm, descriptors)
        self._tenants[launch.session] = tenant
        self._on(tenant.pidfd, partial(self._end, launch.session))
        self._on(tenant.log.reader, partial(self._drain, tenant))
        self._watchdog.add(
            Watched(
                name=launch.session,
                init_pid=tenant.holder.init_pid,
                workspace=Path(launch.workspace),
                limits=tenant.limits,
                memory_counted=tenant.cgroup is not None,
                group=tenant.cgroup,
            )
        )
        return tenant

    def _answer(self, client: socket.socket, message: dict[str, Any], **words: Any) -> None:
        self._send(client, {"id": message.get("id"), **words})

    def _send(self, client: socket.socket, message: dict[str, Any]) -> None:
        try:
            control.send(client, message)
        except OSError:
            self._drop(client)

    def _listens(self, client: socket.socket) -> bool:
        """Whether a client is still there, also if the loop has not heard yet that it has gone."""
        look = select.poll()
        if client in self._clients:
            look.register(client, select.POLLRDHUP)
        return client in self._clients and not look.poll(0)

    def _drop(self, client: socket.socket) -> None:
        if client in self._clients:
            self._clients.discard(client)
            self._unwatch(client)
            client.close()

    # -- sessions -----------------------------------------------------------------------------------------

    def _end(self, name: str, reason: str = "", detail: str = "") -> None:
        """A session's main process has ended, or it is to end: end all of it, and tell."""
        tenant = self._tenants.get(name)
        if tenant is None:
            return
        if reason and not tenant.reason:
            tenant.reason, tenant.detail = reason, detail
        if not tenant.end():
            return  # its last process is not reaped yet; the next look tries again
        del self._tenants[name]
        self._watchdog.remove(name)
        self._unwatch(tenant.pidfd)
        self._unwatch(tenant.log.reader)
        _reap(tenant.pid)
        self._collect_status(tenant)
        tenant.close()
        self._maker.open_up(tenant.launch)
        end = Ended(name, tenant.reason, tenant.status or 0, tenant.detail)
        self._ended[name] = end
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        for client in list(self._clients):
            self._send(client, {"event": "ended", **packed(asdict(end))})

    def _collect_status(self, tenant: Tenant) -> None:
        """Of a forked session its warm process knows how it ended; it says so at once, or never."""
        warmth = self._warmths.by_environment.get(tenant.launch.environment)
        if warmth is None or warmth.warm is None:
            return
        deadline = time.monotonic() + 0.2
        while tenant.status is None and time.monotonic() < deadline:
            end = warmth.warm.ended(0.05)
            if end is None:
                continue
            if end.key == tenant.launch.session:
                tenant.status = end.status
            elif other := self._tenants.get(end.key):
                other.status = end.status

    def _drain(self, tenant: Tenant) -> None:
        if not tenant.log.drain():
            self._unwatch(tenant.log.reader)

    def _usage(self) -> dict[str, int]:
        found = {}
        for name, tenant in self._tenants.items():
            if tenant.cgroup is not None:
                found[name] = tenant.cgroup.usage().memory_bytes
            else:
                found[name] = sum(usage.proportional_bytes(pid) for pid in self._watchdog.members(name))
        return found

    def _cpu(self) -> dict[str, float]:
        """Processor seconds of each session. A host that counts none per group counts it per process."""
        found = {}
        for name, tenant in self._tenants.items():
            counted = 0.0 if tenant.cgroup is None else tenant.cgroup.usage().cpu_seconds
            found[name] = counted or sum(usage.cpu_seconds(pid) for pid in self._watchdog.members(name))
        return found

    # -- warm processes -----------------------------------------------------------------------------------

    def _watch_warm(self, thing: Coming | Warm, environment: str) -> None:
        came = isinstance(thing, Coming)
        self._on(thing, partial(self._warmths.came if came else self._heard_warm, environment))

    def _try_out(self, warm: Warm, wanted: Wanted, judged: Judged) -> Trial:
        trial = Trial(warm, self._plan.identities, judged)
        trial.begin(wanted, self._maker, self._on, self._unwatch)
        return trial

    def _write_down(self, log: CappedLog) -> None:
        def drain() -> None:
            if not log.drain():
                self._unwatch(log.reader)
                log.close()

        self._on(log.reader, drain)

    def _heard_warm(self, environment: str) -> None:
        warmth = self._warmths.by_environment[environment]
        assert warmth.warm is not None  # it is watched
        end = warmth.warm.ended()
        if end is not None and (tenant := self._tenants.get(end.key)):
            tenant.status = end.status
            self._end(end.key)
        elif end is None and warmth.warm.process.poll() is not None:
            self._warmths.lost(environment)

    # -- the loop -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        attempt = self._mishaps.attempt
        self._listen()
        attempt("warm processes", self._warmths.tick)
        attempt("watchdog", self._end_excesses)
        for name, tenant in list(self._tenants.items()):
            attempt("sessions", partial(self._see_to, name, tenant))
        attempt("orphans", self._reap_orphans)

    def _end_excesses(self) -> None:
        for excess in self._watchdog.look():
            self._end(excess.name, excess.reason, excess.detail)

    def _see_to(self, name: str, tenant: Tenant) -> None:
        if tenant.overdue:
            self._end(
                name, "time", Sentence("{seconds} s allowed", seconds=f"{tenant.launch.wall_seconds:.0f}")
            )
        elif tenant.reason or not tenant.holder.alive() or tenant.is_over():
            self._end(name)

    def _reap_orphans(self) -> None:
        """As process one we inherit what others leave behind; what was started with ``subprocess`` is not touched."""
        known = {tenant.pid for tenant in self._tenants.values()}
        for child in _zombies():
            if child in known:
                _reap(child)

    def _hear_signals(self) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: self._quit())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._on(reader, partial(_discard, reader))

    def _quit(self) -> None:
        self._running = False

    def _on(self, thing: Any, act: Act) -> None:
        self._selector.register(thing, selectors.EVENT_READ, act)

    def _unwatch(self, thing: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):  # not watched any more
            self._selector.unregister(thing)


_REFUSALS = (MograderError, OSError, KeyError, TypeError, ValueError)


def _refusal(error: Exception) -> dict[str, Any]:
    """An error on its way to the hub, which may tell it in another language."""
    if (busy := exhausted(error)) is not None:
        error = busy
    elif isinstance(error, OSError):
        error = SandboxError(
            "The part of the hub that runs notebooks could not do this ({reason}).", reason=error.strerror
        )
    words = error.whole if isinstance(error, MograderError) else str(error)
    return {"error": packed(words), "kind": type(error).__name__}


def _discard(reader: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(reader, 4096)


def _reap(pid: int) -> None:
    """A session whose warm process is gone is our child now."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _zombies() -> list[int]:
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    return [int(pid) for pid in children if _state(pid) == "Z"]


def _state(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
