"""marimo's static files from one address: right content, right headers, made once, kept for open pages."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import httpx
import marimo
import pytest

from mograder.errors import NameRefused
from mograder.hub.gateway.asset_store import AssetStore
from mograder.hub.gateway.assets import Assets, choose, matches

SCRIPT = b"export const a = 1;\n" * 5000


@pytest.fixture
def static(tmp_path: Path) -> Path:
    files = {
        "assets/index-1.js": SCRIPT,
        "assets/f.woff2": b"w" * 4000,
        "assets/tiny.css": b"a{}",
        "index.html": b"<x>",
    }
    for name, data in files.items():
        path = tmp_path / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "static"


@pytest.fixture
def assets(tmp_path: Path, static: Path) -> Assets:
    made = Assets(tmp_path / "cache")
    asyncio.run(made.offer("1.0", static))
    return made


def ask(app: Assets, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            client.headers.clear()
            return await client.request(
                method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
            )

    return asyncio.run(main())


def test_a_file_is_sent_compressed_and_kept_for_good(assets: Assets) -> None:
    reply = ask(assets, "/1.0/assets/index-1.js", accept_encoding="gzip, deflate")
    assert reply.content == SCRIPT
    assert reply.headers["content-encoding"] == "gzip"
    assert int(reply.headers["content-length"]) < len(SCRIPT) / 10
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["vary"] == "accept-encoding"
    assert reply.headers["content-type"].startswith("text/javascript")
    assert "set-cookie" not in reply.headers


def test_a_client_that_takes_no_compression_gets_none(assets: Assets) -> None:
    reply = ask(assets, "/1.0/assets/index-1.js", accept_encoding="identity")
    assert reply.content == SCRIPT and "content-encoding" not in reply.headers


@pytest.mark.parametrize("name", ["f.woff2", "tiny.css"])
def test_what_compression_does_not_help_is_sent_as_it_is(assets: Assets, name: str) -> None:
    assert "content-encoding" not in ask(assets, f"/1.0/assets/{name}", accept_encoding="gzip").headers


def test_head_tells_the_size_and_sends_nothing(assets: Assets) -> None:
    reply = ask(assets, "/1.0/assets/index-1.js", "HEAD")
    assert (reply.content, reply.headers["content-length"]) == (b"", str(len(SCRIPT)))


def test_a_known_file_is_not_sent_again(assets: Assets) -> None:
    tag = ask(assets, "/1.0/assets/index-1.js", accept_encoding="gzip").headers["etag"]
    again = ask(assets, "/1.0/assets/index-1.js", accept_encoding="gzip", if_none_match=f'"x", W/{tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    plain = ask(assets, "/1.0/assets/index-1.js", if_none_match=tag)
    assert plain.status_code == 200 and plain.headers["etag"] != tag


OUTSIDE = [
    "/1.0/",
    "/1.0/assets",
    "/1.0/assets/",
    "/2.0/assets/index-1.js",
    "/1.0/index.html",
    "/1.0/../secret",
    "/",
]
OUTSIDE += [
    "/1.0//assets/index-1.js",
    "/1.0/assets%2findex-1.jsx",
    "/1.0/.hidden",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_only_exact_names_are_known(assets: Assets, static: Path, path: str) -> None:
    (static.parent / "secret").write_text("secret")
    reply = ask(assets, path)
    assert reply.status_code == 404 and b"secret" not in reply.content


def test_files_are_only_read(assets: Assets) -> None:
    reply = ask(assets, "/1.0/assets/index-1.js", "POST")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")


def test_nothing_that_starts_from_a_file_has_power_over_the_hub(assets: Assets) -> None:
    """A worker lives under its script's policy, and a window that shows a script is a page of the hub's origin."""
    headers = ask(assets, "/1.0/assets/index-1.js").headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY" and headers["x-content-type-options"] == "nosniff"


def test_files_outlive_the_environment_they_came_from(tmp_path: Path, static: Path, assets: Assets) -> None:
    static.rename(tmp_path / "gone")
    assert ask(assets, "/1.0/assets/index-1.js").content == SCRIPT
    later = Assets(tmp_path / "cache")  # another start of the hub
    assert ask(later, "/1.0/assets/index-1.js", accept_encoding="gzip").content == SCRIPT
    assert ask(later, "/1.0/assets/tiny.css").content == b"a{}"


def test_versions_share_what_they_share(tmp_path: Path, static: Path, assets: Assets) -> None:
    before = set((tmp_path / "cache").iterdir())
    (static / "assets" / "index-1.js").rename(static / "assets" / "index-2.js")
    asyncio.run(assets.offer("1.1", static))
    assert {path.name for path in set((tmp_path / "cache").iterdir()) - before} == {"1.1.json"}
    assert ask(assets, "/1.1/assets/index-2.js").content == ask(assets, "/1.0/assets/index-1.js").content
    assert ask(assets, "/1.1/assets/index-1.js").status_code == 404


def test_a_forgotten_version_leaves_nothing_that_nobody_needs(
    tmp_path: Path, static: Path, assets: Assets
) -> None:
    (static / "assets" / "tiny.css").write_text("b{}")
    asyncio.run(assets.offer("1.1", static))
    assets.store.forget("1.0")
    assert ask(assets, "/1.0/assets/index-1.js").status_code == 404
    assert ask(assets, "/1.1/assets/index-1.js").content == SCRIPT
    assets.store.forget("1.1")
    assert list((tmp_path / "cache").iterdir()) == []


def test_files_are_served_before_they_are_compressed(tmp_path: Path, static: Path) -> None:
    early = Assets(tmp_path / "cache")
    early.store.add("1.0", static)
    reply = ask(early, "/1.0/assets/index-1.js", accept_encoding="gzip")
    assert reply.content == SCRIPT and "content-encoding" not in reply.headers


def test_copies_are_made_once(tmp_path: Path, static: Path, assets: Assets) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    asyncio.run(assets.offer("1.0", static))
    asyncio.run(Assets(tmp_path / "cache").offer("1.0", static))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == stamps


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"a": 1}, "encodings": []}', "\x00"])
def test_a_broken_list_is_made_anew(tmp_path: Path, static: Path, assets: Assets, text: str) -> None:
    (tmp_path / "cache" / "1.0.json").write_text(text)
    later = Assets(tmp_path / "cache")
    asyncio.run(later.offer("1.0", static))
    assert ask(later, "/1.0/assets/index-1.js").content == SCRIPT


@pytest.mark.parametrize("version", ["", "..", "a/b", "../x", ".hidden", "a" * 80])
def test_a_version_is_a_plain_name(tmp_path: Path, static: Path, version: str) -> None:
    with pytest.raises(NameRefused):
        AssetStore(tmp_path / "cache").add(version, static)


@pytest.mark.parametrize(
    ("accepts", "chosen"),
    [
        (b"", "raw"),
        (b"gzip", "gzip"),
        (b"br, gzip", "br"),
        (b"gzip;q=1, br;q=0", "gzip"),
        (b"GZIP ; q=0.5", "gzip"),
        (b"*", "br"),
        (b"*;q=0", "raw"),
        (b"br;q=x", "raw"),
        (b"identity, deflate", "raw"),
        (b"gzip;q=0, *;q=1", "br"),
    ],
)
def test_the_browsers_wish_is_followed(accepts: bytes, chosen: str) -> None:
    assert choose(accepts, ("gzip", "br")) == chosen


def test_tags_are_compared_weakly() -> None:
    assert matches(b'"a", W/"b"', b'"b"') and matches(b"*", b'"x"')
    assert not matches(b"", b'"x"') and not matches(b'"xy"', b'"x"')


@pytest.mark.real
def test_all_of_marimos_files_are_offered(tmp_path: Path) -> None:
    static = Path(str(marimo.__file__)).parent / "_static"
    assets = Assets(tmp_path)
    asyncio.run(assets.offer(marimo.__version__, static))
    files: dict[str, Any] = assets.store.files[marimo.__version__]
    assert len(files) > 500
    script = next(name for name in files if name.startswith("assets/index-") and name.endswith(".js"))
    copy = assets.store.copy(files[script].digest, "gzip").read_bytes()
    assert gzip.decompress(copy) == (static / script).read_bytes()
    assert len(copy) < files[script].size / 2
