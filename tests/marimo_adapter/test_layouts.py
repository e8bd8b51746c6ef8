"""Texts that are laid out once while a figure is drawn, and figures that are the same to the pixel."""

from __future__ import annotations

import pytest

from tests.marimo_adapter.test_rehearsal import PICTURES, drawn

pytestmark = pytest.mark.real

_BEGIN = """
import io
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import text
from mograder.marimo_adapter import layouts
def pixels(figure, dpi=100):
    file = io.BytesIO()
    figure.savefig(file, format="rgba", dpi=dpi, bbox_inches="tight")
    return file.getvalue()
"""

#: A figure for each thing on which the place of a text hangs.
_FIGURES = """
def plain(figure):
    axes = figure.subplots()
    for place in ("5 cm", "10 cm"):
        axes.plot([1, 20, 3], "o", label=place)
    axes.set(xlabel="time (minutes)", ylabel="temperature (°C)", title="A title")
    axes.legend(title="from the hot end")
def many(figure):
    for number, axes in enumerate(figure.subplots(2, 3, sharex=True).flat):
        axes.plot(np.arange(5.0) * 10**number)
        axes.set_title(f"number {number}", loc="left" if number % 2 else "right")
    figure.suptitle("Same\\nwords,\\nother places")
def turned(figure):
    axes = figure.subplots()
    for number, angle in enumerate((0, 30, 90, 200, 359)):
        for mode in ("default", "anchor"):
            axes.text(number / 5, 0.5, "same", rotation=angle, rotation_mode=mode, ha="right", va="top")
    axes.plot([0, 1], [0, 1])
    axes.text(0.2, 0.2, "along", rotation=45, transform_rotates_text=True)
    axes.text(0.2, 0.4, "along", rotation=45)
    axes.tick_params(axis="x", rotation=40)
def kinds(figure):
    axes = figure.subplots()
    for number, words in enumerate((dict(size=8), dict(size=20), dict(weight="bold"), dict(style="italic"),
                                    dict(family="serif"), dict(family=["monospace", "serif"]), dict(stretch=50),
                                    dict(linespacing=2.5), dict(multialignment="right"), dict(parse_math=False),
                                    dict(math_fontfamily="stix"), dict(bbox=dict(boxstyle="round")))):
        axes.text(0.1, number / 12, "same $x_0^2$\\nand longer", **words)
        axes.text(0.5, number / 12, "same $x_0^2$\\nand longer", va="center", ha="center", **words)
def wrapped(figure):
    axes = figure.subplots()
    words = "a long text that does not fit into its line " * 3
    axes.text(0.1, 0.9, words, wrap=True)
    axes.text(0.6, 0.5, words, wrap=True)
    figure.text(0.5, 0.02, words, wrap=True)
def arrows(figure):
    axes = figure.subplots()
    axes.annotate("same", (0.1, 0.1), (0.8, 0.8), arrowprops=dict(arrowstyle="->"))
    axes.annotate("same", (0.9, 0.1), xytext=(-30, 30), textcoords="offset points")
    axes.table([["same", "other"], ["1", "2"]], loc="bottom")
def pictures(figure):
    axes = figure.subplots()
    made = axes.imshow(np.arange(9.0).reshape(3, 3))
    figure.colorbar(made, label="same")
    axes.set_xlabel("same")
def polar(figure):
    axes = figure.add_subplot(projection="polar")
    axes.plot([0, 1, 2], [1, 2, 3])
    axes.set_title("same")
def deep(figure):
    axes = figure.add_subplot(projection="3d")
    axes.plot([0, 1], [0, 1], [0, 1])
    axes.set(xlabel="same", ylabel="same", zlabel="same")
def parts(figure):
    left, right = figure.subfigures(1, 2)
    left.subplots().set_title("same")
    right.subplots().set_title("same")
    right.suptitle("same", size=20)
def twins(figure):
    axes = figure.subplots()
    axes.semilogy([1, 1000])
    axes.twinx().plot([5, 6])
    axes.secondary_xaxis("top").set_xlabel("same")
    axes.xaxis.set_major_formatter(lambda value, place: f"{value:.1f}\\n{place}")
def haloed(figure):
    from matplotlib import patheffects
    axes = figure.subplots()
    axes.text(0.5, 0.5, "same", path_effects=[patheffects.withStroke(linewidth=4, foreground="red")])
    axes.text(0.2, 0.5, "same")
drawings = [plain, many, turned, kinds, wrapped, arrows, pictures, polar, deep, parts, twins, haloed]
def made(draw, **named):
    figure = plt.figure(**named)
    draw(figure)
    return figure
"""


def test_figures_are_the_same_to_the_pixel() -> None:
    code = """
cases = [(draw, {}) for draw in drawings] + [(draw, {"layout": "constrained"}) for draw in (plain, many, pictures)]
cases += [(plain, {"figsize": (3, 2)}), (many, {"layout": "tight"}), (plain, {"dpi": 60})]
before = [pixels(made(draw, **named)) for draw, named in cases]
print(layouts.prepare(), layouts.prepare())
for (draw, named), expected in zip(cases, before):
    figure = made(draw, **named)
    with layouts.kept():
        found = pixels(figure)
    # Once more, as a page does that asks again; then without, as the notebook's own savefig.
    with layouts.kept():
        again = pixels(figure)
    print(found == expected, again == pixels(figure), draw.__name__)
"""
    names = "plain many turned kinds wrapped arrows pictures polar deep parts twins haloed"
    names += " plain many pictures plain many plain"
    assert drawn(_BEGIN + _FIGURES + code) == [
        "True True",
        *[f"True True {name}" for name in names.split()],
    ]


