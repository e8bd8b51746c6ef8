"""The slim bar over the editor, and over a lecture when there is a message: what the gateway adds to marimo's page.

The page belongs to the notebook, whose code may script it. So the bar has no rights of its own: it lives under the
session's policy, asks below the session's prefix alone, and its form token opens nothing but that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from mograder.hub.api import forms
from mograder.hub.gateway.names import encode_path
from mograder.hub.pages.assets import asset_url
from mograder.hub.pages.language import speaking, texts
from mograder.hub.settings import Settings
from mograder.sessions.model import SessionKey

FILES = ("bar.js", "bar.css")

# Set before the script is there, so that nothing moves when it is; without scripts there is no editor either.
_ROOM = (
    "<style>@media screen{#root{position:fixed;inset:2.75rem 0 0;"
    "width:auto!important;height:auto!important;min-height:0!important}}</style>"
)


def page_end(
    settings: Settings,
    key: SessionKey,
    code: str,
    root: str = "",
    accent: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """The HTML that follows marimo's own. Everything in it is known to the notebook's author.

    ``code`` is the language that the reader wants. ``root`` is the hub's address with a final slash, if the editor has
    another host than the hub. ``accent``: see `mograder.hub.pages.brand.Brand`.
    """
    base = encode_path(f"{settings.root}/{key.path}/").decode("ascii")
    own = f"{base}_hub/{asset_url('bar.js').removeprefix('static/').removesuffix('bar.js')}"
    data = {
        "kind": key.kind,
        "base": base,
        "css": f"{own}bar.css",
        "course": settings.course.title,
        "user": key.user,
        "item": key.item,
        "root": root or "../../../../",  # from the editor's prefix to the hub's root
        "language": code,
        "texts": json.dumps(_texts(code), ensure_ascii=False),
        "word": forms.editor_token(settings.secret, key.user, key.item),
    }
    data |= {f"accent-{scheme}": colours for scheme, colours in accent.items()}
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    room = _ROOM if key.kind == "edit" else ""
    return f'{room}<script async id="hub-bar" src="{own}bar.js" {attributes}></script>\n'.encode()


def _texts(code: str) -> dict[str, str]:
    with speaking(code):
        return texts("bar.js")
