"""In place of a hub: takes every request and remembers what the web server sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

Fields = list[tuple[str, str]]


@contextmanager
def recording(path: Path) -> Iterator[tuple[str, list[Fields]]]:
    """Listens on a port and on the unix socket ``path``; yields the port's address and the fields of each request."""
    seen: list[Fields] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append([(name.lower(), value) for name, value in self.headers.items()])
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"recorded")

        def log_message(self, format: str, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return ""

    class Unix(ThreadingMixIn, UnixStreamServer):
        daemon_threads = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as port, Unix(str(path), Handler) as unix:
        path.chmod(0o666)
        threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (port, unix)]
        for thread in threads:
            thread.start()
        try:
            yield f"127.0.0.1:{port.server_address[1]}", seen
        finally:
            for server in (port, unix):
                server.shutdown()
            for thread in threads:
                thread.join()
