"""Which host names the hub answers to, so that nobody else's name can be made to lead to it (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache
from urllib.parse import urlsplit

from mograder.hub.settings import Settings

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


class Hosts:
    """The host names of one hub.

    An address in place of a name, and ``localhost``, are always fine: no foreign page has such a name. With
    ``public_url`` or ``allowed_hosts`` only those are the hub's besides, and ``more``: those of ``content_host``. With
    neither: this machine's name, names without a dot (nobody can own one), and whatever the login proxy forwards.
    """

    def __init__(self, settings: Settings, more: tuple[str, ...] = ()) -> None:
        hub = settings.hub
        named = [urlsplit(hub.public_url).hostname or "", *hub.allowed_hosts, *more]
        self._dev = settings.dev
        self._names = {name.lower() for name in named if name and not name.startswith("*.")}
        self._below = tuple(name[1:].lower() for name in named if name.startswith("*."))
        self._told = bool(self._names or self._below)
        if not self._told:
            self._names = {socket.gethostname().lower(), hub.host.lower()}
        self._knows = lru_cache(maxsize=1024)(self._judge)

    @property
    def told(self) -> bool:
        """Whether the configuration says which names they are."""
        return self._told

    def knows(self, host: str, *, from_proxy: bool = False) -> bool:
        """Whether a ``Host`` (with or without port; any case) is one of the hub's."""
        if not _HOST.fullmatch(host):
            return False  # not what a browser sends; others could read another name in it
        return self._dev or (from_proxy and not self._told) or self._knows(host)

    def _judge(self, host: str) -> bool:
        name = name_of(host)
        if not name:
            return False
        if (
            _is_address(name)
            or name == "localhost"
            or name in self._names
            or name.endswith(self._below or ("\0",))
        ):
            return True
        return not self._told and ("." not in name or name.endswith(".localhost"))


def name_of(host: str) -> str:
    """The name in a ``Host`` field, without port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
