"""The few kernel calls that Python 3.11 does not offer, through ctypes."""

from __future__ import annotations

import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_SECUREBITS = 23, 24, 28
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
EVERY_NAMESPACE = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)

MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND = 0x2, 0x4, 0x20, 0x1000
MS_REC, MS_SLAVE = 0x4000, 0x80000

_LANDLOCK_CREATE_RULESET, _LANDLOCK_VERSION = 444, 1  # the same on every machine; linux/landlock.h

_LIBC = ctypes.CDLL(None, use_errno=True)
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h: two 32-bit words per set


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """prctl(2). Raises OSError."""
    word = ctypes.c_ulong  # prctl is variadic: every argument needs its type
    return check(
        _LIBC.prctl(ctypes.c_int(option), word(first), word(second), word(0), word(0)), f"prctl({option})"
    )


def setns(descriptor: int, kinds: int) -> None:
    """setns(2) with a pidfd or a namespace file; ``os.setns`` exists only since Python 3.12.

    Raises OSError.
    """
    check(_LIBC.setns(ctypes.c_int(descriptor), ctypes.c_int(kinds)), "setns")


def unshare(kinds: int) -> None:
    """unshare(2). Raises OSError."""
    check(_LIBC.unshare(ctypes.c_int(kinds)), "unshare")


def landlock() -> int:
    """The version of Landlock that this kernel offers (landlock(7)); 0: none."""
    null, empty, flags = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_uint(_LANDLOCK_VERSION)
    return max(0, int(_LIBC.syscall(ctypes.c_long(_LANDLOCK_CREATE_RULESET), null, empty, flags)))


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2). Raises OSError that names the target."""
    source_, target_, kind_, options_ = (
        None if text is None else os.fsencode(text) for text in (source, target, kind, options)
    )
    check(_LIBC.mount(source_, target_, kind_, ctypes.c_ulong(flags), options_), f"mount on {target}")


def drop_every_capability() -> None:
    """Empty the permitted, effective and inheritable sets of this thread. Raises OSError."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    check(_LIBC.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")


def load_filter(program: bytes) -> None:
    """Put a seccomp filter on this thread, for ever. Needs no_new_privs. Raises OSError."""

    class Header(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    code = ctypes.create_string_buffer(program, len(program))
    header = Header(len(program) // 8, ctypes.addressof(code))
    word = ctypes.c_ulong
    answer = _LIBC.prctl(ctypes.c_int(PR_SET_SECCOMP), word(2), ctypes.byref(header), word(0), word(0))
    check(answer, "prctl(PR_SET_SECCOMP)")


def check(answer: int, what: str) -> int:
    """``answer``, or the OSError of the call that failed."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return answer
