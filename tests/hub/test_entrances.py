"""``mograder.hub.entrances`` and the settings it tells about: who may speak as the login proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from mograder.course import Course
from mograder.errors import ConfigError
from mograder.hub.entrances import login_proxy
from mograder.hub.settings import Options, Settings, combine
from tests.support.hub import make_course

BY_ADDRESS = 'trusted_proxies = ["127.0.0.1"]\n'


def settings(root: Path, keys: str, word: str = "", *, dev: bool = False) -> Settings:
    course = Course.load(make_course(root, "[hub]\n" + keys))
    return combine(course, Options(dev=dev), "s" * 40, word)


def told(found: Settings) -> list[tuple[str, str]]:
    return [(probe.level, probe.detail) for probe in login_proxy(found)]


def test_an_address_without_a_secret_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an address alone is not believed"):
        settings(tmp_path, BY_ADDRESS)
    assert settings(tmp_path, BY_ADDRESS, dev=True).proxy_secret == ""


def test_the_secret_comes_from_a_file_or_the_environment_which_wins(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("f" * 20 + "\n")
    keys = BY_ADDRESS + 'proxy_secret_file = "word"\n'
    assert settings(tmp_path, keys).proxy_secret == "f" * 20
    assert settings(tmp_path, keys, "e" * 20).proxy_secret == "e" * 20
    assert "ffff" not in repr(settings(tmp_path, keys)) and "ssss" not in repr(settings(tmp_path, keys))


@pytest.mark.parametrize(
    "word", [b"short", b"\xff" * 30, "\u00e4".encode() * 30, b"a" * 20 + b"\n" + b"b" * 20]
)
def test_a_secret_that_no_header_could_carry_or_anybody_could_guess_is_refused_and_not_shown(
    tmp_path: Path, word: bytes
) -> None:
    (tmp_path / "word").write_bytes(word)
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, BY_ADDRESS + 'proxy_secret_file = "word"\n')
    assert word.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (BY_ADDRESS + 'proxy_secret_file = "missing"\n', "missing can not be read"),
        ('trusted_proxies = ["unix"]\n', "is no address"),
        ('trusted_proxies = ["proxy.example"]\n', "is no address"),
        ('trusted_header = "X-Requested-With"\n', "notebooks get to see"),
        ('proxy_secret_header = "Sec-Proxy"\n', "notebooks get to see"),
    ],
)
def test_what_can_not_be_meant_is_said(tmp_path: Path, keys: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings(tmp_path, keys, "" if "missing" in keys else "e" * 20)


def test_the_check_tells_what_is_in_force(tmp_path: Path) -> None:
    ((level, words),) = told(settings(tmp_path, BY_ADDRESS, "e" * 20))
    assert (level, words) == ("ok", "127.0.0.1 with the secret in X-Proxy-Secret")
    ((level, words),) = told(settings(tmp_path, 'unix_socket = "hub.sock"\n'))
    assert (level, words) == (
        "ok",
        f"whoever can open {tmp_path}/hub.sock: the hub's user and the hub's own group",
    )
    ((level, words),) = told(settings(tmp_path, ""))
    assert level == "warn" and "only bearer tokens" in words
    ((level, _),) = told(settings(tmp_path, "", dev=True))
    assert level == "ok"


def test_the_check_finds_a_secret_that_everybody_can_read(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("f" * 20)
    keys = BY_ADDRESS + 'proxy_secret_file = "word"\n'
    (tmp_path / "word").chmod(0o644)
    assert [level for level, _ in told(settings(tmp_path, keys))] == ["ok", "warn"]
    (tmp_path / "word").chmod(0o640)
    assert [level for level, _ in told(settings(tmp_path, keys))] == ["ok"]


@pytest.mark.parametrize(
    "keys", ['unix_socket_group = "no-such-group"\nunix_socket = "a"\n', 'unix_socket = "no/a"\n']
)
def test_the_check_finds_a_socket_that_can_not_be(tmp_path: Path, keys: str) -> None:
    assert [level for level, _ in told(settings(tmp_path, keys))] == ["fail"]
