"""A page that needs nothing else: for what is answered outside the hub's own pages, on whichever host."""

from __future__ import annotations

from html import escape

from mograder.hub.gateway.model import Refusal

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_STYLE = (
    ":root{color-scheme:light dark}body{font:1.0625rem/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto 0;"
    "padding:0 1.25rem;overflow-wrap:anywhere}h1{font-size:1.5rem;line-height:1.25}"
    "a{display:inline-block;min-height:44px;line-height:44px;color:inherit;font-weight:600}"
)


def plain_page(
    status: int, title: str, sentence: str, link: tuple[str, str] | None = None, language: str = "en"
) -> Refusal:
    """The answer with this page. ``link`` is an address, and the words that lead there."""
    way_on = "" if link is None else f'<p><a href="{escape(link[0])}">{escape(link[1])}</a></p>'
    text = (
        f'<!doctype html><html lang="{escape(language)}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p>{way_on}</html>\n"
    )
    fields = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", POLICY.encode()),
        (b"cache-control", b"no-store"),
    )
    return Refusal(status, text.encode(), fields)
