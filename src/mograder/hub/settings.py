"""How this hub runs: the configuration file, the environment and the command line put together."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from mograder.config import HubSection
from mograder.course import Course, shown
from mograder.errors import ConfigError, MograderError
from mograder.hub.gateway.headers import reaches_session

PROXY_SECRET = "MOGRADER_HUB_PROXY_SECRET"  # noqa: S105  the name of a variable
MIN_PROXY_SECRET = 16
"""Characters that the secret of the login proxy must have."""


@dataclass(frozen=True)
class Options:
    """What the command line says; None where it says nothing."""

    host: str | None = None
    port: int | None = None
    notebooks_dir: str | None = None
    session_ttl: int | None = None
    trusted_header: str | None = None
    dev: bool = False
    headless: bool = False


@dataclass(frozen=True)
class Settings:
    """All that the hub goes by. ``hub`` is ``[hub]`` with the command line's words in force.

    ``proxy_secret`` is what the login proxy must know if it comes from an address; "" if it may not come so.
    """

    course: Course
    hub: HubSection
    secret: str = field(repr=False)
    dev: bool
    headless: bool
    proxy_secret: str = field(default="", repr=False)

    @property
    def notebooks_dir(self) -> Path:
        """Where workspaces are, absolute."""
        return self.course.root / self.hub.notebooks_dir

    @property
    def published_dir(self) -> Path:
        """Where published items are, absolute."""
        return self.course.root / self.hub.release_dir

    @property
    def unix_socket(self) -> Path | None:
        """Where the hub listens for the login proxy, absolute."""
        return self.course.root / self.hub.unix_socket if self.hub.unix_socket else None

    @property
    def root(self) -> str:
        """The path below which browsers find the hub, without a final slash: "" or e.g. "/hub"."""
        return urlsplit(self.hub.public_url).path.rstrip("/")

    @property
    def state_dir(self) -> Path:
        """Where the hub's own state is, absolute."""
        return self.course.state_dir


def combine(course: Course, options: Options, secret: str, proxy_secret: str = "") -> Settings:
    """The settings in force. ``secret`` is MOGRADER_HUB_SECRET; in dev mode a throw-away one may take its place.

    ``proxy_secret`` is MOGRADER_HUB_PROXY_SECRET, which wins over ``[hub] proxy_secret_file``.

    Raises:
        ConfigError: a value that can only be judged here is wrong.
    """
    said = {
        name: value
        for name in ("host", "port", "notebooks_dir", "session_ttl", "trusted_header")
        if (value := getattr(options, name)) is not None
    }
    hub = _with(course.config.hub, said)
    for proxy in hub.trusted_proxies:
        _check_proxy(proxy)
    for header in (hub.trusted_header, hub.proxy_secret_header):
        _check_header(header)
    proxy_secret = proxy_secret or _secret_in(course.root, hub.proxy_secret_file)
    if not options.dev:
        _check_proxy_secret(hub, proxy_secret)
    if options.dev and not secret:
        secret = secrets.token_hex(32)
    return Settings(course, hub, secret, options.dev, options.headless, proxy_secret)


def _with(hub: HubSection, said: dict[str, Any]) -> HubSection:
    try:
        return HubSection.model_validate({**hub.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise ConfigError(f"--{option} {shown(str(first['input']))}: {first['msg'].lower()}.") from None


def _secret_in(root: Path, name: str) -> str:
    if not name:
        return ""
    try:
        return (root / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"[hub] proxy_secret_file: {root / name} can not be read ({reason}).") from error


def _check_proxy_secret(hub: HubSection, secret: str) -> None:
    """An address alone is no proof: whoever has a login on that machine can send from it."""
    if secret and (len(secret) < MIN_PROXY_SECRET or not (secret.isascii() and secret.isprintable())):
        raise ConfigError(
            f"The secret of the login proxy must be {MIN_PROXY_SECRET} or more characters of plain ASCII.",
            tip="make one with: openssl rand -hex 32",
        )
    if hub.trusted_proxies and not secret:
        raise ConfigError(
            "[hub] trusted_proxies: an address alone is not believed; the login proxy must share a secret.",
            tip=f"let the proxy set {hub.proxy_secret_header}, and name the secret with proxy_secret_file or "
            f"{PROXY_SECRET}; or use unix_socket in place of addresses.",
        )


def _check_header(name: str) -> None:
    if reaches_session(name.lower().encode()):
        raise ConfigError(
            f"[hub]: the header {name} is one that notebooks get to see, so it can not carry a login.",
            tip='use a name such as "X-Remote-User" or "X-Proxy-Secret".',
        )


def _check_proxy(proxy: str) -> None:
    if proxy == "unix":
        raise ConfigError('[hub] trusted_proxies: "unix" is no address.', tip="set unix_socket to a path.")
    try:
        ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        raise ConfigError(
            f'[hub] trusted_proxies: "{proxy}" is no address or network.',
            tip='use "192.0.2.7" or "192.0.2.0/24".',
        ) from None


def make_directories(settings: Settings) -> None:
    """Make the directories that the hub writes to; its state is for nobody else to read. Raises MograderError."""
    modes = {settings.state_dir: 0o700, settings.notebooks_dir: 0o711, settings.published_dir: 0o755}
    for directory, mode in modes.items():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(mode)
        except OSError as error:
            raise MograderError(
                f"{directory} can not be made or does not belong to the hub's user ({error.strerror})."
            ) from error
