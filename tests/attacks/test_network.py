"""Attacks over raw sockets on a hub as a course runs it: behind a login proxy, with a secret, without dev mode.

The requests to live notebooks have attacks of their own in ``tests/gateway``; here it is the hub as a whole.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import select
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role
from tests.support.hub import PROXY_SECRET, RunningHub, make_course, running

pytestmark = pytest.mark.real

SECRET = "canary-secret-" + "s" * 40
CONFIG = '[hub]\ntrusted_proxies = ["127.0.0.2"]\ninstructors = ["prof"]\nfailed_logins_per_minute = 100000\n'
PROXY = "127.0.0.2"
STRANGER = "127.0.0.3"
ESCAPES = ("\x1b", "\x9b", "\x07", "\x7f", "\u202e")


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "attacked-from-the-network", CONFIG)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as up:
        yield up


def connect(hub: RunningHub, source: str = STRANGER) -> socket.socket:
    parts = urlsplit(hub.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20, source_address=(source, 0))


def say(hub: RunningHub, data: bytes, source: str = STRANGER) -> bytes:
    """Everything that the hub answers to ``data`` until it closes the connection, as every request here asks."""
    with connect(hub, source) as line:
        with contextlib.suppress(OSError):
            line.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while more := line.recv(65536):
                answer += more
        return answer


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.M)]


def request(path: str, *fields: str, method: str = "GET", body: bytes = b"", close: bool = True) -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: hub", *fields]
    head += ["Connection: close"] if close else []
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def as_proxy(user: str, path: str, *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    named = [f"X-Remote-User: {user}", f"X-Proxy-Secret: {PROXY_SECRET}"]
    return request(path, *named, *fields, method=method, body=body)


def descriptors(hub: RunningHub) -> int:
    return len(os.listdir(f"/proc/{hub.pid}/fd"))


def memory(hub: RunningHub) -> int:
    """Resident memory in bytes."""
    return int(Path(f"/proc/{hub.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def audit(hub: RunningHub) -> list[dict[str, object]]:
    text = (hub.course / ".mograder" / "audit.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_the_proxys_word_opens_the_hub(hub: RunningHub) -> None:
    """Or the refusals below would prove nothing."""
    assert statuses(say(hub, as_proxy("alice", "/assignments"), PROXY)) == [200]


FORGED = {
    "sent directly": ["X-Remote-User: prof"],
    "in odd case": ["x-rEMOTE-uSER: prof"],
    "with underscores": ["X_Remote_User: prof"],
    "twice": ["X-Remote-User: alice", "X-Remote-User: prof"],
    "with a forwarded address": ["X-Remote-User: prof", f"X-Forwarded-For: {PROXY}"],
    "with a forwarded address in brackets": ["X-Remote-User: prof", f'Forwarded: for="{PROXY}"'],
    "with a real-ip": ["X-Remote-User: prof", f"X-Real-IP: {PROXY}"],
    "under other usual names": ["Remote-User: prof", "X-Forwarded-User: prof", "X-Auth-Request-User: prof"],
    "named in the connection": ["X-Remote-User: prof", "Connection: X-Remote-User"],
    "by basic authentication": ["Authorization: Basic cHJvZjpwcm9m"],
    "as a guessed cookie": ["Cookie: mograder_hub=prof; __Host-Http-mograder_hub=prof"],
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_identity_is_nobodys(hub: RunningHub, name: str) -> None:
    assert statuses(say(hub, request("/assignments", *FORGED[name]))) == [401]


@pytest.mark.parametrize(
    "value", ["alice\x80", "\xff\xfe", "../prof", "a/b", "prof\tx", "alice,prof", "x" * 300]
)
def test_a_name_that_can_be_no_name_is_refused_even_from_the_proxy(hub: RunningHub, value: str) -> None:
    assert statuses(say(hub, as_proxy(value, "/assignments"), PROXY)) == [401]


UNPROVEN = {
    "no secret": [],
    "another secret": ["X-Proxy-Secret: guess"],
    "an empty secret": ["X-Proxy-Secret:"],
    "a beginning of the secret": [f"X-Proxy-Secret: {PROXY_SECRET[:-1]}"],
    "two secrets": ["X-Proxy-Secret: guess", f"X-Proxy-Secret: {PROXY_SECRET}"],
}


@pytest.mark.parametrize("name", UNPROVEN)
def test_the_proxys_address_alone_is_no_proof(hub: RunningHub, name: str) -> None:
    """Anybody with a login on the proxy's machine, the hub's own included, sends from its address."""
    fields = ["X-Remote-User: prof", "X-Forwarded-Proto: https", *UNPROVEN[name]]
    answer = say(hub, request("/assignments", *fields), PROXY)
    assert statuses(answer) == [401]
    assert b"strict-transport-security" not in answer.lower()


def test_the_secret_alone_is_no_proof_either(hub: RunningHub) -> None:
    assert statuses(say(hub, as_proxy("prof", "/assignments"), STRANGER)) == [401]


def test_a_name_in_utf_8_is_somebodys(hub: RunningHub) -> None:
    name = "zo\u00eb".encode().decode("latin-1")
    assert statuses(say(hub, as_proxy(name, "/status/zo%C3%AB/A1-Answer"), PROXY)) == [200]
    assert statuses(say(hub, as_proxy(name, "/status/zoe/A1-Answer"), PROXY)) == [403]


def test_two_names_from_the_proxy_are_none(hub: RunningHub) -> None:
    two = as_proxy("alice", "/assignments", "X-REMOTE-USER: prof")
    assert statuses(say(hub, two, PROXY)) == [401]


def test_no_route_and_no_websocket_answers_a_stranger(hub: RunningHub) -> None:
    paths = httpx.get(hub.url + "openapi.json").json()["paths"]
    open_to_all = set()
    for path, methods in paths.items():
        target = re.sub(r"\{\w+\}", "A1-Answer", path)
        for method in methods:
            answer = say(hub, request(target, method=method.upper()))
            if statuses(answer) not in ([401], [422]):
                open_to_all.add((method, path, *statuses(answer)))
    assert {path for _, path, _ in open_to_all} <= {"/health"}
    upgrade = [
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    ]
    for path in ("/edit/user/bob/A1-Answer/ws", "/run/user/bob/L01-Intro/ws", "/ws", "/terminal/ws"):
        fields = [*upgrade, "Connection: Upgrade", "Origin: http://hub"]
        answer = say(hub, request(path, *fields, close=False))
        assert statuses(answer)[0] in (401, 403, 404), (path, answer)


def forged_tokens() -> dict[str, str]:
    good = tokens.make(SECRET, "alice", Role.STUDENT)
    head, claims, signature = good.split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    return {
        "made with another secret": tokens.make("t" * 40, "prof", Role.INSTRUCTOR),
        "expired": tokens.make(SECRET, "prof", Role.INSTRUCTOR, lifetime=-10),
        "cut": good[:-5],
        "without its signature": f"{head}.{claims}.",
        "of no algorithm": f"{none}.{claims}.",
        "with other claims": f"{head}.{tokens.make('t' * 40, 'prof', Role.INSTRUCTOR).split('.')[1]}.{signature}",
        "very long": "a" * 8000,
        "deeply nested": "W" * 3000 + "." + claims + "." + signature,
    }


@pytest.mark.parametrize("name", forged_tokens())
def test_a_forged_token_opens_nothing(hub: RunningHub, name: str) -> None:
    answer = say(hub, request("/assignments", f"Authorization: Bearer {forged_tokens()[name]}"))
    assert statuses(answer) == [401]


def test_a_students_token_is_no_instructors(hub: RunningHub) -> None:
    bearer = f"Authorization: Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"
    assert statuses(say(hub, request("/assignments", bearer))) == [200]
    assert statuses(say(hub, request("/status/bob/A1-Answer", bearer))) == [403]


PROVEN = f"X-Proxy-Secret: {PROXY_SECRET}\r\n"
HIDDEN = f"POST /reset/bob/A1-Answer HTTP/1.1\r\nHost: hub\r\nX-Remote-User: bob\r\n{PROVEN}\r\n".encode()
SMUGGLED = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a signed length": b"Content-Length: +0\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_head_that_two_programs_could_read_differently_hides_no_request(hub: RunningHub, name: str) -> None:
    """The proxy appends everybody's requests to one connection: what it takes for a body must not be a request."""
    head = b"POST /stop-edit/alice/A1-Answer HTTP/1.1\r\nHost: hub\r\nX-Remote-User: alice\r\n"
    head += PROVEN.encode()
    answer = say(hub, head + SMUGGLED[name] + HIDDEN, PROXY)
    assert statuses(answer) == [400] or statuses(answer) == [501], answer
    assert not any(
        entry["did"] == "POST /reset/bob/A1-Answer" and entry["who"] == "bob" for entry in audit(hub)
    )


