"""A hub that is not alone at its host name: everything lies below a path, and inside nobody needs to know."""

from __future__ import annotations

from mograder.hub.middleware import App, Receive, Scope, Send, refuse


class Below:
    """Takes ``root`` (as "/hub") off the path of each request. What is not below it is not the hub's.

    Pages and answers name addresses relatively, so they need not know; live notebooks are told.
    """

    def __init__(self, app: App, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._root:
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._root:
            name = self._root.rpartition("/")[2].encode()
            await refuse(send, 307, "It is one slash further.", ((b"location", name + b"/"),))
        elif scope["path"].startswith(f"{self._root}/"):
            raw = scope.get("raw_path") or scope["path"].encode()
            inner = {**scope, "path": scope["path"][len(self._root) :], "raw_path": raw[len(self._root) :]}
            await self._app(inner, receive, send)
        else:
            await refuse(send, 404, f"There is nothing here: the hub is at {self._root}/.")
