"""The outer jail: the session engine's world, in which it makes the sandboxes of sessions.

It has no network, no file of the hub's, a read-only runtime, and of the students only their workspaces.
Sandboxes are made inside it because a process can enter only the sandboxes that descend from its own user
namespace.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mograder.errors import SandboxError
from mograder.sandbox import cgroups, profile
from mograder.sandbox.bubblewrap import Arguments
from mograder.sandbox.identities import Identities
from mograder.sandbox.running import GATE, Running, bring_up

# Become a student's user, signal and watch those users' processes, measure their files; no more, and only
# within the jail's own user namespace.
_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")
_MAP_TIMEOUT = 10.0


@dataclass(frozen=True, kw_only=True)
class JailPlan:
    """What is in the jail.

    Pairs are a path outside and a path inside.

    ``read_only``: the runtime, the environments, the releases. ``writable``: the workspaces' root, a
    directory for sockets, where there are any the cgroups that were made for sessions. Under a range of users
    they must be reachable for those users inside: directories above a workspace need the x bit for others.
    """

    identities: Identities
    read_only: tuple[tuple[Path, str], ...]
    writable: tuple[tuple[Path, str], ...]
    env: Mapping[str, str] = field(default_factory=dict)
    tmp_bytes: int = 64 * profile.MiB

    def environment(self) -> dict[str, str]:
        """HOME is the sessions' own: what a preloaded package computes from it at import stays true in a session."""
        return {"HOME": profile.HOME, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"} | dict(self.env)


class Jail(Running):
    """A running jail. It outlives its starter; stopping it ends every session in it."""

    @classmethod
    def start(
        cls,
        plan: JailPlan,
        command: Sequence[str],
        *,
        output: int = subprocess.DEVNULL,
        descriptors: Sequence[int] = (),
        timeout: float = 10.0,
    ) -> Jail:
        """Start ``command`` in the jail: a program that is visible there, by its path inside.

        ``output`` is where it prints, ``descriptors`` keep their numbers (its control socket). Where the plan shows a
        tree of control groups, the engine has one of its own in it. Raises SandboxError with bubblewrap's own words, or
        newuidmap's.
        """
        with ExitStack() as opened:
            groups = [group for path, _ in plan.writable if (group := cgroups.engine_group(path)) is not None]
            for group in groups:
                opened.callback(os.close, group)
            program = _Program(command, output, descriptors, groups, timeout)
            bring = _with_a_range if plan.identities.per_student else _with_one_user
            init_pid, monitor, channel = bring(plan, program)
        with channel:
            channel.send(b"\n")
        return cls(init_pid, monitor)


@dataclass(frozen=True)
class _Program:
    command: Sequence[str]
    output: int
    descriptors: Sequence[int]
    cgroup_fds: Sequence[int]
    timeout: float

    def enter_groups(self) -> None:
        for descriptor in self.cgroup_fds:
            os.write(descriptor, b"0")


Binds = list[tuple[Path, str]]
Brought = tuple[int, subprocess.Popen[bytes], socket.socket]


def _arguments(plan: JailPlan, program: _Program, read_only: Binds, writable: Binds) -> Arguments:
    made = Arguments()
    made.add("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    if not program.cgroup_fds:  # else the engine moves processes, which no cgroup namespace may come between
        made.add("--unshare-cgroup-try")
    # The engine is process one itself: whatever ends it ends all that it made.
    made.add("--as-pid-1", "--hostname", "engine", "--new-session", "--clearenv")
    for name, value in plan.environment().items():
        made.add("--setenv", name, value)
    profile.system(made)
    # Nothing may cover a part of /proc here: the kernel lets a sandbox mount its own only where ours is
    # whole.
    made.add("--proc", "/proc", "--dev", "/dev")
    # A warm process tries a session out on itself, and marimo's needs shared memory.
    made.add("--perms", "1777", "--size", plan.tmp_bytes, "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108
    for place in ("/tmp", profile.HOME):  # noqa: S108  (inside; bubblewrap itself works in /tmp)
        made.add("--perms", "1777", "--size", plan.tmp_bytes, "--tmpfs", place)
    for outside, inside in read_only:
        made.bind("--ro-bind", outside, inside)
    for outside, inside in writable:
        made.bind("--bind", outside, inside)
    profile.seal(made)
    made.add("--chdir", "/")
    return made


def _with_one_user(plan: JailPlan, program: _Program) -> Brought:
    made = _arguments(plan, program, [*plan.read_only], [*plan.writable])
    made.add("--unshare-user", "--uid", profile.UID, "--gid", profile.GID, "--cap-drop", "ALL")
    return bring_up(
        made,
        (*GATE, *program.command),
        output=program.output,
        descriptors=program.descriptors,
        before=program.enter_groups if program.cgroup_fds else None,
        timeout=program.timeout,
    )


def _with_a_range(plan: JailPlan, program: _Program) -> Brought:
    """In a user namespace with a user for every student, which ``launch`` makes and we map."""
    ours, theirs = socket.socketpair()
    sources = [str(path) for path, _ in (*plan.read_only, *plan.writable)]
    place = "/mnt" if Path("/mnt").is_dir() else "/tmp"  # noqa: S108  (covered in a mount namespace of its own)
    as_root = plan.identities.how == "root"
    if as_root:
        read_only, writable = _staged(plan, place)
    else:
        read_only, writable = [*plan.read_only], [*plan.writable]
    made = _arguments(plan, program, read_only, writable)
    made.add("--cap-drop", "ALL")
    for capability in _CAPABILITIES:
        made.add("--cap-add", capability)
    order = {
        "sources": sources if as_root else [],
        "stage": place,
        "uid": plan.identities.engine_uid,
        "gid": plan.identities.engine_gid,
    }
    with ours, theirs:
        ours.settimeout(_MAP_TIMEOUT)
        ours.send(json.dumps(order).encode())
        return bring_up(
            made,
            (*GATE, *program.command),
            output=program.output,
            descriptors=[theirs.fileno(), *program.descriptors],
            before=program.enter_groups if program.cgroup_fds else None,
            through=_launcher(theirs.fileno()),
            meanwhile=lambda pid: _map(ours, theirs, pid, plan.identities),
            timeout=program.timeout,
        )


def _staged(plan: JailPlan, place: str) -> tuple[Binds, Binds]:
    inside = [inside for _, inside in (*plan.read_only, *plan.writable)]
    staged: Binds = [(Path(place) / str(number), path) for number, path in enumerate(inside)]
    return staged[: len(plan.read_only)], staged[len(plan.read_only) :]


def _launcher(channel: int) -> list[str]:
    package = str(Path(__file__).resolve().parents[2])
    program = (
        f"import sys; sys.path.insert(0, {package!r}); from mograder.sandbox import launch; launch.main()"
    )
    return [sys.executable, "-I", "-c", program, str(channel), "--"]


def _map(ours: socket.socket, theirs: socket.socket, pid: int, identities: Identities) -> None:
    """Write the maps of the user namespace that ``pid`` has made, when it says that it has."""
    theirs.close()
    try:
        if ours.recv(1) != b"u":
            return  # it ended: its own words say why
    except TimeoutError:
        return
    if identities.how == "root":
        _write_map(pid, "uid_map", identities.uid_map())
        _write_map(pid, "gid_map", identities.gid_map())
    else:
        _call_mapper("newuidmap", pid, identities.uid_map())
        _call_mapper("newgidmap", pid, identities.gid_map())
    ours.send(b"m")


def _write_map(pid: int, name: str, lines: list[tuple[int, int, int]]) -> None:
    text = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in lines)
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())  # the kernel takes one write
    except OSError as error:
        reason = f"{error.strerror} ({name})"
        raise SandboxError("The users of the jail could not be mapped: {reason}.", reason=reason) from error
    finally:
        os.close(descriptor)


def _call_mapper(program: str, pid: int, lines: list[tuple[int, int, int]]) -> None:
    words = [str(number) for line in lines for number in line]
    done = subprocess.run(
        [program, str(pid), *words],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=_MAP_TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        raise SandboxError(
            "The users of the jail could not be mapped: {reason}.",
            tip="give the hub's user a range in /etc/subuid and /etc/subgid",
            reason=done.stderr.strip() or program,
        )
