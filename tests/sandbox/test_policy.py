"""The lists in ``policy`` and ``syscalls`` agree with each other."""

from __future__ import annotations

from mograder.sandbox import policy, syscalls


def test_no_call_is_both_allowed_and_refused() -> None:
    assert frozenset() == policy.ALLOWED & policy.REFUSED


def test_every_name_has_a_number_somewhere() -> None:
    numbered = set().union(*syscalls.NUMBERS.values())
    unnumbered = {
        "get_kernel_syms",
        "nfsservctl",
        "ustat",
        "uselib",
    }  # gone from one architecture, never in the other
    assert numbered >= policy.ALLOWED
    assert policy.REFUSED - numbered <= unnumbered


def test_numbers_are_unique() -> None:
    for table in syscalls.NUMBERS.values():
        assert len(set(table.values())) == len(table)


def test_what_nothing_counts_is_otherwise_allowed() -> None:
    assert policy.UNCOUNTED_MEMORY | policy.SYSTEM_V <= policy.ALLOWED
