"""The confining policy as text."""

from __future__ import annotations

import pytest

from mograder.hub.gateway.csp import session_policy

P = "https://hub.example/edit/user/a/A1/"


def directives(policy: str) -> dict[str, list[str]]:
    parts = (part.split() for part in policy.split("; "))
    return {name: sources for name, *sources in parts}


def test_a_worker_starts_from_a_page_alone_and_never_from_a_file() -> None:
    """A service worker starts from a file, and makes up pages that have no policy."""
    policy = directives(session_policy("https://hub.example", "/edit/user/a/A1/", "/_marimo/"))
    assert policy["worker-src"] == ["blob:"]


def test_everything_that_reaches_out_is_bound_to_the_sessions_path() -> None:
    policy = directives(session_policy("https://hub.example", "/edit/user/a/A1/", "/_marimo/"))
    for name in (
        "connect-src",
        "script-src",
        "frame-src",
        "default-src",
        "style-src",
        "font-src",
    ):
        hosts = [s for s in policy[name] if "://" in s]
        allowed = {P, P.replace("https", "wss"), "https://hub.example/_marimo/"}
        assert P in hosts and set(hosts) <= allowed, name
    for name in ("object-src", "form-action", "base-uri"):
        assert policy[name] == [P]
    assert policy["frame-ancestors"] == ["'self'"]


def test_pages_may_open_their_own_websockets_only() -> None:
    policy = directives(session_policy("http://h:8080", "/run/user/a/L1/", "/_marimo/"))
    assert [s for s in policy["connect-src"] if s.startswith("ws")] == ["ws://h:8080/run/user/a/L1/"]


def test_no_directive_holds_a_scheme_that_would_match_the_hub() -> None:
    for name, sources in directives(session_policy("https://hub.example", "/e/", "/_marimo/")).items():
        assert not {"https:", "http:", "wss:", "*"} & set(sources) or name == "img-src"


def test_extra_hosts_are_allowed_where_they_are_used() -> None:
    policy = directives(session_policy("http://h", "/e/", "/_m/", ("https://cdn.jsdelivr.net",)))
    for name in ("script-src", "connect-src", "frame-src", "style-src"):
        assert "https://cdn.jsdelivr.net" in policy[name]
    assert "https://cdn.jsdelivr.net" not in policy["form-action"]


@pytest.mark.parametrize(
    "source", ["https:", "*", "x; script-src *", "'self'", "a b", "https://*", "a,b", "data:"]
)
def test_a_source_that_would_let_the_hub_in_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="not a host"):
        session_policy("http://h", "/e/", "/_m/", (source,))
