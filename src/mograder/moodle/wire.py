"""Moodle's web-service protocol: requests, and the many forms in which it says no.

A refusal comes with HTTP status 200 in one of two shapes; web services that are off answer 403 and nothing, maintenance
503 and a page. Observed on Moodle 4.4 and 5.1. Only ``errorcode`` means the same on both.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from mograder.course import shown
from mograder.errors import MoodleFailed

PATIENCE = 60.0
"""Seconds. A busy Moodle takes its time over a class list."""

MAX_FILE_BYTES = 256 * 2**20

_LOGIN = "mograder moodle login"
_AGAIN = "try again; if it stays, tell its administrator."
_NO_RIGHTS = (
    "Moodle does not let this account do that ({function}{right}).",
    f"teachers of the course may; {_LOGIN} takes another account.",
)
_TOO_BIG = ("The file is larger than this Moodle accepts.", "hand in less, or ask Moodle's administrator.")
_SENTENCES = {
    "invalidtoken": ("Moodle does not know this token; it may have been renewed or ended.", _LOGIN),
    "invalidlogin": (
        "Moodle does not accept this name and password.",
        "where you sign in elsewhere: --with-token.",
    ),
    "servicenotavailable": (
        "This Moodle does not offer the web service that was asked for.",
        "its administrator knows the service's short name: --service NAME.",
    ),
    "accessexception": (
        "The token's web service does not include what this needs.",
        "ask Moodle's administrator to add {function} to the service.",
    ),
    "nopermissions": _NO_RIGHTS,
    "nopermission": _NO_RIGHTS,
    "forcepasswordchangenotice": (
        "Moodle wants this account's password changed first.",
        "sign in there in a browser.",
    ),
    "sitepolicynotagreed": (
        "Moodle wants this account to agree to the site's policy first.",
        "sign in there in a browser.",
    ),
    "usernotfullysetup": ("This account's profile on Moodle is not complete.", "sign in there in a browser."),
    "requireloginerror": ("This account has no access to that course or activity on Moodle.", None),
    "errorcoursecontextnotvalid": ("This account is not in that course on Moodle.", None),
    "invalidrecord": ("Moodle knows no such thing ({function}).", None),
    "invalidrecordunknown": ("Moodle knows no such thing ({function}).", None),
    "invalidparameter": ("Moodle refused a value that was sent ({function}{detail}).", None),
    "missingparam": ("Moodle misses a value ({function}): {own}.", None),
    "codingerror": ("Moodle itself failed ({function}): {own}.", "tell its administrator."),
    "dmlwriteexception": ("Moodle could not write to its database ({function}).", _AGAIN),
    "dmlreadexception": ("Moodle could not read its database ({function}).", _AGAIN),
    "filenotfound": ("That file is not on Moodle any more.", None),
    "upload_error_ini_size": _TOO_BIG,
    "upload_error_form_size": _TOO_BIG,
    "maxbytes": _TOO_BIG,
    "userquotalimit": ("The account has no room left for files on this Moodle.", None),
    "sitemaintenance": ("Moodle is being maintained.", "try again later."),
    "passwordisexpired": ("The password has expired on Moodle.", "sign in there in a browser first."),
}
"""By ``errorcode``: what happened, and the way on."""

# Addresses of requests hold the token, and httpx logs addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Wire:
    """One Moodle, as the owner of a token. A context manager. Every method raises ``MoodleFailed``."""

    def __init__(self, url: str, token: str, *, timeout: float = PATIENCE) -> None:
        self.url = site_url(url)
        self._token = token
        self._client = httpx.Client(timeout=_patience(timeout), headers={"Accept-Encoding": "identity"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(self, function: str, **parameters: Any) -> Any:
        """The JSON that a web-service function answers with; ``None`` where Moodle says ``null``."""
        form = {"wstoken": self._token, "moodlewsrestformat": "json", "wsfunction": function}
        form |= flattened(parameters)
        answer = self._send("POST", "/webservice/rest/server.php", data=form)
        return _judged(_json(answer, self.url), function)

    def upload(self, files: Mapping[str, bytes]) -> int:
        """Put files (by name) into a new draft area; its number, once Moodle has named each with its size."""
        parts = {f"file_{n}": (name, data) for n, (name, data) in enumerate(files.items(), 1)}
        answer = self._send(
            "POST",
            "/webservice/upload.php",
            params={"token": self._token},
            data={"itemid": "0", "filearea": "draft"},
            files=parts,
        )
        listed = _judged(_json(answer, self.url), "upload")
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            raise MoodleFailed("Moodle's answer to the upload is not a list of files.")
        for entry in listed:
            if entry.get("error") or entry.get("errortype"):
                raise MoodleFailed(
                    f"Moodle did not take {shown(str(entry.get('filename')))}: {entry.get('error')}"
                )
        taken = {str(entry.get("filename")): entry.get("filesize") for entry in listed}
        if missing := [name for name, data in files.items() if taken.get(name) != len(data)]:
            raise MoodleFailed(
                f"Moodle did not take {', '.join(map(shown, missing))} whole; nothing was handed in."
            )
        return int(listed[0]["itemid"])

    def download(self, url: str, size: int | None = None) -> bytes:
        """A file whole: checked against the hash that Moodle sends, else against its size in bytes if that is known.

        An error page is never taken for one.
        """
        path = re.sub(
            r"^.*?/(?:webservice/)?pluginfile\.php/", "/webservice/pluginfile.php/", url.partition("?")[0]
        )
        if not path.startswith("/webservice/pluginfile.php/"):
            raise MoodleFailed(f"{shown(url)} is not the address of a file on Moodle.")
        answer = self._send("GET", path, params={"token": self._token})
        if answer.status_code != 200 or "content-disposition" not in answer.headers:
            _judged(_json(answer, self.url), "download")
            raise MoodleFailed(
                "Moodle answered, but not with a file.", tip="open the assignment in a browser."
            )
        promised = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        if re.fullmatch(r"[0-9a-f]{40}", promised):
            whole = hashlib.sha1(answer.content).hexdigest() == promised  # noqa: S324
        else:  # a proxy on the way may take it off
            whole = size is None or len(answer.content) == size
        if not whole:
            raise MoodleFailed("A file came damaged from Moodle; nothing was written.", tip="try again.")
        return answer.content

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        return _sent(self._client, method, self.url, path, **content)


def token_for(url: str, user: str, password: str, service: str, *, timeout: float = PATIENCE) -> str:
    """The token of a person with a password of Moodle's own. Raises ``MoodleFailed``."""
    site = site_url(url)
    form = {"username": user, "password": password, "service": service}
    with httpx.Client(timeout=_patience(timeout)) as client:
        answer = _judged(_json(_sent(client, "POST", site, "/login/token.php", data=form), site), "login")
    token = answer.get("token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise MoodleFailed("Moodle let you in, but gave no token.", tip="mograder moodle login --with-token")
    return token


def site_url(text: str) -> str:
    """The address of a Moodle without a final slash. Raises ``MoodleFailed`` for what a token must not be sent to."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise MoodleFailed(f"{shown(text)} is no address of a Moodle.", tip="it begins with https://")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise MoodleFailed(
            f"{shown(text)} would carry your token readable to all.", tip="use its https:// address."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def flattened(parameters: Mapping[str, Any]) -> dict[str, str]:
    """``{"a": [{"b": 1}]}`` as Moodle wants it: ``{"a[0][b]": "1"}``. Booleans are 0 and 1; ``None`` is left out."""
    found: dict[str, str] = {}

    def put(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                put(f"{name}[{key}]", inner)
        elif isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                put(f"{name}[{number}]", inner)
        elif value is not None:
            found[name] = str(int(value)) if isinstance(value, bool) else str(value)

    for name, value in parameters.items():
        put(name, value)
    return found


def _patience(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, 15.0))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sent(client: httpx.Client, method: str, site: str, path: str, **content: Any) -> httpx.Response:
    try:
        with client.stream(method, site + path, **content) as answer:
            size = 0
            pieces = []
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > MAX_FILE_BYTES:
                    raise MoodleFailed(
                        f"Moodle sends more than {MAX_FILE_BYTES >> 20} MB; nothing was written."
                    )
                pieces.append(piece)
            whole = httpx.Response(
                answer.status_code, headers=_plain(answer.headers), content=b"".join(pieces)
            )
    except httpx.TimeoutException as error:
        raise MoodleFailed(
            f"Moodle at {site} does not answer in time.",
            tip="try again in a moment, or raise [moodle] timeout.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = type(error).__name__ if "token" in str(error) else str(error) or type(error).__name__
        raise MoodleFailed(
            f"Moodle at {site} can not be reached: {why}.", tip="check the address."
        ) from error
    if whole.is_redirect:
        raise MoodleFailed(
            f"{site} sends visitors elsewhere ({shown(urlsplit(whole.headers.get('location', '')).netloc)}).",
            tip="use the address that a browser shows on Moodle's front page.",
        )
    return whole


def _plain(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    """As they came: names of files in them are UTF-8, against the rules."""
    return [(k, v) for k, v in headers.raw if k.lower() not in (b"content-encoding", b"content-length")]


def _json(answer: httpx.Response, site: str) -> Any:
    if answer.status_code == 503:
        raise MoodleFailed(
            "Moodle is being maintained or overloaded.", code="sitemaintenance", tip="try again later."
        )
    if answer.status_code == 403 and not answer.content:
        raise MoodleFailed(
            f"Web services are switched off at {site}.", tip="ask Moodle's administrator to enable them."
        )
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise MoodleFailed(
            f"{site} did not answer as Moodle's web services do (status {answer.status_code}).",
            tip="see whether the address is that of Moodle's front page.",
        ) from error


def _judged(said: Any, function: str) -> Any:
    """``said``, unless it is one of the two shapes of a refusal. What PHP itself throws has no ``errorcode``."""
    if not isinstance(said, dict) or not ("exception" in said or {"error", "errorcode"} <= said.keys()):
        return said
    code = str(said.get("errorcode") or "")
    own = " ".join(str(said.get("message") or said.get("error") or "it does not say why").split())[:300]
    if code not in _SENTENCES:
        raise MoodleFailed(
            f"Moodle refused ({function}): {own.rstrip('.')}{f' ({code})' if code else ''}.", code=code
        )
    sentence, tip = _SENTENCES[code]
    right = re.search(r"\(([^()]+)\)\.?$", own)  # Moodle's name of what is missing: "(Grade assignment)"
    detail = " ".join(str(said.get("debuginfo") or "").split())[:300]  # said by sites with debugging on
    words = {
        "function": function,
        "own": own.rstrip("."),
        "right": f": {right[1]}" if right else "",
        "detail": f": {detail}" if detail else "",
    }
    raise MoodleFailed(sentence.format(**words), code=code, tip=tip and tip.format(**words))
