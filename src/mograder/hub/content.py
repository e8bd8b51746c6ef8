"""Where what students wrote is served, if it is not the hub's own host: another name, a name for each owner, a port."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

from mograder.course import is_item_name, is_user_name
from mograder.errors import ConfigError
from mograder.hub.gateway.names import encode_path
from mograder.hub.settings import Settings

Kind = Literal["edit", "run", "validate-report"]
Mode = Literal["owners", "host", "port"]

HAND_OFF = "_hub/hand-off"
"""Where, below a place, the content host takes over whom the hub sends."""

_CONFIGURED = re.compile(
    r"(?P<wild>\*\.)?(?P<name>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?(:(?P<port>\d{1,5}))?"
)
_SESSION = re.compile(r"/(edit|run)/user/([^/]+)/([^/]+)/(.*)", re.DOTALL)
_REPORT = re.compile(r"/(validate-report)/([^/]+)/([^/]+)(?:/(.*))?", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TIP = 'write "content.example.edu", "*.content.example.edu" (a sub-domain for each student) or ":8081" (a port).'


@dataclass(frozen=True, slots=True)
class Place:
    """One thing that a student wrote: a live notebook, or the report of its last validation."""

    kind: Kind
    user: str
    item: str

    @property
    def base(self) -> str:
        """Its path below the hub's root, percent-encoded."""
        if self.kind == "validate-report":
            return encode_path(f"/validate-report/{self.user}/{self.item}").decode("ascii")
        return encode_path(f"/{self.kind}/user/{self.user}/{self.item}/").decode("ascii")


def place_at(path: str) -> tuple[Place, str] | None:
    """The place that a decoded path lies in, and the rest of the path behind it; None if it is nobody's."""
    match = _SESSION.fullmatch(path) or _REPORT.fullmatch(path)
    if match is None:
        return None
    kind, user, item, rest = match.groups()
    if not (is_user_name(user) and is_item_name(item)):
        return None
    return Place(cast(Kind, kind), user, item), rest or ""


class ContentHost:
    """The other host (or port) of one hub. All hosts and origins here are as browsers see them.

    Below the path that the hub has at its own host, everything lies below the same path here: a session knows one.
    """

    def __init__(self, public_url: str, content_host: str, secret: str) -> None:
        hub = urlsplit(public_url)
        if not hub.hostname:
            raise ConfigError(
                "[hub] content_host needs public_url: the way there begins and ends at the hub.",
                tip='set public_url = "https://hub.example.edu", as browsers find the hub.',
            )
        wild, name, port = _parsed(content_host)
        self.scheme = hub.scheme
        self._root = hub.path.rstrip("/")
        self.hub_url = f"{hub.scheme}://{hub.netloc.lower()}{self._root}/"
        self._hub_name = hub.hostname
        self._name = name or hub.hostname
        hubs_port = hub.port or _DEFAULT_PORTS[hub.scheme]
        self.port = port or hubs_port
        self.mode: Mode = "owners" if wild else "port" if self._name == hub.hostname else "host"
        self._key = hmac.digest(secret.encode(), b"content\0", "sha256")
        if self.mode == "port" and self.port == hubs_port:
            raise ConfigError(
                "[hub] content_host is the hub's own host and port, so nothing would be apart.", tip=_TIP
            )
        if self.mode != "port" and self.claims(hub.netloc):
            raise ConfigError(
                f"[hub] content_host: the hub's own name {hub.hostname} is one of *.{self._name}.",
                tip='use names that the hub is not among, e.g. "*.content.example.edu".',
            )

    @property
    def is_another_name(self) -> bool:
        """Whether browsers keep its cookies apart from the hub's: a port alone does not make them."""
        return self.mode != "port"

    @property
    def own_port(self) -> int | None:
        """The port on which the hub must listen for it, too; None if that is up to the proxy in front."""
        return self.port if self.mode == "port" and self.scheme == "http" else None

    @property
    def names(self) -> tuple[str, ...]:
        """Its host names, as ``allowed_hosts`` spells them."""
        return (f"*.{self._name}" if self.mode == "owners" else self._name,)

    @property
    def sources(self) -> tuple[str, ...]:
        """Its origins as sources of a Content-Security-Policy."""
        return (f"{self.scheme}://{self.names[0]}{self._colon_port}",)

    def claims(self, host: str) -> bool:
        """Whether a ``Host`` is the content host's: the hub's own pages do not exist there."""
        name, port = _split(host, _DEFAULT_PORTS[self.scheme])
        if self.mode == "owners":
            return name == self._name or name.endswith(f".{self._name}")
        return name == self._name and (self.mode == "host" or port == self.port)

    def serves(self, host: str, owner: str) -> bool:
        """Whether what ``owner`` wrote is served under this ``Host``."""
        return self.claims(host) and _split(host, 0)[0] == self._name_for(owner)

    def origin(self, owner: str) -> str:
        """The origin of all that ``owner`` wrote, without a final slash."""
        return f"{self.scheme}://{self._name_for(owner)}{self._colon_port}"

    def base(self, place: Place) -> str:
        """The path of a place, percent-encoded: what its cookie is bound to."""
        return f"{self._root}{place.base}"

    def url(self, place: Place) -> str:
        """The whole address of a place."""
        return f"{self.origin(place.user)}{self.base(place)}"

    def landing(self, place: Place) -> str:
        """Where the content host takes over whom the hub sends to a place."""
        return f"{self.url(place).rstrip('/')}/{HAND_OFF}"

    def _name_for(self, owner: str) -> str:
        if self.mode != "owners":
            return self._name
        # A digest: no two owners share a label, whatever their names look like in a host name.
        label = hmac.digest(self._key, owner.encode(), "sha256").hex()[:20]
        return f"u{label}.{self._name}"

    @property
    def _colon_port(self) -> str:
        return "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"


def content_host(settings: Settings) -> ContentHost | None:
    """The content host of ``settings``; None if students' content shares the hub's origin. Raises ConfigError."""
    hub = settings.hub
    if not hub.content_host:
        return None
    found = ContentHost(hub.public_url, hub.content_host, settings.secret)
    for name in hub.allowed_hosts:
        if found.mode != "port" and found.claims(name.removeprefix("*.")):
            raise ConfigError(
                f"[hub] allowed_hosts: {name} is the content host's, so the hub can not answer to it.",
                tip="leave it out: the names of content_host are known anyway.",
            )
    return found


def _parsed(text: str) -> tuple[bool, str, int]:
    match = _CONFIGURED.fullmatch(text)
    if (
        match is None
        or not (match["name"] or match["port"])
        or int(match["port"] or 1) not in range(1, 65536)
    ):
        raise ConfigError(f'[hub] content_host: "{text}" is neither a host name nor a port.', tip=_TIP)
    name = (match["name"] or "").lower()
    if match["wild"] and (not name or _is_address(name)):
        raise ConfigError(f'[hub] content_host: "{text}" can have no sub-domains.', tip=_TIP)
    return bool(match["wild"]), name, int(match["port"] or 0)


def _split(host: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").rstrip("."), parts.port or default_port
    except ValueError:
        return "", default_port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
