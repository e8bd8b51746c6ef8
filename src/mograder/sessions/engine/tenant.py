"""One session in the engine: its sandbox, its process, its limits, its log."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mograder.errors import MograderError
from mograder.marimo_adapter import control, options
from mograder.marimo_adapter.owner import Warm
from mograder.sandbox import interpreters, profile, seccomp
from mograder.sandbox.cgroups import Cgroup, Tree
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.identities import Identities
from mograder.sandbox.join import in_child
from mograder.sandbox.limits import Limits
from mograder.sandbox.logs import CappedLog
from mograder.sandbox.profile import Profile
from mograder.sentences import Sentence
from mograder.sessions.engine.protocol import HOW_FORKED, HOW_FRESH, Launch
from mograder.sessions.launchers.slots import open_to_group

_RLIMIT_NAMES = {
    getattr(resource, name): name.removeprefix("RLIMIT_")
    for name in dir(resource)
    if name.startswith("RLIMIT_")
}


@dataclass
class Tenant:
    """A session that runs. ``pidfd`` is readable when its main process has ended.

    ``reason`` and ``detail`` say why it was ended from outside, if it was.
    """

    launch: Launch
    holder: Holder
    log: CappedLog
    limits: Limits
    how: str
    pid: int
    pidfd: int
    cgroup: Cgroup | None = None
    reason: str = ""
    detail: str = ""
    status: int | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def overdue(self) -> bool:
        """Whether it runs for longer than it may."""
        allowed = self.launch.wall_seconds
        return allowed > 0 and time.monotonic() - self.began > allowed

    def is_over(self) -> bool:
        """Whether its main process has ended."""
        look = select.poll()
        look.register(self.pidfd, select.POLLIN)
        return bool(look.poll(0))

    def end(self) -> bool:
        """End every process of it. True when they are gone."""
        if self.cgroup is not None and not self.reason and self.cgroup.usage().out_of_memory:
            self.reason = "memory"
            self.detail = Sentence("{allowed} MiB allowed", allowed=self.limits.memory_bytes >> 20)
        if self.cgroup is not None:
            self.cgroup.kill()  # a group that is out of memory or throttled would take seconds to die
        return self.holder.stop()

    def close(self) -> None:
        """Give back what it held."""
        if self.status is None and self.how == HOW_FRESH:
            self.status = self.holder.exit_status()
        self.log.drain()
        self.log.close()
        self.holder.close()
        os.close(self.pidfd)
        if self.cgroup is not None:
            self.cgroup.remove()


class Maker:
    """Makes tenants: the same confinement for a fork of a warm process and for a fresh one."""

    def __init__(self, identities: Identities, tree: Tree | None) -> None:
        self._identities = identities
        self._tree = tree
        # Without a cgroup nothing counts memory that belongs to no process: it must not be had.
        uncounted = tree is None
        self._filter = seccomp.build(deny_memfd=uncounted, deny_sysv=uncounted)

    def make(
        self,
        launch: Launch,
        warm: Warm | None,
        descriptors: Mapping[str, int],
        shown: Sequence[Path] = (),
    ) -> Tenant:
        """Bring a session up; it can read what lies in ``shown``, too.

        Raises SandboxError, SessionFailed or OSError; then nothing of it is left.
        """
        limits = Limits(**launch.limits)
        with contextlib.ExitStack() as undo:
            cgroup = None
            if self._tree is not None:
                cgroup = self._tree.session(f"s-{launch.session}", limits)
                undo.callback(cgroup.remove)
            log = CappedLog(descriptors["log"], limits.log_bytes)
            undo.callback(log.close)
            procs = cgroup.open_procs() if cgroup is not None else []
            for descriptor in procs:
                undo.callback(os.close, descriptor)
            world = self._profile(launch, shown)
            tenant = self._start(launch, world, warm, descriptors, limits, log, procs)
            tenant.cgroup = cgroup
            log.hand_over()
            undo.pop_all()
        for descriptor in procs:
            os.close(descriptor)
        return tenant

    def open_up(self, launch: Launch) -> None:
        """After a session: a hub that is not root gets at its files through its group, also at what it has closed."""
        if self._identities.how != "subuid":
            return

        def as_its_user() -> None:
            self._identities.inside(launch.slot).take()
            open_to_group(Path(launch.workspace))

        try:
            in_child(as_its_user)
        except (MograderError, OSError) as error:
            print(f"{launch.workspace} is not opened to the hub: {error}", flush=True)

    def _start(
        self,
        launch: Launch,
        world: Profile,
        warm: Warm | None,
        descriptors: Mapping[str, int],
        limits: Limits,
        log: CappedLog,
        procs: list[int],
    ) -> Tenant:
        # A fork takes its niceness itself; without groups to weigh sessions, a fresh one gets it with its sandbox.
        nice = 0 if warm is not None or self._tree is not None else limits.nice()
        # What holds the sandbox open is bounded like the session, which can reach into it: both have one user.
        how = Start(identity=self._identities.inside(launch.slot), cgroup_fds=procs, nice=nice)
        if warm is None:
            return self._fresh(launch, world, descriptors, limits, log, how)
        return self._forked(launch, world, warm, descriptors, limits, log, how)

    def _forked(
        self,
        launch: Launch,
        world: Profile,
        warm: Warm,
        descriptors: Mapping[str, int],
        limits: Limits,
        log: CappedLog,
        how: Start,
    ) -> Tenant:
        """The sandbox is built while the warm process forks: each takes a third of the time until a server is up."""
        ours, theirs = socket.socketpair()
        made: list[Holder] = []

        def build() -> None:
            theirs.close()
            made.append(Holder.start(world, how))
            with contextlib.suppress(BrokenPipeError):  # it is gone already: the warm process says why
                control.send_sandbox(ours, made[0].pidfd)

        with ours, theirs:  # a fork that waits in vain ends with them
            order = control.Order(
                spec=_spec(launch),
                cwd=_directory(launch),
                env=world.environment(),
                listener=descriptors.get("listener"),
                log=log.writer,
                sandbox=theirs.fileno(),
                cgroups=how.cgroup_fds,
                rlimits=_named(limits.rlimits(memory_counted=self._tree is not None)),
                program=self._filter,
                uid=how.identity.uid,
                gid=how.identity.gid,
                nice=0 if self._tree is not None else limits.nice(),
                umask=self._identities.umask,
                notebook=launch.notebook,
            )
            try:
                pid = warm.fork(order, launch.session, build)
                pidfd = os.pidfd_open(pid)
            except BaseException:
                for holder in made:
                    holder.stop()
                raise
        return Tenant(launch, made[0], log, limits, HOW_FORKED, pid, pidfd)

    def _fresh(
        self,
        launch: Launch,
        world: Profile,
        descriptors: Mapping[str, int],
        limits: Limits,
        log: CappedLog,
        how: Start,
    ) -> Tenant:
        spec = _spec(launch)
        listener = descriptors.get("listener")
        if isinstance(spec, options.ServeSpec):
            assert listener is not None
            command = options.serve_command(launch.python, spec, fd=listener)
        else:
            command = options.export_command(launch.python, spec)
        if launch.directory:
            command = ["/usr/bin/env", "-C", launch.directory, *command]
        holder = Holder.run(
            world,
            command,
            how,
            output=log.writer,
            descriptors=[] if listener is None else [listener],
            rlimits=limits.rlimits(memory_counted=self._tree is not None),
        )
        return Tenant(launch, holder, log, limits, HOW_FRESH, holder.init_pid, os.dup(holder.ended))

    def _profile(self, launch: Launch, shown: Sequence[Path]) -> Profile:
        root = Path(launch.python).parent.parent
        env = options.environment(profile.HOME, python=launch.python, TMPDIR="/tmp", **launch.env)  # noqa: S108
        return Profile(
            workspace=Path(launch.workspace),
            read_only=tuple((path, str(path)) for path in (*interpreters.of_environment(root), *shown)),
            seccomp=self._filter,
            env=env,
        )


def kill(pid: int) -> None:
    """End one process, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _spec(launch: Launch) -> options.ServeSpec | options.ExportSpec:
    read = options.loads_serve if launch.task == "serve" else options.loads_export
    return read(launch.spec)


def _directory(launch: Launch) -> str:
    return f"{profile.WORKSPACE}/{launch.directory}" if launch.directory else profile.WORKSPACE


def _named(bounds: Mapping[int, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {_RLIMIT_NAMES[number]: pair for number, pair in bounds.items()}
