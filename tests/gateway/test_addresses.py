"""Which addresses count as one."""

from __future__ import annotations

import pytest

from mograder.hub.gateway.addresses import counted_as


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(address: str, word: str) -> None:
    assert counted_as(address) == word
