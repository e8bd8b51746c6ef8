"""The programs around a hub at a university: who logs people in, and the web server in front of it.

All are real, run on loopback ports from a directory of their own, and end with the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hub import PROXY_SECRET
from tests.support.processes import eventually

HERE = Path(__file__).parent
CONFIGURATIONS = HERE.parents[1] / "docs" / "proxies"
NAME = "hub.localhost"
CONTENT_NAME = "content.localhost"
CLIENT, CLIENT_SECRET = "mograder-hub", "client-canary-" + "c" * 32
MODULES = (
    *("alias", "auth_openidc", "authn_core", "authz_core", "authz_user", "headers", "mpm_event"),
    *("proxy", "proxy_http", "socache_shmcb", "ssl"),
)
"""What Debian's a2enmod switches on, with what is on by itself."""

APACHE = """
ServerRoot {dir}
DefaultRuntimeDir {dir}
PidFile {dir}/apache.pid
ErrorLog {dir}/error.log
LogLevel warn
{user}
{modules}
Listen 127.0.0.1:{port}
ServerName {name}
Include {dir}/site.conf
"""
NGINX = """
daemon off; {user} pid {dir}/nginx.pid; error_log {dir}/error.log warn;
events {{ }}
http {{
  access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
  uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
  include {dir}/site.conf;
}}
"""


@dataclass(frozen=True)
class Site:
    """Where browsers find the hub, and the files that its web server needs."""

    port: int
    directory: Path
    certificate: Path
    key: Path
    below: str = ""
    """The path that the hub is at, without a slash at its end."""

    @property
    def origin(self) -> str:
        return f"https://{NAME}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.below}/"


def needed(program: str) -> str:
    """The path of a program that the tests can not do without."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path, f"{program} is missing. `make test` installs what the tests need; run that, or install it."
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def process(*command: str, cwd: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as errors:
        child = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(20)
        assert child.stdout
        child.stdout.close()


@contextlib.contextmanager
def node(script: str, told: Any, directory: Path) -> Iterator[dict[str, Any]]:
    """A program of this directory; yields what it says about itself."""
    assert (HERE / "node_modules").is_dir(), "the login programs are not installed: `make test` does it"
    log = directory / f"{script}.log"
    with process(needed("node"), str(HERE / script), json.dumps(told), cwd=HERE, log=log) as child:
        assert child.stdout
        line = child.stdout.readline()
        assert line, f"{script} did not start:\n{log.read_text()}"
        yield json.loads(line)


def make_site(directory: Path, below: str = "") -> Site:
    """A free port and a certificate for it. ``directory`` is for everybody to pass."""
    directory.chmod(0o755)
    site = Site(free_port(), directory, directory / "certificate.pem", directory / "key.pem", below)
    command = [needed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command += ["-keyout", str(site.key), "-out", str(site.certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return site


def provider(site: Site) -> contextlib.AbstractContextManager[dict[str, Any]]:
    """The university's login, which knows the hub's web server."""
    home = site.url.rstrip("/")
    client = {
        "client_id": CLIENT,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{home}/oidc/callback", f"{site.origin}/oauth2/callback"],
        "post_logout_redirect_uris": [f"{site.origin}/", home, f"{home}/"],
    }
    return node("provider.mjs", [client], site.directory)


@contextlib.contextmanager
def apache(site: Site, issuer: str, backend: str) -> Iterator[None]:
    """The documented Apache in front of a hub at ``backend``."""
    secrets = site.directory / "secrets"
    values = {
        "HUB_SECRET": PROXY_SECRET,
        "OIDC_SECRET": CLIENT_SECRET,
        "OIDC_PASSPHRASE": "passphrase-canary",
    }
    secrets.write_text("".join(f"Define {name} {value}\n" for name, value in values.items()))
    own = {
        "HUB_NAME": NAME,
        "HUB_PORT": str(site.port),
        "HUB_URL": site.origin,
        "HUB_PATH": f"{site.below}/",
        "HUB_BACKEND": backend,
        "HUB_CERTIFICATE": str(site.certificate),
        "HUB_KEY": str(site.key),
        "OIDC_METADATA": f"{issuer}/.well-known/openid-configuration",
        "OIDC_CLIENT": CLIENT,
        "HUB_SECRETS": str(secrets),
    }
    text = (CONFIGURATIONS / "apache.conf").read_text()
    for name, value in own.items():
        text, count = re.subn(rf"(?m)^(Define {name} +)\S+$", lambda m, v=value: m[1] + v, text)
        assert count == 1, name
    lib = "/usr/lib/apache2/modules"
    loads = "\n".join(f"LoadModule {name}_module {lib}/mod_{name}.so" for name in MODULES)
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    main = APACHE.format(dir=site.directory, port=site.port, name=NAME, lib=lib, modules=loads, user=user)
    with _server(site, text, main, needed("apache2"), "-DFOREGROUND", "-f"):
        yield


@contextlib.contextmanager
def nginx(site: Site, issuer: str, backend: str, *, content: bool = False) -> Iterator[None]:
    """The documented nginx in front of a hub that listens on the unix socket ``backend``.

    ``content``: with its content host. A path is written into it as the documentation says to.
    """
    told = {"issuer": issuer, "public": site.origin, "client": CLIENT, "secret": CLIENT_SECRET}
    text = (CONFIGURATIONS / "nginx.conf").read_text()
    with node("login_service.mjs", told, site.directory) as login:
        own = {
            "server unix:/run/mograder/hub.sock;": f"server unix:{backend};",
            "server 127.0.0.1:4180;": f"server 127.0.0.1:{login['port']};",
            "listen 443 ssl;": f"listen 127.0.0.1:{site.port} ssl;",
            "server_name hub.example.edu;": f"server_name {NAME};",
            "/etc/letsencrypt/live/hub.example.edu/fullchain.pem": str(site.certificate),
            "/etc/letsencrypt/live/hub.example.edu/privkey.pem": str(site.key),
        }
        for documented, value in own.items():
            assert text.count(documented) == 1, documented
            text = text.replace(documented, value)
        if site.below:
            assert text.count("location / {") == 1
            text = text.replace("location / {", f"location {site.below}/ {{")
        text += _content_host(site) if content else ""
        user = "user www-data;" if os.geteuid() == 0 else ""
        main = NGINX.format(dir=site.directory, user=user)
        with _server(site, text, main, needed("nginx"), "-c"):
            yield


def _content_host(site: Site) -> str:
    text = (CONFIGURATIONS / "nginx-content.conf").read_text()
    own = {
        "listen 443 ssl;": f"listen 127.0.0.1:{site.port} ssl;",
        "server_name *.content.example.edu;": f"server_name *.{CONTENT_NAME};",
        "/etc/letsencrypt/live/content.example.edu/fullchain.pem": str(site.certificate),
        "/etc/letsencrypt/live/content.example.edu/privkey.pem": str(site.key),
    }
    for documented, value in own.items():
        assert text.count(documented) == 1, documented
        text = text.replace(documented, value)
    return text


@contextlib.contextmanager
def _server(site: Site, text: str, main: str, *command: str) -> Iterator[None]:
    (site.directory / "site.conf").write_text(text)
    path = site.directory / "main.conf"
    path.write_text(main)
    with process(*command, str(path), cwd=site.directory, log=site.directory / "server.log") as child:
        assert eventually(lambda: child.poll() is not None or _listens(site.port), 30)
        logs = [site.directory / name for name in ("server.log", "error.log")]
        said = "\n".join(log.read_text() for log in logs if log.exists())
        assert child.poll() is None, f"{command[0]} ended:\n{said}"
        yield


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
