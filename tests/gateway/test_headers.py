"""The header rules, direction by direction."""

from __future__ import annotations

import re

import pytest

from mograder.hub.gateway.headers import (
    security_fields,
    to_browser,
    to_session,
)

NAMES = re.compile(rb"session(_[A-Za-z0-9_-]{1,64})?")
NOT_SHARED = (b"cache-control", b"private, no-cache")
PREFIX = b"/edit/user/m%C3%BCller/A1/"
URL = "https://hub.example/edit/user/m%C3%BCller/A1/a/b?c=d"


def up(*headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return to_session(headers, host=b"hub.example", scheme=b"https", prefix=PREFIX, cookie_names=NAMES)


def down(*headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """What comes down; without what is added where a session does not say how to keep its answer."""
    crossed = to_browser(headers, url=URL, prefix=PREFIX, cookie_names=NAMES, security=())
    return [pair for pair in crossed if pair != NOT_SHARED]


def test_a_session_is_told_where_it_is() -> None:
    assert up((b"host", b"evil")) == [
        (b"host", b"hub.example"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"hub.example"),
        (b"x-forwarded-prefix", PREFIX[:-1]),
    ]


NOT_UP = """authorization cookie2 proxy-authorization forwarded via x-forwarded-for x-forwarded-user x-real-ip
    remote-user x-remote-user x_remote_user eppn mail uid x-auth-request-email oidc_claim_sub oidc-claim-sub
    shib-identity-provider x-ms-client-principal x-goog-iap-jwt-assertion cf-access-jwt-assertion ssl-client-cert
    x-client-cert x-mograder-x x-original-url x-rewrite-url x-http-method-override transfer-encoding te trailer upgrade
    keep-alive connection content-length expect x-accel-redirect marimo_x sec_fetch"""
NEEDED_UP = """accept accept-encoding content-type if-none-match range referer origin user-agent marimo-session-id
    marimo-server-token x-notebook-id sec-fetch-site sec-websocket-key sec-websocket-extensions"""
NOT_DOWN = """server strict-transport-security alt-svc nel report-to reporting-endpoints clear-site-data link refresh
    service-worker-allowed cross-origin-opener-policy origin-agent-cluster www-authenticate x-accel-redirect
    x-sendfile access-control-allow-origin access-control-allow-credentials speculation-rules sourcemap set-login
    x-frame-options transfer-encoding content-length keep-alive upgrade permissions-policy x-content-type-options
    referrer-policy marimo_x proxy-authenticate public-key-pins accept-ch timing-allow-origin"""


@pytest.mark.parametrize("name", NOT_UP.split())
def test_no_identity_and_no_framing_goes_up(name: str) -> None:
    assert name.encode() not in dict(up((name.encode(), b"x")))


@pytest.mark.parametrize("name", NEEDED_UP.split())
def test_what_marimo_needs_goes_up(name: str) -> None:
    assert dict(up((name.encode(), b"x")))[name.encode()] == b"x"


def test_only_marimos_own_cookies_go_up() -> None:
    sent = b"mograder_hub=1; session_2718=2; __Host-x=3;session=4; xsession=5; session_a b=6; session"
    assert dict(up((b"cookie", sent)))[b"cookie"] == b"session_2718=2; session=4"
    assert b"cookie" not in dict(up((b"cookie", b"mograder_hub=1")))


def test_what_connection_names_stays() -> None:
    for direction in (up, down):
        crossed = dict(
            direction((b"connection", b"close, Marimo-A ,etag"), (b"marimo-a", b"1"), (b"etag", b"x"))
        )
        assert b"marimo-a" not in crossed and b"etag" not in crossed


@pytest.mark.parametrize("name", NOT_DOWN.split())
def test_no_power_over_the_hub_comes_down(name: str) -> None:
    assert down((name.encode(), b"x")) == []


def test_what_a_page_needs_comes_down_in_order() -> None:
    headers = [
        (b"content-type", b"text/html"),
        (b"etag", b"x"),
        (b"vary", b"a"),
        (b"vary", b"b"),
        (b"x-marimo-a", b"1"),
    ]
    assert down(*headers) == headers


def test_a_sessions_own_policy_stays_beside_ours() -> None:
    ours = security_fields("http://h", "/edit/user/a/b/", "/_marimo/", (), True)
    crossed = to_browser(
        [(b"content-security-policy", b"default-src 'none'")],
        url="http://h/edit/user/a/b/",
        prefix=b"/edit/user/a/b/",
        cookie_names=NAMES,
        security=ours,
    )
    policies = [value for name, value in crossed if name == b"content-security-policy"]
    assert len(policies) == 2 and policies[0] == b"default-src 'none'"


def test_a_session_on_an_origin_of_its_own_is_not_confined_but_framed_by_nobody_else() -> None:
    names = dict(security_fields("http://h", "/edit/user/a/b/", "/_marimo/", (), False))
    assert (
        names[b"content-security-policy"] == b"frame-ancestors 'self'"
        and names[b"x-content-type-options"] == b"nosniff"
    )


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"public, max-age=60", b"private, max-age=60"),
        (b"max-age=60, s-maxage=9, must-revalidate", b"private, max-age=60, must-revalidate"),
        (b"private, max-age=5", b"private, max-age=5"),
        (b"Private", b"Private"),
        (b"no-store", b"no-store"),
        (b"public, no-store", b"no-store"),
        (b"max-age=86400", b"private, max-age=86400"),
        (b"max-age=86400, x-private", b"private, max-age=86400, x-private"),
        (b"public", b"private"),
        (b"", b"private"),
    ],
)
def test_shared_caches_get_nothing(value: bytes, kept: bytes) -> None:
    assert down((b"cache-control", value)) == [(b"cache-control", kept)]


@pytest.mark.parametrize("said", [[], [(b"etag", b"x")], [(b"cache-control", b"no-cache")]])
def test_what_a_session_says_nothing_about_is_its_viewers_alone_and_asked_for_again(
    said: list[tuple[bytes, bytes]],
) -> None:
    crossed = to_browser(said, url=URL, prefix=PREFIX, cookie_names=NAMES, security=())
    assert [pair for pair in crossed if pair[0] == b"cache-control"] == [NOT_SHARED]


@pytest.mark.parametrize("shared_origin", [True, False])
def test_under_https_a_sessions_answers_say_that_it_is_for_good(shared_origin: bool) -> None:
    name = b"strict-transport-security"
    secure = dict(security_fields("https://h", "/edit/user/a/b/", "/_marimo/", (), shared_origin))
    assert secure[name] == b"max-age=31536000"
    assert name not in dict(security_fields("http://h", "/edit/user/a/b/", "/_marimo/", (), shared_origin))