@pytest.mark.parametrize(
    "target",
    [
        "/?done=reset%0d%0aSet-Cookie:%20a=b&item=A1-Answer",
        "/edit/A1-Answer%0d%0aSet-Cookie:%20a=b",
        "/edit/L01-Intro?x=%0d%0aSet-Cookie:%20a=b",
        "/edit/user/bob/A1-Answer%0d%0aSet-Cookie:%20a=b/",
        "//evil.example/edit/L01-Intro",
        "/\\evil.example/",
    ],
)
def test_no_target_writes_a_header_or_leads_elsewhere(hub: RunningHub, target: str) -> None:
    answer = say(hub, as_proxy("alice", target, "Accept: text/html"), PROXY)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"set-cookie: a=b" not in head
    location = re.search(rb"^location: (.*)$", head, re.M)
    assert location is None or not re.match(rb"\s*([a-z]+:|[/\\]{2})", location[1]), location


TRICKS = [
    "/release/A1-Answer/../../mograder.toml",
    "/release/A1-Answer/..%2f..%2fmograder.toml",
    "/release/A1-Answer/%2e%2e%2f%2e%2e%2fmograder.toml",
    "/release/%2e%2e/mograder.toml",
    "/release/../.mograder/hub.db",
    "/release/A1-Answer/..%5c..%5cmograder.toml",
    "/release/A1-Answer/%252e%252e%252fmograder.toml",
    "/release/A1-Answer/mograder.toml%00.csv",
    "/release/A1-Answer//etc/passwd",
    "/release/A1-Answer-evil/../A1-Answer/../../mograder.toml",
    "/static/x/../../../mograder.toml",
    "/static/..%2f..%2f/views.py",
    "/_marimo/../.mograder/hub.db",
    "/_marimo/%2e%2e/%2e%2e/etc/passwd",
    "/_marimo/..%2f..%2f..%2f.mograder%2fhub.db",
    "/export/alice/..%2f..%2fbob%2fA1-Answer",
    "/export/..%2fbob/A1-Answer",
    "/export/alice%2f..%2fbob/A1-Answer",
    "/versions/alice/A1-Answer/..%2f..%2f..%2fbob",
    "/status/bob%00/A1-Answer",
    "/status/user/A1-Answer",
    "/export/%ff/A1-Answer",
    "/export/" + "a" * 9000 + "/A1-Answer",
]


