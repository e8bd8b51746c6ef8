"""The pictures of ``docs/tour.md``, taken of the demo course with a small class at work: ``make pictures``."""

from __future__ import annotations

import base64
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import ARGUMENTS, CHROMIUM
from tests.support.hub import RunningHub, by_proxy, make_demo, running
from tests.support.students import Student

ITEM = "A1-Heat-Equation"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
CLASS = {"alice": 2, "ben": 4, "chloe": 1, "daria": 3, "emil": 0}
"""Who, and how many of the questions they have answered."""
TEACHER = "prof"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 760}


class Tour:
    """A demo hub, and somebody with a camera."""

    def __init__(self, hub: RunningHub, browser: Browser, target: Path) -> None:
        self.hub = hub
        self._browser = browser
        self._target = target
        self._press = browser.new_page()

    @contextmanager
    def visit(
        self, who: str, path: str, scheme: str = "light", size: dict[str, int] = WIDE
    ) -> Iterator[Page]:
        """A page as ``who`` sees it."""
        context = self._browser.new_context(
            base_url=self.hub.url, extra_http_headers=by_proxy(who), viewport=size, color_scheme=scheme
        )  # type: ignore[call-overload]
        context.set_default_timeout(240_000)
        page = context.new_page()
        page.goto(path)
        yield page
        context.close()
        if path.startswith("edit/"):  # the next one comes to an editor of its own, too
            with self.hub.client(who) as client:
                client.post(f"stop-edit/{who}/{ITEM}").raise_for_status()

    def keep(self, page: Page, name: str) -> None:
        """Take the picture."""
        (self._target / f"{name}.png").write_bytes(
            packed(self._press, page.screenshot(animations="disabled"))
        )

    def take(
        self, name: str, who: str, path: str, then: Callable[[Page], object] = lambda page: None
    ) -> None:
        """A picture of one page, wide and light."""
        with self.visit(who, path) as page:
            then(page)
            self.keep(page, name)

    def take_all(
        self, name: str, who: str, path: str, then: Callable[[Page], object] = lambda page: None
    ) -> None:
        """Wide and light, wide and dark, and as on a phone."""
        for suffix, scheme, size in (
            ("", "light", WIDE),
            ("-dark", "dark", WIDE),
            ("-phone", "light", NARROW),
        ):
            with self.visit(who, path, scheme, size) as page:
                then(page)
                self.keep(page, name + suffix)


def demo_course(root: Path) -> Path:
    """The demo course with a teacher."""
    make_demo(root)
    config = root / "mograder.toml"
    config.write_text(config.read_text().replace("[hub]\n", f'[hub]\ninstructors = ["{TEACHER}"]\n', 1))
    return root


def solved(text: str, source: str, questions: int) -> str:
    """A released notebook with the solutions of its first questions, indented as they are."""
    solutions = re.findall(r"### BEGIN SOLUTION\n(.*?\n) *### END SOLUTION", source, re.S)
    for solution in solutions[:questions]:
        text = re.sub(r" *# YOUR CODE HERE\n *pass\n", lambda _, body=solution: body, text, count=1)
    return text


def work(hub: RunningHub) -> None:
    """Everybody does their part: answers in two steps, each validated; the first one wrong for some."""
    source = (hub.course / "source" / ITEM / f"{ITEM}.py").read_text()
    for name, questions in CLASS.items():
        with Student(hub, name, ITEM) as student:
            student.http.post(f"download-release/{name}/{ITEM}").raise_for_status()
            released = student.notebook.read_text()
            for step in (questions - 1, questions):
                text = solved(released, source, max(step, 0))
                if step != questions or name in ("chloe", "emil"):
                    text = text.replace("pass", "return None", 1)
                student.notebook.write_text(text)
                student.http.post(f"validate/{name}/{ITEM}").raise_for_status()
            files = [
                ("files", ("notes.txt", b"r = 0.4 is stable\n")),
                ("files", ("own-data.csv", b"x,T\n" * 900)),
            ]
            student.http.post(f"files/{name}/{ITEM}", files=files).raise_for_status()