def test_a_figure_that_is_measured_without_pixels_is_the_same_picture() -> None:
    code = """
def filtered(figure):
    axes = figure.subplots()
    lines = axes.plot([1, 3, 2]) + axes.plot([3, 1, 2], alpha=0.5)
    for line in lines:
        line.set_agg_filter(lambda image, dpi: (image[..., [2, 1, 0, 3]], 5, -5))
    axes.set_title("filtered")
def asking(figure):
    axes = figure.subplots()
    words = axes.text(0.2, 0.2, "how wide am I?")
    box = words.get_window_extent()
    axes.set_title(f"{box.width:.3f} {figure.canvas.get_renderer().width}")
    axes.annotate("here", (0.5, 0.5), (0.7, 0.7), arrowprops=dict(arrowstyle="->"))
layouts.prepare()
sizes = []
agg = sys.modules["matplotlib.backends.backend_agg"]
class Counted(agg._RendererAgg):
    def __init__(self, width, height, dpi):
        sizes.append((width, height))
        super().__init__(width, height, dpi)
agg._RendererAgg = Counted
for draw in (*drawings, filtered, asking):
    each = made(draw)
    told, dpi, _ = picture(mpl._render_figure_mimebundle.original, each)
    sizes.clear()
    ours, our_dpi, _ = picture(mpl._render_figure_mimebundle, each)
    again, _, _ = picture(mpl._render_figure_mimebundle, each)
    left = "get_renderer" in vars(each.canvas)
    print(told == ours == again, dpi == our_dpi, sizes.count((1, 1)), left, draw.__name__)
each = made(plain)
each.savefig(io.BytesIO(), bbox_inches="tight")
print(type(each.canvas.renderer).__name__)
"""
    names = "plain many turned kinds wrapped arrows pictures polar deep parts twins haloed filtered asking"
    lines = drawn(PICTURES + _BEGIN + _FIGURES + code)[-15:]
    assert lines == [*[f"True True 2 False {name}" for name in names.split()], "RendererAgg"]


def test_a_text_is_laid_out_once_for_each_figure() -> None:
    code = """
counted = []
layout = text.Text._get_layout
def counting(self, renderer):
    counted.append(self.get_text())
    return layout(self, renderer)
def laid_out():
    counted.clear()
    figure = made(plain)
    pixels(figure)
    return len(counted), len(set(counted))
text.Text._get_layout = counting
before, _ = laid_out()
text.Text._get_layout = layout
print(layouts.prepare())
for cell in text.Text._get_layout.__closure__:
    if cell.cell_contents is layout:
        cell.cell_contents = counting
outside, _ = laid_out()
with layouts.kept():
    inside, different = laid_out()
print(outside == before, inside <= 2 * different, 2 * inside < before)
"""
    assert drawn(_BEGIN + _FIGURES + code) == ["True", "True True True"]


def test_a_setting_that_changes_between_figures_counts() -> None:
    code = """
def shown(size):
    plt.rcParams["font.size"] = size
    return pixels(made(plain))
before = [shown(size) for size in (8, 16)]
layouts.prepare()
after = []
for size in (8, 16):
    with layouts.kept():
        after.append(shown(size))
print(after == before, before[0] != before[1])
"""
    assert drawn(_BEGIN + _FIGURES + code) == ["True True"]


def test_texts_of_a_notebooks_own_kind_lay_themselves_out() -> None:
    code = """
class Growing(text.Text):
    size = 5
    def _get_wrapped_text(self):
        Growing.size += 1
        return "x" * Growing.size
layouts.prepare()
figure = made(plain)
figure.add_artist(Growing(0.5, 0.5, "x"))
with layouts.kept():
    pixels(figure)
print(Growing.size > 7)
"""
    assert drawn(_BEGIN + _FIGURES + code) == ["True"]


def test_a_matplotlib_that_lays_out_by_more_is_left_alone() -> None:
    code = """
layout = text.Text._get_layout
def _get_layout(self, renderer):
    return layout(self, renderer) if self._mood else None
text.Text._get_layout = _get_layout
import inspect
inspect_source = inspect.getsource
known = "def f(self, renderer): return self._mood"
inspect.getsource = lambda thing: known if thing is _get_layout else inspect_source(thing)
print(layouts.prepare(), text.Text._get_layout is _get_layout)
"""
    assert drawn(_BEGIN + code) == ["False True"]


def test_threads_do_not_share_what_they_keep() -> None:
    code = """
import threading
layouts.prepare()
seen = []
with layouts.kept():
    thread = threading.Thread(target=lambda: seen.append(getattr(layouts._drawing, "kept", None)))
    thread.start(); thread.join()
    with layouts.kept():
        inner = layouts._drawing.kept
    print(seen, layouts._drawing.kept is not inner)
print(layouts._drawing.kept)
"""
    assert drawn(_BEGIN + code) == ["[None] True", "None"]
