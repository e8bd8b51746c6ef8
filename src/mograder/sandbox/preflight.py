"""Can this host confine sessions, and how well? Tries each thing, and says what to do about what is missing."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mograder.errors import SandboxError
from mograder.sandbox import bubblewrap, cgroups, identities, kernel, selftest
from mograder.sandbox.identities import Identities
from mograder.sandbox.limits import Means
from mograder.sandbox.syscalls import NUMBERS
from mograder.sentences import Sentence

Level = Literal["ok", "warn", "fail"]
Verdict = Literal["strict", "standard", "degraded", "refuse"]

_KERNEL = (5, 9)  # setns with a pidfd, close_range, openat2
_KERNEL_PER_NAMESPACE = (5, 14)  # limits on processes count per user namespace
_BUBBLEWRAP = (0, 8)  # --disable-userns
_INOTIFY = 4096  # 128 for each of 32 sessions


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One thing that was tried. ``remedy`` says what to do when it is not ok."""

    name: str
    level: Level
    detail: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """All probes and what follows from them.

    ``strict``: every means is there. ``standard``: sessions are confined and limited, but share a host user
    or an unbounded disk. ``degraded``: confined, but memory is only watched, which protects from accidents, or sessions
    keep the groups of the hub's user.
    ``refuse``: not confined. ``can_join`` is false where sessions have to start a fresh Python.
    """

    probes: tuple[Probe, ...]
    verdict: Verdict
    identities: Identities
    means: Means
    can_join: bool


def examine(workspaces: Path, *, state: Path | None = None, root_base: int = identities.ROOT_BASE) -> Report:
    """Probe the host, as the user who would run the hub.

    ``workspaces`` is the directory of the students' work (a self-test makes and removes a directory in it),
    ``state`` the hub's private one. Takes about half a second. Raises SandboxError only for a ``root_base``
    that is no range.
    """
    users = identities.choose(root_base=root_base)
    means, limits = _limits()
    probes = [
        _machine(),
        _kernel(),
        _bubblewrap(),
        *_namespaces(),
        _groups(users),
        _per_student(users),
        limits,
    ]
    can_join = False
    if not any(probe.level == "fail" for probe in probes):
        confined, can_join = _self_test(workspaces, users)
        probes += confined
    probes += [
        _disk(workspaces, state),
        *_state(state, workspaces),
        _links(),
        _swap(means),
        _hardening(),
        _landlock(),
        *_inotify(users),
    ]
    return Report(
        probes=tuple(probes),
        verdict=_verdict(probes, users, means),
        identities=users,
        means=means,
        can_join=can_join,
    )


def _verdict(probes: Iterable[Probe], users: Identities, means: Means) -> Verdict:
    levels = {probe.name: probe.level for probe in probes}
    if "fail" in levels.values():
        return "refuse"
    if means == "rlimits and a watchdog" or levels["supplementary groups"] != "ok":
        return "degraded"
    return "strict" if users.per_student and levels["disk"] == "ok" else "standard"


def _probe(name: str, good: bool, detail: str, remedy: str, *, otherwise: Level = "fail") -> Probe:
    return Probe(name=name, level="ok" if good else otherwise, detail=detail, remedy="" if good else remedy)


def _machine() -> Probe:
    machine = f"{platform.system()} {platform.machine()}"
    good = sys.platform == "linux" and platform.machine() in NUMBERS
    return _probe(
        "machine", good, machine, Sentence("Linux on one of {machines}", machines=", ".join(NUMBERS))
    )


def _kernel() -> Probe:
    release = platform.release()
    version = _numbers(release)
    if version < _KERNEL:
        return _probe("kernel", False, release, Sentence("a kernel of 5.14 or newer"))
    remedy = Sentence("a kernel of 5.14 or newer: before, a limit on processes counts all sessions together")
    return _probe("kernel", version >= _KERNEL_PER_NAMESPACE, release, remedy, otherwise="warn")


