"""Notebooks' pages without marimo's own scripts: what a page may do, its address and the hub's answers decide."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext

_SCRIPTS = re.compile(r"/_marimo/[^/]+/assets/")


def leave_out_marimo(context: BrowserContext) -> None:
    """Load none of marimo's files in ``context`` from now on: running them takes seconds, in every window."""
    context.route(_SCRIPTS, lambda route: route.abort())
