"""``mograder.hub.content``: where what students wrote is served, and what can not be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from mograder.course import Course
from mograder.errors import ConfigError
from mograder.hub.content import ContentHost, Place, content_host, place_at
from mograder.hub.entrances import untrusted_content
from mograder.hub.settings import Options, Settings, combine
from tests.support.hub import make_course

HUB = "https://hub.example.edu"


def host(content: str, public: str = HUB) -> ContentHost:
    return ContentHost(public, content, "s" * 40)


def settings(root: Path, keys: str, *, dev: bool = False) -> Settings:
    course = Course.load(make_course(root, "[hub]\n" + keys))
    return combine(course, Options(dev=dev), "s" * 40)


def test_another_name_is_for_everybody() -> None:
    content = host("Content.example.edu")
    assert (content.mode, content.is_another_name, content.own_port) == ("host", True, None)
    assert content.origin("ada") == content.origin("bob") == "https://content.example.edu"
    assert content.names == ("content.example.edu",)


def test_each_owner_has_a_name_of_their_own_that_nobody_can_make_up() -> None:
    content = host("*.content.example.edu:8443")
    names = {content.origin(owner) for owner in ("ada", "Ada", "a.da", "a-da", "zoë", "u" * 64)}
    assert len(names) == 6
    assert all(name.startswith("https://u") and name.endswith(".content.example.edu:8443") for name in names)
    assert content.origin("ada") != ContentHost(HUB, "*.content.example.edu:8443", "t" * 40).origin("ada")
    assert content.sources == ("https://*.content.example.edu:8443",)


def test_a_port_is_a_port_of_the_hubs_host() -> None:
    content = host(":8081", "http://localhost:8080")
    assert (content.mode, content.is_another_name, content.own_port) == ("port", False, 8081)
    assert content.origin("ada") == "http://localhost:8081"
    assert host(":8443").own_port is None  # the hub speaks no TLS: that port is the proxy's


@pytest.mark.parametrize(
    ("configured", "public", "theirs"),
    [
        (
            "content.example.edu",
            HUB,
            {"content.example.edu", "content.example.edu:443", "CONTENT.example.edu."},
        ),
        (
            "*.content.example.edu",
            HUB,
            {"a.content.example.edu", "content.example.edu", "a.b.content.example.edu:1"},
        ),
        (":8081", "http://localhost:8080", {"localhost:8081", "LOCALHOST.:8081"}),
        (":80", "http://localhost:8080", {"localhost", "localhost:80"}),
    ],
)
def test_it_claims_its_own_hosts_alone(configured: str, public: str, theirs: set[str]) -> None:
    content = host(configured, public)
    assert {name for name in theirs if not content.claims(name)} == set()
    others = {
        "hub.example.edu",
        "evilcontent.example.edu",
        "content.example.edu.evil.example",
        "localhost:8080",
        "",
        "[::1",
    }
    assert {name for name in others if content.claims(name)} == set()


def test_an_owners_work_is_served_under_their_own_name_alone() -> None:
    content = host("*.content.example.edu")
    adas = content.origin("ada").removeprefix("https://")
    assert content.serves(adas, "ada") and content.serves(f"{adas}:443", "ada")
    assert not content.serves(adas, "bob")
    assert not content.serves("content.example.edu", "ada")


@pytest.mark.parametrize(
    ("configured", "public", "words"),
    [
        ("content.example.edu", "", "needs public_url"),
        ("hub.example.edu", HUB, "own host and port"),
        (":443", HUB, "own host and port"),
        ("*.example.edu", HUB, "is one of"),
        ("*.hub.example.edu:8443", HUB, "is one of"),
        ("https://content.example.edu", HUB, "neither a host name nor a port"),
        ("*.", HUB, "neither a host name"),
        (":", HUB, "neither a host name"),
        ("content:99999", HUB, "neither a host name"),
        ("con tent", HUB, "neither a host name"),
        ("a.*.example.edu", HUB, "neither a host name"),
        ("*.127.0.0.1", HUB, "no sub-domains"),
        ("*", HUB, "neither a host name"),
    ],
)
def test_what_can_not_be_meant_is_said(configured: str, public: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        host(configured, public)
    assert caught.value.tip


def test_the_hub_can_not_answer_to_the_content_hosts_name(tmp_path: Path) -> None:
    keys = f'public_url = "{HUB}"\ncontent_host = "*.c.example.edu"\nallowed_hosts = ["x.c.example.edu"]\n'
    with pytest.raises(ConfigError, match=r"x\.c\.example\.edu is the content host's"):
        content_host(settings(tmp_path, keys))


@pytest.mark.parametrize(
    ("path", "place", "rest"),
    [
        ("/edit/user/ada/A1/", Place("edit", "ada", "A1"), ""),
        ("/run/user/ada/L1/_hub/hand-off", Place("run", "ada", "L1"), "_hub/hand-off"),
        ("/validate-report/ada/A1", Place("validate-report", "ada", "A1"), ""),
        ("/validate-report/ada/A1/_hub/hand-off", Place("validate-report", "ada", "A1"), "_hub/hand-off"),
    ],
)
def test_a_path_names_a_place(path: str, place: Place, rest: str) -> None:
    assert place_at(path) == (place, rest)
    assert path.startswith(place.base)


@pytest.mark.parametrize(
    "path", ["/", "/edit/user/../A1/", "/edit/A1", "/edit/user/ada/A1", "/export/ada/A1", "//x"]
)
def test_what_is_no_place_is_none(path: str) -> None:
    assert place_at(path) is None


def test_a_places_path_is_spelt_as_the_gateway_spells_it() -> None:
    assert Place("edit", "zoë", "A1").base == "/edit/user/zo%C3%AB/A1/"
    report = Place("validate-report", "zoë", "A1")
    assert host("c.example.edu").landing(report) == (
        "https://c.example.edu/validate-report/zo%C3%AB/A1/_hub/hand-off"
    )


@pytest.mark.parametrize("content", ["c.example.edu", "*.c.example.edu", ":8443"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_below_a_path_everything_is_below_the_same_path_at_the_content_host(content: str, slash: str) -> None:
    below, notebook = host(content, f"{HUB}/teaching/hub{slash}"), Place("edit", "ada", "A1")
    assert below.hub_url == f"{HUB}/teaching/hub/"
    assert below.base(notebook) == "/teaching/hub/edit/user/ada/A1/"
    assert below.url(notebook) == f"{below.origin('ada')}{below.base(notebook)}"
    assert below.landing(notebook) == f"{below.url(notebook)}_hub/hand-off"
    assert "/teaching" not in below.sources[0]


CHECKED = {
    "": ("warn", "share the hub's origin"),
    'content_host = ":8443"\n': ("warn", "another port"),
    'content_host = "c.example.edu"\n': ("ok", "https://c.example.edu: a host name for all notebooks"),
    'content_host = "*.c.example.edu"\n': ("ok", "https://*.c.example.edu: a host name for each student's"),
    'content_host = "*"\n': ("fail", "neither a host name"),
}


@pytest.mark.parametrize("keys", CHECKED)
def test_the_check_says_what_is_in_force(tmp_path: Path, keys: str) -> None:
    (probe,) = untrusted_content(settings(tmp_path, f'public_url = "{HUB}"\n{keys}'))
    level, words = CHECKED[keys]
    assert probe.level == level and words in probe.detail
    assert bool(probe.remedy) == (level != "ok")
