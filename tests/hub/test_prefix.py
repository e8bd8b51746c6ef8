"""A hub below a path of a host name that is others' too."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from mograder.hub.app import Hub
from mograder.hub.identity.gate import Gate, GateSettings
from mograder.hub.identity.roster import Roster
from tests.hub.test_guards import ask, hub
from tests.support.hub import RunningHub, make_course, running
from tests.support.students import ITEM, Student

__all__ = ["hub"]  # a fixture

KEYS = 'public_url = "https://uni.example/teaching/hub"\n'


@pytest.mark.parametrize("hub", [KEYS], indirect=True)
def test_what_is_not_below_the_path_is_not_the_hubs(hub: Hub) -> None:
    host = {"headers": {"Host": "uni.example"}}
    paths = [
        "/",
        "/assignments",
        "/teaching/hubs",
        "/teaching/hub2/assignments",
        "/teaching/hub/teaching/hub/",
    ]
    assert {answer.status_code for answer in ask(hub, *[("GET", path, host) for path in paths])} == {404}
    (answer,) = ask(hub, ("GET", "/teaching/hub/assignments", host))
    assert answer.status_code == 200
    (bare,) = ask(hub, ("GET", "/teaching/hub", host))
    assert (
        urljoin("https://uni.example/teaching/hub", bare.headers["Location"])
        == "https://uni.example/teaching/hub/"
    )


@pytest.mark.parametrize("hub", [KEYS + 'login_url = "/login?to={target}"\n'], indirect=True)
def test_the_way_back_from_the_login_is_below_the_path(hub: Hub) -> None:
    page = {"headers": {"Host": "uni.example", "Accept": "text/html"}}
    (answer,) = ask(hub, ("GET", "/teaching/hub/edit/A1-Answer", page), user=None)
    assert "/login?to=%2Fteaching%2Fhub%2Fedit%2FA1-Answer" in answer.text


@pytest.mark.parametrize("hub", [KEYS], indirect=True)
def test_hubs_that_share_a_host_do_not_take_each_others_cookies_away(hub: Hub) -> None:
    parts = hub.app.state.logins, Roster(hub.settings.course.root), hub.app.state.ledger
    names = set()
    for root in ("", "/teaching/hub", "/teaching/other", "/teaching-hub"):
        gate = Gate(GateSettings("s" * 40, False, "X-Remote-User", (), frozenset(), root=root), *parts)
        names |= {gate.cookie_name(https=True), gate.cookie_name(https=False)}
    assert len(names) == 8
    (page,) = ask(hub, ("GET", "/teaching/hub/", {"headers": {"Host": "uni.example"}}))
    name, _, value = page.headers["Set-Cookie"].partition(";")[0].partition("=")
    assert re.fullmatch("__Host-Http-mograder_hub_[0-9a-f]{8}", name)
    others = f"__Host-Http-mograder_hub=theirs; {name}={value}; __Host-Http-mograder_hub_00000000=another"
    fields = {"Host": "uni.example", "Cookie": others}
    (again,) = ask(hub, ("GET", "/teaching/hub/assignments", {"headers": fields}), user=None)
    assert again.status_code == 200


@pytest.fixture(scope="module")
def below(course_root: Path) -> Iterator[RunningHub]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = f'[hub]\ntrusted_proxies = ["127.0.0.1"]\npublic_url = "http://127.0.0.1:{port}/teaching/hub/"\n'
    course = make_course(course_root / "below-a-path", config)
    with running(course, "--port", str(port), dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        yield up


@pytest.mark.real
def test_a_student_works_there(below: RunningHub) -> None:
    assert below.url.endswith("/teaching/hub/")
    with Student(below, "ada") as ada:
        tab = ada.edit()
        assert "42" in tab.run(tab.cells[2], "6 * 7", timeout=600)
        page = ada.http.get(f"edit/user/ada/{ITEM}/", headers={"Accept": "text/html"})
        assert page.status_code == 200
        addresses = set(re.findall(r'(?:src|href)="([^"#]+)"', page.text))
        for address in addresses:
            where = urljoin(str(page.url), address)
            assert where.startswith(below.url), address
        scripts = [address for address in addresses if "/_marimo/" in address and address.endswith(".js")]
        assert ada.http.get(urljoin(str(page.url), scripts[0])).status_code == 200
        policy = page.headers["content-security-policy"]
        own = f"{below.url}edit/user/ada/{ITEM}/"
        assert f"connect-src {own} {below.url}_marimo/" in policy
        assert ada.http.post(f"edit/user/ada/{ITEM}/_hub/again").status_code != 404


@pytest.mark.real
def test_a_notebook_that_is_not_open_leads_to_its_start_page_there(below: RunningHub) -> None:
    with Student(below, "bob") as bob:
        answer = bob.http.get(f"edit/user/bob/{ITEM}/", headers={"Accept": "text/html"})
        assert answer.status_code == 303
        assert urljoin(str(answer.url), answer.headers["Location"]) == f"{below.url}edit/{ITEM}"
        spelt = bob.http.get(f"edit/user/bob/{ITEM}")
        assert urljoin(str(spelt.url), spelt.headers["Location"]) == f"{below.url}edit/user/bob/{ITEM}/"


@pytest.mark.real
def test_every_link_of_its_pages_stays_there(below: RunningHub) -> None:
    with Student(below, "eve") as eve:
        for path in ("", "account", "logout", f"edit/{ITEM}", "nothing/at/all"):
            page = eve.http.get(path, headers={"Accept": "text/html"})
            for address in re.findall(r'(?:src|href|action)="([^"#]*)"', page.text):
                assert urljoin(str(page.url), address).startswith(below.url), (path, address)
    with httpx.Client() as anybody:
        outside = below.url.removesuffix("teaching/hub/")
        assert anybody.get(f"{outside}edit/user/ada/{ITEM}/").status_code == 404
