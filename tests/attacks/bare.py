"""Notebooks' pages without marimo's own scripts: what a page may do, its address and the hub's answers decide."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page


def bare_page(context: BrowserContext) -> Page:
    """A page that loads none of marimo's files: running them takes seconds. Windows that it opens load them.

    The browser itself leaves them out: a route would also change what an empty window can ask for.
    """
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.setBlockedURLs", {"urls": ["*/_marimo/*/assets/*"]})
    return page
