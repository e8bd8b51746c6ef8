"""The filter's answers, computed for both architectures; ``test_attacks`` asks the kernel itself."""

from __future__ import annotations

import errno
import platform
import re
from pathlib import Path

import pytest

from mograder.sandbox import policy, seccomp
from mograder.sandbox.bpf import ALLOW, KILL, Program, errno_answer
from mograder.sandbox.syscalls import NUMBERS
from tests.sandbox.machine import AUDIT, answer

MACHINES = sorted(NUMBERS)
EPERM, ENOSYS = errno_answer(errno.EPERM), errno_answer(errno.ENOSYS)


def ask(name: str, *arguments: int, machine: str = "x86_64", **options: bool) -> int:
    program = seccomp.build(machine=machine, **options)
    return answer(program, NUMBERS[machine][name], arguments, audit=AUDIT[machine])


@pytest.mark.parametrize("machine", MACHINES)
def test_what_a_notebook_needs_is_allowed(machine: str) -> None:
    for name in policy.ALLOWED & set(NUMBERS[machine]):
        assert ask(name, machine=machine) == ALLOW, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_dangerous_is_refused(machine: str) -> None:
    for name in policy.REFUSED & set(NUMBERS[machine]):
        assert ask(name, machine=machine) == EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_has_the_verdict_of_its_name_and_the_unknown_are_missing(machine: str) -> None:
    program = seccomp.build(machine=machine)
    names = {number: name for name, number in NUMBERS[machine].items()}
    for number in range(600):
        verdict = answer(program, number, audit=AUDIT[machine])
        if number not in names:
            assert verdict == ENOSYS, number
        elif names[number] in policy.ALLOWED:
            assert verdict == ALLOW, names[number]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_through_another_architectures_door_ends_the_process(machine: str) -> None:
    program = seccomp.build(machine=machine)
    for other in set(AUDIT.values()) - {AUDIT[machine]}:
        assert answer(program, 20, audit=other) == KILL


def test_x32_calls_are_missing() -> None:
    program = seccomp.build(machine="x86_64")
    assert answer(program, 0x40000000 + 39, audit=AUDIT["x86_64"]) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_can_be_made_and_namespaces_can_not(machine: str) -> None:
    threads = 0x3D0F00  # what a libc gives for pthread_create
    assert ask("clone", threads, machine=machine) == ALLOW
    for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask("clone", threads | flag, machine=machine) == EPERM, hex(flag)
    assert ask("clone3", machine=machine) == ENOSYS


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "verdict"),
    [
        (1, 1, 0, ALLOW),
        (2, 1, 6, ALLOW),
        (2, 0o2000000 | 1, 6, ALLOW),
        (10, 2, 17, ALLOW),
        (16, 3, 0, ALLOW),
        (16, 3, 12, EPERM),
        (2, 3, 1, EPERM),
        (10, 0o2000000 | 3, 58, EPERM),
        (17, 3, 0, errno_answer(errno.EAFNOSUPPORT)),
        (40, 1, 0, errno_answer(errno.EAFNOSUPPORT)),
    ],
)
def test_sockets_of_the_ordinary_kinds_only(family: int, kind: int, protocol: int, verdict: int) -> None:
    assert ask("socket", family, kind, protocol) == verdict


def test_a_high_word_does_not_hide_a_refused_request() -> None:
    """The kernel reads 32 bits of an ioctl request; a filter that compares 64 can be fooled (CVE-2019-10063)."""
    assert ask("ioctl", 0, 0x5412) == EPERM
    assert ask("ioctl", 0, 0x5412 | 1 << 32) == EPERM
    assert ask("ioctl", 0, 0x5401) == ALLOW


def test_interfaces_can_not_be_asked_for() -> None:
    assert ask("ioctl", 3, 0x8912) == EPERM
    assert ask("ioctl", 3, 0x8905) == ALLOW


@pytest.mark.parametrize(
    ("name", "mode"),
    [("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("creat", 1), ("mknod", 1), ("mknodat", 2)],
)
def test_no_set_id_bits(name: str, mode: int) -> None:
    before = (0,) * mode
    assert ask(name, *before, 0o755) == ALLOW
    assert ask(name, *before, 0o4755) == EPERM
    assert ask(name, *before, 0o2755) == EPERM


def test_the_mode_of_open_counts_only_when_it_creates() -> None:
    assert ask("openat", 0, 0, 0, 0o4755) == ALLOW
    assert ask("openat", 0, 0, 0o101, 0o644) == ALLOW
    assert ask("openat", 0, 0, 0o101, 0o4755) == EPERM
    assert ask("openat", 0, 0, 0o20200000, 0o4755) == EPERM  # O_TMPFILE
    assert ask("open", 0, 0o101, 0o2755) == EPERM


def test_a_flush_of_the_hosts_disks_succeeds_without_being_done() -> None:
    assert ask("sync") == errno_answer(0)


def test_memory_that_nothing_counts_can_be_refused() -> None:
    assert ask("memfd_create") == ALLOW
    assert ask("memfd_create", deny_memfd=True) == EPERM
    assert ask("shmget") == ALLOW
    assert ask("shmget", deny_sysv=True) == EPERM
    assert ask("personality", 0xFFFFFFFF) == ALLOW
    assert ask("personality", 0x40000) == EPERM
    assert ask("prctl", 35) == EPERM


def test_a_machine_without_a_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        seccomp.build(machine="vax")


def test_a_block_too_long_to_jump_over_is_an_error() -> None:
    def long(block: Program) -> None:
        for _ in range(300):
            block.answer(ALLOW)

    with pytest.raises(ValueError, match="too long"):
        Program().if_equal(1, long)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the header is this machine's")
def test_the_numbers_are_the_kernels() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("no kernel headers here")
    theirs = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()))
    known = {name: number for name, number in NUMBERS["x86_64"].items() if name in theirs}
    assert len(known) > 300
    assert {name: number for name, number in known.items() if int(theirs[name]) != number} == {}