def _bubblewrap() -> Probe:
    remedy = Sentence("apt install bubblewrap (0.8 or newer), not set-user-id")
    try:
        path = bubblewrap.find()
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (SandboxError, OSError, subprocess.SubprocessError) as error:
        reason = error.message if isinstance(error, SandboxError) else str(error)
        return _probe("bubblewrap", False, reason, remedy)
    with_rights = Path(path).stat().st_mode & stat.S_ISUID
    detail = f"{done.stdout.strip()} at {path}{' (set-user-id)' if with_rights else ''}"
    return _probe("bubblewrap", _numbers(done.stdout) >= _BUBBLEWRAP and not with_rights, detail, remedy)


def _namespaces() -> list[Probe]:
    """User namespaces, tried by bubblewrap itself; empty when there is none to try with."""
    try:
        command = [bubblewrap.find(), "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (SandboxError, OSError, subprocess.SubprocessError):
        return []
    return [
        _probe(
            "user namespaces",
            done.returncode == 0,
            done.stderr.strip()[:200] or Sentence("can be made"),
            _why_no_namespaces(),
        )
    ]


def _why_no_namespaces() -> str:
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return Sentence("an AppArmor profile for bwrap that has the rule 'userns,'")
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return "sysctl kernel.unprivileged_userns_clone=1"
    if _setting("user/max_user_namespaces") == "0":
        return "sysctl user.max_user_namespaces=10000"
    return Sentence("allow user namespaces; in a container they need its permission")


def _groups(users: Identities) -> Probe:
    """Given up where students have users of their own. Another user can not, and its sessions keep them."""
    extra = sorted(set(os.getgroups()) - {os.getegid()})
    groups = ", ".join(map(str, extra))
    detail = Sentence("member of {groups}", groups=groups) if extra else Sentence("none")
    good = not extra or users.per_student
    remedy = Sentence("a service user without supplementary groups: they stay in force inside a sandbox")
    return _probe("supplementary groups", good, detail, remedy, otherwise="warn")


def _per_student(users: Identities) -> Probe:
    detail = {
        "root": Sentence("{count} users from {first}", count=users.count, first=users.first_uid),
        "subuid": Sentence(
            "{count} subordinate users from {first}", count=users.count, first=users.first_uid
        ),
        "shared": Sentence(
            "every session runs as user {uid}, told apart by namespaces alone", uid=users.engine_uid
        ),
    }[users.how]
    remedy = Sentence(
        "a range in /etc/subuid and /etc/subgid for the hub's user, and newuidmap (apt install uidmap)"
    )
    return _probe("a host user per student", users.per_student, detail, remedy, otherwise="warn")


def _limits() -> tuple[Means, Probe]:
    tree = cgroups.find()
    if tree is None:
        means: Means = "rlimits and a watchdog"
        detail = Sentence("{means}: memory is watched, not bounded", means=Sentence(means))
        remedy = Sentence("Delegate=yes in the hub's systemd unit, so that it may make control groups")
        return means, _probe("limits", False, detail, remedy, otherwise="warn")
    tree.remove()
    return tree.means, _probe("limits", True, tree.means, "")


def _self_test(workspaces: Path, users: Identities) -> tuple[list[Probe], bool]:
    """What a session really can do: the probe that the others only explain."""
    try:
        result = selftest.run(workspaces, users)
    except (SandboxError, OSError) as error:
        reason = error.message if isinstance(error, SandboxError) else str(error)
        return [_probe("sandbox", False, reason, Sentence("mend what the probes above show"))], False
    works = not result.fresh
    made = Sentence("made in {time} ms", time=f"{result.start_ms:.0f}")
    escapes = Sentence("a session can {escapes}", escapes="; ".join(result.escapes))
    probes = [
        _probe("sandbox", works, result.fresh or made, Sentence("see the reason given")),
        _probe(
            "containment",
            not result.escapes,
            escapes if result.escapes else Sentence("every try to get out failed"),
            Sentence("do not run a hub on this host"),
        ),
        _probe(
            "forked sessions",
            not result.joined,
            result.joined or Sentence("a fork can join a sandbox"),
            Sentence("none needed: sessions start a fresh Python, in seconds instead of at once"),
            otherwise="warn",
        ),
    ]
    return probes, not result.joined


def _disk(workspaces: Path, state: Path | None) -> Probe:
    """Whom students' files can leave without room."""
    device = workspaces.stat().st_dev
    apart = Sentence("a file system of their own")
    detail = apart
    if state is not None and state.exists() and state.stat().st_dev == device:
        detail = Sentence("on the file system of the hub's state")
    if Path("/").stat().st_dev == device:
        detail = Sentence("on the system's file system")
    remedy = Sentence(
        "a file system of their own for the workspaces: a full one then stops sessions, not the machine"
    )
    return _probe("disk", detail is apart, detail, remedy, otherwise="warn")


def _state(state: Path | None, workspaces: Path) -> list[Probe]:
    if state is None or not state.exists():
        return []
    mode = stat.S_IMODE(state.stat().st_mode)
    within = workspaces.resolve() in (state.resolve(), *state.resolve().parents)
    octal = f"{mode:04o}"
    detail = Sentence("mode {mode}", mode=octal)
    if within:
        detail = Sentence("mode {mode}, below the workspaces", mode=octal)
    return [_probe("private state", not mode & 0o077 and not within, detail, f"chmod 700 {state}")]


def _links() -> Probe:
    names = [f"fs/protected_{kind}" for kind in ("symlinks", "hardlinks", "fifos", "regular")]
    off = [name.replace("/", ".") for name in names if _setting(name) == "0"]
    return _probe(
        "protected links",
        not off,
        Sentence("off: {names}", names=", ".join(off)) if off else Sentence("on"),
        _set(off),
        otherwise="warn",
    )


def _swap(means: Means) -> Probe:
    used = len(Path("/proc/swaps").read_text().splitlines()) > 1
    good = not used or means == "cgroup v2"
    detail = Sentence("in use") if used else Sentence("none")
    return _probe("swap", good, detail, Sentence("swapoff, or control groups of version 2"), otherwise="warn")


def _hardening() -> Probe:
    wanted = {
        "dmesg_restrict": 1,
        "kptr_restrict": 1,
        "unprivileged_bpf_disabled": 1,
        "perf_event_paranoid": 2,
    }
    low = [
        f"kernel.{name}" for name, least in wanted.items() if int(_setting(f"kernel/{name}") or least) < least
    ]
    return _probe(
        "kernel hardening",
        not low,
        Sentence("low: {names}", names=", ".join(low)) if low else Sentence("on"),
        _set(low),
        otherwise="warn",
    )


def _landlock() -> Probe:
    """Told, and never a reason for anything.

    It could only hide files and ports a second time: a sandbox has no file but what is mounted for it, and no
    network. Whoever breaks that has broken the kernel, which Landlock is part of.
    """
    version = kernel.landlock()
    there = Sentence("version {version}, not needed: what it could hide is not in a sandbox", version=version)
    return _probe("landlock", True, there if version else Sentence("none, and none is needed"), "")


def _inotify(users: Identities) -> list[Probe]:
    if users.per_student:
        return []  # the kernel counts per user
    instances = int(_setting("fs/inotify/max_user_instances") or 0)
    remedy = Sentence(
        "sysctl fs.inotify.max_user_instances={number}: sessions of one user share them", number=_INOTIFY
    )
    return [_probe("inotify instances", instances >= _INOTIFY, str(instances), remedy, otherwise="warn")]


def _set(names: list[str]) -> str:
    return Sentence("set {names} with sysctl", names=", ".join(names)) if names else ""


def _setting(name: str) -> str | None:
    with contextlib.suppress(OSError):
        return Path("/proc/sys", name).read_text().strip()
    return None


def _numbers(version: str) -> tuple[int, ...]:
    found = re.search(r"\d+(\.\d+)+", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
