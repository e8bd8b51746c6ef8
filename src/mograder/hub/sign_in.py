"""The way to the login, and back to where somebody wanted to go: to a path of this hub and nowhere else."""

from __future__ import annotations

import re
from urllib.parse import quote

TARGET = "{target}"
"""What ``login_url`` may hold: it stands for the path to come back to."""

_PATH = re.compile(
    r"/(?![/\\])[!-\[\]-~]*"
)  # no second slash, no backslash: browsers would read a host's name
_LONGEST = 2000


def way_to_login(login_url: str, target: str) -> str:
    """The address at which a person signs in, "" if none is known; they come back to ``target`` if it is a path here.

    ``target`` is percent-encoded, as it came. What could lead to another host leads to the hub's first page.
    """
    own = target if _PATH.fullmatch(target) and len(target) <= _LONGEST else "/"
    return login_url.replace(TARGET, quote(own, safe=""))
