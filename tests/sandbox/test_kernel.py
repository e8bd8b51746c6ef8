"""The kernel calls that Python lacks, and their errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mograder.sandbox import kernel


def test_a_failing_call_is_an_error_with_its_reason() -> None:
    with pytest.raises(OSError, match="prctl"):
        kernel.prctl(-1)
    with pytest.raises(OSError, match="mount on /nowhere"):
        kernel.mount("x", "/nowhere", "tmpfs", 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.setns(9999, kernel.CLONE_NEWUSER)


def test_a_filter_that_is_none_is_refused() -> None:
    with pytest.raises(OSError, match="SECCOMP"):
        kernel.load_filter(b"")


def test_every_namespace_is_all_seven() -> None:
    assert kernel.EVERY_NAMESPACE == 0x7E020000


def test_the_version_of_landlock_is_what_the_kernel_says() -> None:
    active = Path("/sys/kernel/security/lsm")
    version = kernel.landlock()
    assert 0 <= version < 100
    if active.exists():
        assert bool(version) == ("landlock" in active.read_text().split(","))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_capabilities_are_gone_after_they_were_dropped() -> None:
    child = os.fork()
    if child == 0:
        kernel.drop_every_capability()
        with open("/proc/self/status") as lines:
            held = next(line for line in lines if line.startswith("CapEff"))
        os._exit(int(held.split()[1], 16) != 0)
    assert os.waitpid(child, 0)[1] == 0
