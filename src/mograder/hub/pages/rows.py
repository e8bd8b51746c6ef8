"""Rows of the dashboard as HTML: one that stands as another did, for whomever, is not made again."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup

from mograder.hub.pages import language, views, words

_ROOM = 5000

_SOMEBODY = f"somebody-{secrets.token_hex(16)}"
"""Stands for the person in the addresses of a row; nobody can write it anywhere."""


class Rows:
    """Made by ``make``, which puts the person's name into addresses (`views.path`) and nowhere else."""

    def __init__(self, make: Callable[[views.Page, views.ItemRow, datetime], str]) -> None:
        self._make = make
        self._made: dict[tuple[object, ...], str] = {}

    def html(self, page: views.Page, row: views.ItemRow, now: datetime) -> Markup:
        """The row of an assignment on ``page``."""
        left = None if row.due is None else words.distance(row.due, now)
        key = (language.language(), page.root, row, left, row.is_late(now))
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _ROOM:
                self._made.clear()
            made = self._make(dataclasses.replace(page, user=_SOMEBODY, csrf=""), row, now).replace("\n", "")
            self._made[key] = made
        return Markup(made.replace(_SOMEBODY, quote(page.user, safe="")))  # noqa: S704  made by a template
