"""What ``hub check`` says about the ways into a hub: who is believed to be the login proxy, and by what."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from mograder.errors import MograderError
from mograder.hub.content import content_host
from mograder.hub.listeners import group_id
from mograder.hub.pages.language import N_
from mograder.hub.settings import Settings
from mograder.sandbox.preflight import Probe
from mograder.sentences import Sentence


def login_proxy(settings: Settings) -> Iterator[Probe]:
    """How the login proxy shows who it is."""
    hub = settings.hub
    if settings.unix_socket is not None:
        yield _socket(settings.unix_socket, hub.unix_socket_group)
    if hub.trusted_proxies:
        words = Sentence(
            "{addresses} with the secret in {header}",
            addresses=", ".join(hub.trusted_proxies),
            header=hub.proxy_secret_header,
        )
        yield Probe(name="login proxy", level="ok", detail=words, remedy="")
        if hub.proxy_secret_file:
            yield from _secret_file(settings.course.root / hub.proxy_secret_file)
    elif settings.unix_socket is None:
        yield Probe(
            name="login proxy",
            level="ok" if settings.dev else "warn",
            detail=Sentence("none: only bearer tokens let people in (and dev mode everybody)")
            if settings.dev
            else Sentence("none: only bearer tokens let people in"),
            remedy=""
            if settings.dev
            else Sentence("set unix_socket, or trusted_proxies and proxy_secret_file in [hub]"),
        )


def host_names(settings: Settings) -> Iterator[Probe]:
    """Under which names the hub answers."""
    hub = settings.hub
    named = ", ".join(name for name in (hub.public_url, *hub.allowed_hosts) if name)
    if named:
        yield Probe(name="host names", level="ok", detail=named, remedy="")
    elif settings.dev:
        yield Probe(name="host names", level="ok", detail=Sentence("any, in dev mode"), remedy="")
    else:
        yield Probe(
            name="host names",
            level="warn",
            detail=Sentence("this machine's own, and any that the login proxy forwards"),
            remedy=Sentence("set public_url in [hub]"),
        )


def untrusted_content(settings: Settings) -> Iterator[Probe]:
    """What keeps pages that students wrote from acting as whoever looks at them."""
    try:
        found = content_host(settings)
    except MograderError as error:
        yield Probe(name="content host", level="fail", detail=error.message, remedy=error.tip or "")
        return
    mode = None if found is None else found.mode
    apart = found is not None and found.is_another_name
    yield Probe(
        name="content host",
        level="ok" if apart or settings.dev else "warn",
        detail=Sentence(_PROTECTION[mode], names=", ".join(() if found is None else found.sources)),
        remedy=""
        if apart or settings.dev
        else Sentence('set content_host = "*.content.example.edu" in [hub]'),
    )


_PROTECTION = {
    None: N_(
        "none: notebooks share the hub's origin, kept in by policy and cookie rules alone; live for owners alone"
    ),
    "port": N_(
        "{names}: another port, kept in by policy; cookies are shared with the hub; live for owners alone"
    ),
    "host": N_("{names}: a host name for all notebooks, kept from each other by policy"),
    "owners": N_("{names}: a host name for each student's notebooks"),
}


def _socket(path: Path, group: str) -> Probe:
    try:
        shown = (
            Sentence("group {name} ({number})", name=group, number=group_id(group))
            if group
            else Sentence("the hub's own group")
        )
    except MograderError as error:
        return Probe(name="login proxy", level="fail", detail=error.message, remedy=error.tip or "")
    if not path.parent.is_dir():
        return Probe(
            name="login proxy",
            level="fail",
            detail=Sentence("{path} is no directory", path=path.parent),
            remedy=Sentence("make it first"),
        )
    return Probe(
        name="login proxy",
        level="ok",
        detail=Sentence("whoever can open {path}: the hub's user and {group}", path=path, group=shown),
        remedy="",
    )


def _secret_file(path: Path) -> Iterator[Probe]:
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Probe(
            name="proxy secret",
            level="warn",
            detail=Sentence("everybody on this machine can read {path}", path=path),
            remedy=f"chmod 640 {path}",
        )