@pytest.mark.parametrize("target", TRICKS, ids=lambda target: target[:50])
def test_no_path_leads_out_of_its_place(hub: RunningHub, target: str) -> None:
    answer = say(hub, as_proxy("alice", target), PROXY)
    (status,) = statuses(answer)
    assert 400 <= status < 500, answer[:300]
    for stolen in (b"trusted_proxies", b"SQLite format", b"root:x:", b"Traceback"):
        assert stolen not in answer


@pytest.mark.parametrize(
    "name", ["../../../evil.py", "/etc/evil.py", "a\\..\\evil.py", "..", "evil.py\0.txt", "\x1b[2J.py", ""]
)
def test_an_uploads_own_name_means_nothing(hub: RunningHub, name: str) -> None:
    say(hub, as_proxy("mallory", "/download-release/mallory/A1-Answer", method="POST"), PROXY)
    work = hub.course / "hub-notebooks" / "mallory" / "A1-Answer"
    notebook = (work / "A1-Answer.py").read_bytes()
    before = set(hub.course.rglob("*evil*"))
    part = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode("latin-1")
    body = part + notebook + b"\r\n--b--\r\n"
    fields = ["Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}"]
    upload = as_proxy("mallory", "/upload/mallory/A1-Answer", *fields, method="POST", body=body)
    answer = say(hub, upload, PROXY)
    assert statuses(answer)[0] in (200, 400, 422)
    assert set(hub.course.rglob("*evil*")) == before
    assert (work / "A1-Answer.py").read_bytes() == notebook


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "PRI"]
)
def test_nothing_changes_by_any_other_method(hub: RunningHub, method: str) -> None:
    answer = say(hub, as_proxy("quiet", "/download-release/quiet/A1-Answer", method=method), PROXY)
    assert statuses(answer)[0] in (400, 403, 404, 405, 501)
    assert not (hub.course / "hub-notebooks" / "quiet").exists()


OVERSIZED = {
    "a huge field": request("/assignments", "X-Big: " + "a" * 200_000),
    "a thousand fields": request("/assignments", *[f"X-{n}: a" for n in range(1000)]),
    "a huge target": request("/" + "a" * 100_000),
    "a huge cookie": request("/assignments", "Cookie: " + "a=b; " * 50_000),
    "an announced terabyte": request(
        "/upload/alice/A1-Answer",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 1000000000000",
        method="POST",
    ),
    "an announced number without end": request(
        "/reset/alice/A1-Answer", "Content-Length: " + "9" * 4000, method="POST"
    ),
}


