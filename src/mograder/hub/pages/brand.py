"""What makes the pages those of one course: its logo, its accent colour, its notice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from mograder.config import HubSection
from mograder.course import shown
from mograder.errors import ConfigError
from mograder.hub.pages import colour

MAX_LOGO_BYTES = 200_000

_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
_SIGNATURES = {".png": b"\x89PNG", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8", ".webp": b"RIFF", ".svg": b"<"}


@dataclass(frozen=True)
class Brand:
    """``css`` and ``logo`` are addresses below the hub's root, None for the hub's own look. ``files`` answers both.

    ``accent`` holds the declarations of the course's colours by scheme (light, dark), for a style of another page.
    """

    css: str | None = None
    logo: str | None = None
    notice: str = ""
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    accent: dict[str, str] = field(default_factory=dict)


def load(hub: HubSection, root: Path) -> Brand:
    """The brand of the course in ``root``. Raises ConfigError for a colour or a logo that can not be used."""
    files: dict[str, tuple[bytes, str]] = {}
    css = logo = None
    accent: dict[str, str] = {}
    if hub.accent:
        accent = _accent(hub.accent)
        css = _put(files, "brand.css", _stylesheet(**accent), "text/css; charset=utf-8")
    if hub.logo:
        data, kind = _logo(root / hub.logo)
        logo = _put(files, f"logo{Path(hub.logo).suffix.lower()}", data, kind)
    return Brand(css, logo, hub.notice.strip(), files, accent)


def _put(files: dict[str, tuple[bytes, str]], name: str, data: bytes, kind: str) -> str:
    address = f"static/{hashlib.sha256(data).hexdigest()[:12]}/{name}"
    files[address] = (data, kind)
    return address


def _accent(text: str) -> dict[str, str]:
    wanted = colour.parse(text)
    if wanted is None:
        raise ConfigError(f"[hub] accent: {shown(text)} is no colour.", tip='write it as "#1f5a4c".')
    return {
        scheme: "".join(f"{name}:{value};" for name, value in colour.accent(wanted, scheme).items())
        for scheme in ("light", "dark")
    }


def _stylesheet(light: str, dark: str) -> bytes:
    return (
        f":root{{{light}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        f":root[data-theme=dark]{{{dark}}}\n"
    ).encode()


def _logo(path: Path) -> tuple[bytes, str]:
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(
            f"[hub] logo: {path.name} is no picture that browsers show.", tip="use SVG, PNG or JPEG."
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LOGO_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"[hub] logo: {path} can not be read ({error.strerror}).") from error
    if len(data) > MAX_LOGO_BYTES:
        raise ConfigError(
            f"[hub] logo: {path.name} is over {MAX_LOGO_BYTES // 1000} kB; every page loads it."
        )
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_SIGNATURES[path.suffix.lower()]):
        raise ConfigError(f"[hub] logo: {path.name} is not what its name says.")
    return data, kind
