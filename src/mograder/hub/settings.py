"""How this hub runs: the configuration file, the environment and the command line put together."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mograder.config import HubSection
from mograder.course import Course, shown
from mograder.errors import ConfigError, MograderError


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
    """All that the hub goes by. ``hub`` is ``[hub]`` with the command line's words in force."""

    course: Course
    hub: HubSection
    secret: str
    dev: bool
    headless: bool

    @property
    def notebooks_dir(self) -> Path:
        """Where workspaces are, absolute."""
        return self.course.root / self.hub.notebooks_dir

    @property
    def published_dir(self) -> Path:
        """Where published items are, absolute."""
        return self.course.root / self.hub.release_dir

    @property
    def state_dir(self) -> Path:
        """Where the hub's own state is, absolute."""
        return self.course.state_dir


def combine(course: Course, options: Options, secret: str) -> Settings:
    """The settings in force. ``secret`` is MOGRADER_HUB_SECRET; in dev mode a throw-away one may take its place.

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
    if options.dev and not secret:
        secret = secrets.token_hex(32)
    return Settings(course, hub, secret, options.dev, options.headless)


def _with(hub: HubSection, said: dict[str, Any]) -> HubSection:
    try:
        return HubSection.model_validate({**hub.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise ConfigError(f"--{option} {shown(str(first['input']))}: {first['msg'].lower()}.") from None


def _check_proxy(proxy: str) -> None:
    if proxy == "unix":
        return
    try:
        ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        raise ConfigError(
            f'[hub] trusted_proxies: "{proxy}" is no address or network.', tip='use "192.0.2.7" or "unix".'
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