@pytest.mark.parametrize("name", OVERSIZED)
def test_what_is_too_large_is_refused_early(hub: RunningHub, name: str) -> None:
    before = memory(hub)
    began = time.monotonic()
    answer = say(
        hub,
        OVERSIZED[name].replace(b"Host: hub\r\n", f"Host: hub\r\nX-Remote-User: alice\r\n{PROVEN}".encode()),
        PROXY,
    )
    assert statuses(answer)[0] in (400, 413, 414, 431), answer[:200]
    assert time.monotonic() - began < 10
    assert memory(hub) - before < 32 << 20


def test_a_bomb_of_form_fields_is_refused_or_cheap(hub: RunningHub) -> None:
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % n for n in range(12_000)
    )
    fields = ["Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}"]
    answer = say(hub, as_proxy("alice", "/restore/alice/A1-Answer", *fields, method="POST", body=body), PROXY)
    assert statuses(answer)[0] in (400, 413, 422)
    assert statuses(say(hub, as_proxy("alice", "/assignments"), PROXY)) == [200]


def test_300_slow_heads_keep_nobody_out_and_are_hung_up_on(hub: RunningHub) -> None:
    before = descriptors(hub)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(hub)) for _ in range(300)]
        for line in slow:
            line.sendall(b"GET / HTTP/1.1\r\nHost: hub\r\nX-Slow: ")
        began = time.monotonic()
        assert statuses(say(hub, as_proxy("bob", "/assignments"), PROXY)) == [200]
        assert time.monotonic() - began < 5
        slow[0].settimeout(40)
        assert b" 408 " in slow[0].recv(1000)
    settled(hub, before)


def test_a_head_that_drips_is_hung_up_on_as_well(hub: RunningHub) -> None:
    """Each byte is news, but the time is that of the whole head."""
    with connect(hub) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: hub\r\nX-Slow: ")
        line.settimeout(1)
        answer, began = b"", time.monotonic()
        while not answer and time.monotonic() - began < 40:
            with contextlib.suppress(TimeoutError):
                line.sendall(b"a")
                answer = line.recv(1000)
        assert b" 408 " in answer


