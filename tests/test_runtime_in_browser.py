"""``mograder.runtime`` as a student sees it: marimo's own page in Debian's Chromium, about 10 s."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.browser]

NOTEBOOK = r"""
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    from mograder.runtime import Grader, hint

    grader = Grader({"Q1": 10, "Q2": 5, "Q3": 5, "Q4": 2.5})
    q1 = grader.check("Q1: waiting", [])
    q2 = grader.check("Q2: done", [(True, "the area is $x^2 < \\frac{1}{2}$")])
    q3 = grader.check("Q3: partly", [(True, "the **shape**"), (False, f"`{'long' * 60}` {'wide' * 60}", 2)])
    q4 = grader.check(
        "Q4: <script>hacked = 1</script>",
        [
            (False, "<img src=x onerror='hacked = 1'><a href='javascript:hacked = 1'>a</a>"),
            (False, r"$\href{javascript:hacked=1}{x} \htmlId{i}{y} <b>$ `<i>` **<u>** *<s>*"),
        ],
    )
    mo.vstack([q1, q2, q3, q4, grader.scores(), hint("Look *here*.", "Then **there**.")])
    return


if __name__ == "__main__":
    app.run()
"""

# The contrast (WCAG 2) of every piece of text in the boxes, whatever form the colours have.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
  };
  const light = (rgb) => rgb.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const found = [];
    for (let e = element; e; e = e.parentElement) found.unshift(getComputedStyle(e).backgroundColor);
    return ["white", ...found];
  };
  return [...document.querySelectorAll("[data-mograder-check] *")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && e.offsetParent)
    .filter((e) => !e.closest(".katex"))
    .map((e) => {
      const back = behind(e);
      const [a, b] = [light(over(back)), light(over([...back, getComputedStyle(e).color]))];
      return [e.textContent.slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where marimo shows the notebook."""
    directory = tmp_path_factory.mktemp("shown")
    (directory / "nb.py").write_text(NOTEBOOK)
    (directory / "marimo").mkdir()
    (directory / "marimo" / "marimo.toml").write_text('[display]\ntheme = "system"\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(directory / "nb.py"), "--headless", "--no-token"]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "XDG_CONFIG_HOME": str(directory)},
            stdout=log,
            stderr=log,
        )
    try:
        assert eventually(lambda: _answers(port), 30), (directory / "log").read_text()
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["light", "dark"])
def shown(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Page]:
    """The notebook's page, in each of marimo's themes, as wide as a phone."""
    page = chromium.new_page(viewport={"width": 375, "height": 800}, color_scheme=request.param)
    page.set_default_timeout(240_000)
    page.goto(address)
    expect(page.locator("[data-mograder-check]")).to_have_count(4, timeout=240_000)
    yield page
    page.close()


def test_a_student_sees_what_is_meant(shown: Page) -> None:
    # Text that is hard to read, in this theme.
    found = shown.evaluate(CONTRASTS)
    assert len(found) >= 15
    assert [(text, round(contrast, 2)) for text, contrast in found if contrast < 4.5] == []

    # Maths is set, also in a box that is folded at first.
    shown.get_by_text("What was tested").click()
    expect(shown.locator('[data-mograder-check="success"] .katex').first).to_be_visible()

    # Nothing that came in a message became an element.
    boxes = shown.locator("[data-mograder-check]")
    expect(boxes.locator("script, img, a, b, i, u, s, #i")).to_have_count(0)
    expect(boxes.nth(3)).to_contain_text("<script>hacked = 1</script>")
    assert shown.evaluate("typeof hacked") == "undefined"

    # Nothing is wider than the phone.
    assert boxes.evaluate_all("boxes => boxes.filter(b => b.scrollWidth > b.clientWidth).length") == 0
    assert shown.evaluate("document.documentElement.scrollWidth") <= 375

    # One hint at a time.
    expect(shown.get_by_text("Hint 2 of 2")).to_be_hidden()
    shown.get_by_text("Hint 1 of 2").click()
    expect(shown.get_by_text("Look here.")).to_be_visible()
    expect(shown.get_by_text("Then there.")).to_be_hidden()
    shown.get_by_text("Hint 2 of 2").click()
    expect(shown.get_by_text("Then there.")).to_be_visible()
