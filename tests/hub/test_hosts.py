"""``mograder.hub.hosts``: the names that lead to the hub, and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mograder.course import Course
from mograder.errors import ConfigError
from mograder.hub.entrances import host_names
from mograder.hub.hosts import Hosts
from mograder.hub.settings import Options, Settings, combine
from tests.support.hub import make_course

TOLD = 'public_url = "https://hub.uni.example:8443/"\nallowed_hosts = ["alias.example", "*.below.example"]\n'


def settings(root: Path, keys: str = "", *, dev: bool = False) -> Settings:
    return combine(Course.load(make_course(root, "[hub]\n" + keys)), Options(dev=dev), "s" * 40, "p" * 20)


ALWAYS = ["127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "localhost:8080", "LOCALHOST"]
OURS = [
    "hub.uni.example",
    "HUB.uni.example:8443",
    "hub.uni.example.",
    "alias.example",
    "a.below.example",
    "a.b.below.example",
]
FOREIGN = ["evil.example", "hub.uni.example.evil.example", "evilalias.example", "below.example", "evilbelow.example",
           "127.0.0.1.evil.example"]  # fmt: skip
SENSELESS = ["", ":80", "[", "[::1", "user@hub.uni.example", "localhost:80@evil.example", "127.0.0.1:1/../",
             "hub.uni.example:x", "localhost evil.example"]  # fmt: skip


@pytest.mark.parametrize("host", ALWAYS + OURS)
def test_the_names_of_the_configuration_lead_to_the_hub(tmp_path: Path, host: str) -> None:
    assert Hosts(settings(tmp_path, TOLD)).knows(host)


@pytest.mark.parametrize("host", [*FOREIGN, "hub", "x.localhost"])
def test_no_other_name_does_not_even_through_the_proxy(tmp_path: Path, host: str) -> None:
    hosts = Hosts(settings(tmp_path, TOLD))
    assert not hosts.knows(host) and not hosts.knows(host, from_proxy=True)


@pytest.mark.parametrize("host", [*ALWAYS, "hub", "a.localhost:80"])
def test_a_fresh_hub_answers_to_names_that_nobody_can_own(tmp_path: Path, host: str) -> None:
    assert Hosts(settings(tmp_path)).knows(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_a_fresh_hub_believes_its_proxy_about_the_name_and_nobody_else(tmp_path: Path, host: str) -> None:
    hosts = Hosts(settings(tmp_path))
    assert not hosts.knows(host) and hosts.knows(host, from_proxy=True)


def test_in_dev_mode_every_name_is_fine(tmp_path: Path) -> None:
    assert Hosts(settings(tmp_path, TOLD, dev=True)).knows("evil.example")


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="public_url"):
        settings(tmp_path, 'public_url = "hub.example"\n')


@pytest.mark.parametrize("host", SENSELESS)
def test_what_is_no_host_is_nobodys_not_even_the_proxys(tmp_path: Path, host: str) -> None:
    for keys, dev in ((TOLD, False), ("", False), ("", True)):
        assert not Hosts(settings(tmp_path, keys, dev=dev)).knows(host, from_proxy=True)


def test_the_check_tells_the_names(tmp_path: Path) -> None:
    def told(found: Settings) -> list[str]:
        return [probe.level for probe in host_names(found)]

    assert told(settings(tmp_path, TOLD)) == ["ok"]
    assert told(settings(tmp_path)) == ["warn"]
    assert told(settings(tmp_path, dev=True)) == ["ok"]