FOREIGN = [
    "evil.example",
    "hub.evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_somebody_else_owns_does_not_lead_to_the_hub(hub: RunningHub, host: str) -> None:
    """A page of evil.example, whose name suddenly means the hub's address, would be of one origin with it."""
    bearer = f"Authorization: Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    upgrade += ["Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", f"Origin: http://{host}", bearer]
    for forwarded in ([], ["X-Forwarded-Host: hub"]):
        for path in ("/", "/assignments", "/static/x/hub.css", "/_marimo/x", "/edit/user/alice/A1-Answer/"):
            head = request(path, bearer, *forwarded).replace(b"Host: hub", f"Host: {host}".encode())
            assert statuses(say(hub, head)) == [421], path
        head = request("/edit/user/alice/A1-Answer/ws", *upgrade, *forwarded, close=False)
        assert statuses(say(hub, head.replace(b"Host: hub", f"Host: {host}".encode()))) == [421]
    assert statuses(say(hub, request("/assignments", bearer))) == [200]


def test_10000_refused_upgrades_leave_no_descriptor_behind(hub: RunningHub) -> None:
    before = descriptors(hub)
    fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    fields += ["Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "Origin: http://hub"]
    head = request("/edit/user/bob/A1-Answer/ws", *fields, close=False)
    for _ in range(10_000):
        with connect(hub) as line:
            line.sendall(head)
            assert b" 401 " in line.recv(1000)
    settled(hub, before)
    assert sum(entry["did"] == "GET /edit/user/bob/A1-Answer/ws" for entry in audit(hub)) < 20


def settled(hub: RunningHub, before: int) -> None:
    """The hub holds no more descriptors than ``before``, soon."""
    end = time.monotonic() + 20
    while descriptors(hub) > before + 3 and time.monotonic() < end:
        time.sleep(0.1)
    assert descriptors(hub) <= before + 3


RANGES = [
    "bytes=0-,0-,0-",
    "bytes=" + ",".join(["0-"] * 2000),
    "bytes=-1,-2,0-1",
    "bytes=99999999999999999999-",
    "bytes=5-1",
    "bytes=0-" + "9" * 400,
    "lines=0-1",
]


@pytest.mark.parametrize("ranges", RANGES, ids=lambda ranges: ranges[:20])
def test_many_ranges_of_a_file_are_no_more_than_the_file(hub: RunningHub, ranges: str) -> None:
    for path in (
        "/release/A1-Answer/data.csv",
        "/export/ranger/A1-Answer",
        "/_marimo/x",
        "/static/x/hub.css",
    ):
        say(hub, as_proxy("ranger", "/download-release/ranger/A1-Answer", method="POST"), PROXY)
        whole = say(hub, as_proxy("ranger", path), PROXY)
        answer = say(hub, as_proxy("ranger", path, f"Range: {ranges}"), PROXY)
        assert statuses(answer)[0] in (200, 206, 404, 416)
        assert len(answer) <= len(whole) + 500


def bombs() -> dict[str, bytes]:
    zeros = bytes(64 << 20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A1-Answer.py", zeros)
    return {"a zip": packed.getvalue(), "a gzip": gzip.compress(zeros), "parentheses": b"(" * 500_000}


@pytest.mark.parametrize("name", ["a zip", "a gzip", "parentheses"])
def test_a_bomb_in_place_of_a_notebook_does_not_go_off(hub: RunningHub, name: str) -> None:
    say(hub, as_proxy("bomber", "/download-release/bomber/A1-Answer", method="POST"), PROXY)
    notebook = hub.course / "hub-notebooks" / "bomber" / "A1-Answer" / "A1-Answer.py"
    kept, before = notebook.read_bytes(), memory(hub)
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="A1-Answer.py"\r\n\r\n'
    body = part + bombs()[name] + b"\r\n--b--\r\n"
    for packing in ([], ["Content-Encoding: gzip"]):
        fields = ["Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}", *packing]
        upload = as_proxy("bomber", "/upload/bomber/A1-Answer", *fields, method="POST", body=body)
        assert statuses(say(hub, upload, PROXY))[0] in (400, 415, 422)
    assert notebook.read_bytes() == kept
    assert memory(hub) - before < 48 << 20


def test_200_megabytes_in_chunks_of_which_nothing_was_announced_are_refused_on_the_way(
    hub: RunningHub,
) -> None:
    before = memory(hub)
    fields = ["Content-Type: multipart/form-data; boundary=b", "Transfer-Encoding: chunked"]
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sent = 0
    with connect(hub, PROXY) as line:
        line.sendall(as_proxy("alice", "/upload/alice/A1-Answer", *fields, method="POST"))
        with contextlib.suppress(ConnectionError):
            while sent < 200 << 20 and not select.select([line], [], [], 0)[0]:
                line.sendall(chunk)
                sent += 0x10000
        with contextlib.suppress(ConnectionError):
            assert statuses(line.recv(65536)) in ([400], [413])
    assert sent < 100 << 20
    assert memory(hub) - before < 64 << 20


def test_no_secret_is_in_any_log_or_answer_and_no_log_takes_escapes(hub: RunningHub) -> None:
    """The last test of the module: it reads what all the attacks before it, and its own, have left."""
    token = tokens.make(SECRET, "carol", Role.STUDENT)
    said = b""
    login = say(hub, as_proxy("carol", "/assignments"), PROXY)
    cookie = re.search(rb"mograder_hub=([^;\r]+)", login)
    assert cookie is not None
    secrets = [SECRET, PROXY_SECRET, token, token.rpartition(".")[2], cookie[1].decode(), "canary-in-"]
    for path in ("/", "/assignments", "/status/bob/A1-Answer", "/nothing", "/edit/user/bob/A1-Answer/"):
        for accept in ("text/html", "application/json"):
            for fields in (
                [f"Authorization: Bearer {token}", "X-Proxy-Secret: canary-in-a-header"],
                [f"Authorization: Bearer {token}x"],
                [f"Cookie: mograder_hub={cookie[1].decode()}; other=canary-in-a-cookie"],
                [f"Cookie: mograder_hub={cookie[1].decode()}x"],
                ["X-Remote-User: canary-in-a-forged-name"],
            ):
                head = request(f"{path}?token={token}&x=canary-in-a-query", *fields, f"Accept: {accept}")
                said += say(hub, head) + say(hub, head.replace(b"GET", b"POST"))
    hostile = "/status/%1b%5b2J%0aINFO%20forged%7f%c2%9b31m%e2%80%ae/A1"
    said += say(hub, as_proxy("carol", hostile), PROXY)
    logs = "".join(hub.lines) + "".join(p.read_text() for p in (hub.course / ".mograder").glob("audit.log*"))
    assert '"carol"' in logs
    for secret in secrets:
        assert secret not in logs, secret
        assert secret.encode() not in said, secret
    assert b"Traceback" not in said
    assert not [escape for escape in ESCAPES if escape in logs]
    assert all(line.startswith("{") for line in (hub.course / ".mograder/audit.log").read_text().splitlines())
