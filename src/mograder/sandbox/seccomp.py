"""The system call filter of a session, as the bytes that bubblewrap and the kernel take."""

from __future__ import annotations

import errno
import platform
from collections.abc import Callable

from mograder.sandbox import kernel
from mograder.sandbox.bpf import ALLOW, ARCHITECTURE, KILL, NUMBER, Program, argument, errno_answer
from mograder.sandbox.policy import ALLOWED, REFUSED, SYSTEM_V, UNCOUNTED_MEMORY
from mograder.sandbox.syscalls import NUMBERS

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_X32_BIT = 0x40000000

_DENIED = errno_answer(errno.EPERM)
_MISSING = errno_answer(errno.ENOSYS)
_DONE = errno_answer(0)

_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET (sched.h)
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_RAW, _TYPE_BITS = 3, 0xF
_SET_ID_BITS = 0o6000
_CREATING = 0o100 | 0o20000000  # O_CREAT, __O_TMPFILE
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # Linux, as 32 bit, as 2.6, both, "which is it"
_PR_SET_MM, _PR_SET_PTRACER = 35, 0x59616D61
_SOCKET_IOCTLS, _SIOCGIFNAME = 0x8900, 0x8910
_IOCTLS = (
    *(0x5412, 0x541C, 0x5423, 0x541D),  # TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS: typing into a terminal
    *(0x40086602, 0x401C5820),  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR: immutable files, quota projects
    *(0xC0045877, 0xC0045878, 0xC0185879),  # FIFREEZE, FITHAW, FITRIM: the whole file system
)

Rule = Callable[[Program], None]


def build(*, deny_memfd: bool = False, deny_sysv: bool = False, machine: str | None = None) -> bytes:
    """The filter as ``struct sock_filter[]``: the same bytes for ``bwrap --seccomp`` and for ``load``.

    ``deny_memfd`` and ``deny_sysv`` refuse memory that only a memory cgroup counts: set them where none is in
    force. ``machine`` is an architecture as ``platform.machine()`` names it (default: this one's). Raises
    KeyError for an architecture that we have no numbers of.
    """
    machine = machine or platform.machine()
    numbers = NUMBERS[machine]
    refused = REFUSED | (UNCOUNTED_MEMORY if deny_memfd else set()) | (SYSTEM_V if deny_sysv else set())
    program = Program()
    _enter(program, machine)
    for name, rule in _RULES.items():
        if name in numbers:
            program.if_equal(numbers[name], rule)
    program.answer_numbers((numbers[name] for name in ALLOWED - refused if name in numbers), ALLOW)
    program.answer_numbers((numbers[name] for name in refused if name in numbers), _DENIED)
    program.answer(_MISSING)  # what we do not know yet, an older kernel does not have either
    return program.assemble()


def load(program: bytes) -> None:
    """Put the filter on this process, for ever, and on all it starts. Needs no_new_privs. Raises OSError."""
    kernel.load_filter(program)


def _enter(program: Program, machine: str) -> None:
    """Close the doors through which a number means another call: 32-bit calls (int 0x80) and x32."""
    program.load(ARCHITECTURE)
    program.unless_equal(_AUDIT[machine], _answer(KILL))
    program.load(NUMBER)
    if machine == "x86_64":
        program.if_at_least(_X32_BIT, _answer(_MISSING))


def _answer(verdict: int) -> Rule:
    return lambda block: block.answer(verdict)


def _clone(block: Program) -> None:
    block.load(argument(0))
    block.if_any_bit(_NAMESPACE_FLAGS, _answer(_DENIED))
    block.answer(ALLOW)


def _socket(block: Program) -> None:
    """Unix and internet sockets, and netlink's routing family that name resolution reads.

    Never raw.

    Not all families are confined by a network namespace: vsock reaches the hypervisor from inside of one.
    """
    block.load(argument(0))
    for family in (_UNIX, _INET, _INET6):
        block.if_equal(family, _unless_raw)
    block.if_equal(_NETLINK, _only_routing)
    block.answer(errno_answer(errno.EAFNOSUPPORT))


def _unless_raw(block: Program) -> None:
    block.load(argument(1))
    block.mask(_TYPE_BITS)
    block.if_equal(_RAW, _answer(_DENIED))
    block.answer(ALLOW)


def _only_routing(block: Program) -> None:
    block.load(argument(2))
    block.if_equal(0, _answer(ALLOW))
    block.answer(_DENIED)


def _ioctl(block: Program) -> None:
    """No terminal injection, no file system controls, and no questions about network interfaces.

    A session's listener was made in the host's network namespace: asked for interfaces it would name the
    host's.
    """
    block.load(argument(1))
    for request in _IOCTLS:
        block.if_equal(request, _answer(_DENIED))
    block.mask(0xFF00)
    block.if_equal(_SOCKET_IOCTLS, _no_interfaces)
    block.answer(ALLOW)


def _no_interfaces(block: Program) -> None:
    block.load(argument(1))
    block.if_at_least(_SIOCGIFNAME, _answer(_DENIED))
    block.answer(ALLOW)


def _personality(block: Program) -> None:
    block.load(argument(0))
    for value in _PERSONALITIES:
        block.if_equal(value, _answer(ALLOW))
    block.answer(_DENIED)


def _prctl(block: Program) -> None:
    block.load(argument(0))
    for option in (_PR_SET_MM, _PR_SET_PTRACER):
        block.if_equal(option, _answer(_DENIED))
    block.answer(ALLOW)


def _no_set_id(mode: int) -> Rule:
    """Refuse set-user-id and set-group-id bits: somebody on the host could run what a student left."""

    def rule(block: Program) -> None:
        block.load(argument(mode))
        block.if_any_bit(_SET_ID_BITS, _answer(_DENIED))
        block.answer(ALLOW)

    return rule


def _no_set_id_when_creating(flags: int, mode: int) -> Rule:
    """The same for open: without O_CREAT the mode is whatever the register held, and must not be looked at."""

    def rule(block: Program) -> None:
        block.load(argument(flags))
        block.if_any_bit(_CREATING, _no_set_id(mode))
        block.answer(ALLOW)

    return rule


_RULES: dict[str, Rule] = {
    "clone": _clone,
    "clone3": _answer(_MISSING),  # its flags lie behind a pointer; a libc falls back to clone
    "socket": _socket,
    "ioctl": _ioctl,
    "personality": _personality,
    "prctl": _prctl,
    "open": _no_set_id_when_creating(1, 2),
    "openat": _no_set_id_when_creating(2, 3),
    "openat2": _answer(_MISSING),  # its mode lies behind a pointer
    "creat": _no_set_id(1),
    "chmod": _no_set_id(1),
    "fchmod": _no_set_id(1),
    "fchmodat": _no_set_id(2),
    "fchmodat2": _no_set_id(2),
    "mknod": _no_set_id(1),
    "mknodat": _no_set_id(2),
    "sync": _answer(_DONE),  # a flush of the host's disks, which is nobody's session's business
    "syncfs": _answer(_DONE),
}
