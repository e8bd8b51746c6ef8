"""Which addresses count as one, where something is counted by address."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """Return the word under which ``address`` is counted.

    Of IPv6 the first 64 bits: anybody with a connection has all addresses of such a network. An IPv4 address that a
    socket for both kinds sees (``::ffff:192.0.2.1``) is the IPv4 address. What is no address is itself.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
