"""How each candidate is started, on one core, in front of the same session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.hub import PREFIX

PROXY_CORE, LOAD_CORE = 0, 1
BINARIES = Path(__file__).parent / "node_modules" / ".bin"
# As a hub with many sessions needs it: the socket comes with the permission, and is therefore dialled for each request.
NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 8000; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;
  fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e; keepalive_requests 100000000;
  upstream hub {{ server 127.0.0.1:{hub}; keepalive 64; keepalive_requests 100000000; }}
  map $http_upgrade $connection_word {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /authz {{
      internal; proxy_pass http://hub; proxy_pass_request_body off; proxy_http_version 1.1;
      proxy_set_header Content-Length ""; proxy_set_header Connection ""; proxy_set_header Upgrade "";
      proxy_set_header X-Original-URI $request_uri; proxy_set_header X-Original-Method $request_method;
    }}
    location / {{
      auth_request /authz; auth_request_set $session $upstream_http_x_session_socket;
      proxy_pass http://unix:$session:; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_word; proxy_set_header Cookie "";
      proxy_request_buffering off; proxy_buffering off; proxy_buffer_size 256k; proxy_buffers 8 256k;
      proxy_read_timeout 1h;
      proxy_ignore_headers X-Accel-Redirect X-Accel-Buffering X-Accel-Expires X-Accel-Limit-Rate Set-Cookie;
    }}
  }}
}}
"""


# Of the same length, for who does not ask.
NO_COOKIE = "mograder_hub=" + "x" * 43


@dataclass
class Running:
    """A candidate at work: where to send requests, and the processes that it costs."""

    name: str
    port: int
    processes: list[int]
    cookie: str = NO_COOKIE

    def cpu(self) -> float:
        """Return the CPU time used so far, in seconds."""
        threads = (path for pid in self._family() for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(path.read_text().split()[0]) for path in threads) / 1e9

    def memory(self) -> int:
        """Return the resident memory, in bytes."""
        return sum(int(_stat(pid)[21]) for pid in self._family()) * os.sysconf("SC_PAGE_SIZE")

    def _family(self) -> list[int]:
        children = [
            int(child)
            for pid in self.processes
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
        return [*self.processes, *children]


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@contextmanager
def process(*command: str, core: int, first_line: bool = True) -> Iterator[tuple[int, str]]:
    """Run a command on one core; yields its process id and its first line."""
    child = subprocess.Popen(
        [str(shutil.which("taskset")), "-c", str(core), *command], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    try:
        line = child.stdout.readline().strip() if first_line else ""
        yield child.pid, line
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens; for programs that do not say so themselves."""
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def session(load: Path, directory: Path) -> Iterator[tuple[str, int]]:
    """The session that all candidates carry; yields its socket and its port for the direct way."""
    path = str(directory / "session.sock")
    with process(str(load), "serve", path, "0", core=LOAD_CORE) as (_, port):
        yield path, int(port)


def start(stack: ExitStack, name: str, directory: Path, socket_path: str, direct: int) -> Running | None:
    """Start a candidate; None if it is not installed here."""
    if name == "direct":
        return Running(name, direct, [])
    if name in ("protocol", "asgi", "httpx"):
        pid, port, cookie = _hub(stack, name, directory, socket_path)
        return Running(name, port, [pid], cookie)
    if name == "nginx":
        return _nginx(stack, directory, socket_path)
    return _configurable_http_proxy(stack, direct)


def _hub(stack: ExitStack, variant: str, directory: Path, socket_path: str) -> tuple[int, int, str]:
    """Start `bench.gateway.hub` over a course of its own; its process id, port and cookie."""
    course = stack.enter_context(tempfile.TemporaryDirectory(dir=directory))
    command = (sys.executable, "-m", "bench.gateway.hub", variant, course, socket_path)
    pid, said = stack.enter_context(process(*command, core=PROXY_CORE))
    port, cookie = said.split()
    return pid, int(port), cookie


def _nginx(stack: ExitStack, directory: Path, socket_path: str) -> Running | None:
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        return None
    pid, hub, cookie = _hub(stack, "authz", directory, socket_path)
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(dir=directory, hub=hub, port=port))
    nginx, _ = stack.enter_context(
        process(program, "-c", str(configuration), core=PROXY_CORE, first_line=False)
    )
    wait_for(port)
    return Running("nginx", port, [pid, nginx], cookie)


def _configurable_http_proxy(stack: ExitStack, direct: int) -> Running | None:
    program = shutil.which("configurable-http-proxy", path=f"{BINARIES}:{os.environ.get('PATH', '')}")
    if program is None:
        return None
    port, api = free_port(), free_port()
    where = ("--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api))
    target = ("--default-target", f"http://127.0.0.1:{direct}", "--log-level", "error", "--no-x-forward")
    pid, _ = stack.enter_context(process(program, *where, *target, core=PROXY_CORE, first_line=False))
    wait_for(port)
    return Running("chp", port, [pid])


PATH = PREFIX