def students(tour: Tour) -> None:
    """What alice sees."""
    hub = tour.hub
    with Student(hub, "alice", ITEM) as alice:
        alice.edit()
        tour.take_all("dashboard", "alice", "")
        alice.stop()
    tour.take("history", "alice", f"history/alice/{ITEM}")
    tour.take("compare", "alice", f"compare/alice/{ITEM}?old=release")
    tour.take("files", "alice", f"files/alice/{ITEM}")
    with tour.visit("frida", "account") as page, Student(hub, "frida", ITEM) as frida:
        page.route("**/start-edit-deep/*", lambda route: None)  # the page never hears that it may go on
        with page.expect_response("**/events/**"):  # who comes when it is ready sees no steps
            page.goto(f"edit/{ITEM}")
        frida.start()
        page.locator("#steps li").first.wait_for()
        tour.keep(page, "start")
        frida.stop()

    def check(page: Page) -> None:
        expect(page.get_by_role("heading", name="The rod without a label").first).to_be_visible()
        expect(page.locator(".state")).to_have_text(re.compile("^Saved"))
        if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"):
            page.evaluate("document.body.classList.replace('light', 'dark')")
        page.get_by_role("button", name="Validate").click()
        page.get_by_role("heading", name=re.compile("checks pass")).wait_for()

    tour.take_all("editor", "alice", f"edit/{ITEM}", check)
    tour.take("account", "alice", "account")


def update(tour: Tour) -> None:
    """The assignment is published again with a better question, and ben has changed that cell."""
    release = tour.hub.course / "release" / ITEM
    files = {path.name: path.read_bytes() for path in release.iterdir() if path.is_file()}
    files[f"{ITEM}.py"] = files[f"{ITEM}.py"].replace(b"# YOUR CODE HERE", b"# YOUR CODE HERE, for any r")
    with tour.hub.client(TEACHER) as prof:
        parts = [("files", (name, data)) for name, data in files.items()]
        prof.post(f"publish/{ITEM}", files=parts).raise_for_status()
    tour.take("update", "ben", f"update/ben/{ITEM}")


def teachers(tour: Tour) -> None:
    """What the teacher sees."""
    with Student(tour.hub, "ben", ITEM) as ben, Student(tour.hub, "daria", ITEM) as daria:
        ben.edit()
        daria.edit()
        tour.take("course", TEACHER, "teach")
        ben.stop()
        daria.stop()
    tour.take_all("radar", TEACHER, f"teach/radar?item={ITEM}")
    tour.take("help", TEACHER, f"teach/help/chloe/{ITEM}")
    for table in ("people", "audit"):
        tour.take(table, TEACHER, f"teach/{table}")
    tour.take(
        "health", TEACHER, "teach/health?q=namespaces"
    )  # the whole names places of the machine that took it


PALETTE = """async (png) => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, image.width, image.height);
    const colours = new Uint32Array(data.length / 4).map((_, n) => data[4 * n] << 16 | data[4 * n + 1] << 8 | data[4 * n + 2]);
    const often = new Map();
    for (const colour of colours) often.set(colour, (often.get(colour) ?? 0) + 1);
    const palette = [...often].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([colour]) => colour);
    const nearest = new Map(palette.map((colour, n) => [colour, n]));
    const far = (a, b) => ((a >> 16) - (b >> 16)) ** 2 + ((a >> 8 & 255) - (b >> 8 & 255)) ** 2 + ((a & 255) - (b & 255)) ** 2;
    for (const colour of often.keys()) if (!nearest.has(colour))
        nearest.set(colour, palette.reduce((best, other, n) => far(other, colour) < far(palette[best], colour) ? n : best, 0));
    const pixels = Array.from(colours, (colour) => String.fromCharCode(nearest.get(colour))).join("");
    return { width: image.width, height: image.height, palette, pixels: btoa(pixels) };
}"""  # noqa: E501  a script


def packed(page: Page, png: bytes) -> bytes:
    """The same picture in a third of the bytes: its 256 most frequent colours, compressed as far as zlib goes."""
    found = page.evaluate(PALETTE, base64.b64encode(png).decode())
    width, pixels = found["width"], base64.b64decode(found["pixels"])
    lines = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    head = struct.pack(">IIBBBBB", width, found["height"], 8, 3, 0, 0, 0)
    colours = b"".join(colour.to_bytes(3, "big") for colour in found["palette"])
    chunks = ((b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main(target: Path = IMAGES) -> None:
    """Take them all; two minutes."""
    expect.set_options(timeout=240_000)
    with (
        tempfile.TemporaryDirectory(prefix="mograder-tour-", dir="/var/tmp") as root,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        with running(demo_course(Path(root) / "course")) as hub:
            tour = Tour(hub, browser, target)
            work(hub)
            students(tour)
            teachers(tour)
            update(tour)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
