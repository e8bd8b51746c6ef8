"""The slim bar over the editor: what the gateway adds to the end of marimo's page.

The page belongs to the notebook, whose code may script it. So the bar has no rights of its own: it lives under the
session's policy, asks below the session's prefix alone, and its form token opens nothing but that.
"""

from __future__ import annotations

import json
from html import escape

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


def page_end(settings: Settings, key: SessionKey, code: str, root: str = "") -> bytes:
    """The HTML that follows the editor's own. Everything in it is known to the notebook's author.

    ``code`` is the language that the reader wants. ``root`` is the hub's address with a final slash, if the editor has
    another host than the hub.
    """
    base = encode_path(f"{settings.root}/{key.path}/").decode("ascii")
    own = f"{base}_hub/{asset_url('bar.js').removeprefix('static/').removesuffix('bar.js')}"
    data = {
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
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    return f'{_ROOM}<script async id="hub-bar" src="{own}bar.js" {attributes}></script>\n'.encode()


def _texts(code: str) -> dict[str, str]:
    with speaking(code):
        return texts("bar.js")
