"""What a warm process does once so that its sessions need not, by every supported version of marimo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mograder.marimo_adapter import options
from tests.marimo_adapter.conftest import NOTEBOOKS
from tests.support import imported
from tests.support.marimo_environments import NEWEST, packages, python_with_marimo

pytestmark = pytest.mark.real

_BEGIN = """
import sys
from pathlib import Path
from mograder.marimo_adapter import preload, rehearsal
"""


def said(python: Path, code: str, **environment: str) -> list[str]:
    """What ``code`` prints, line by line."""
    return imported.run(python, _BEGIN + code, str(NOTEBOOKS / "plain.py"), env={**os.environ, **environment})


def drawn(code: str) -> list[str]:
    """As ``said``, of the newest marimo beside matplotlib."""
    python = python_with_marimo(NEWEST)
    return imported.run(
        python,
        _BEGIN + code,
        str(NOTEBOOKS / "plain.py"),
        env={**os.environ, **options.PROCESS_SETTINGS},
        path=str(packages("matplotlib", python)),
    )


def test_all_of_it_can_be_done_without_a_thread(python: Path) -> None:
    assert said(python, "print(rehearsal.rehearse(Path(sys.argv[1])), preload.threads())") == ["[] 1"]


def test_it_can_be_done_without_a_notebook(python: Path) -> None:
    assert said(python, "print(rehearsal.rehearse(None))") == ["[]"]


def test_what_can_not_be_done_is_told_and_the_rest_done(python: Path) -> None:
    code = "missed = rehearsal.rehearse(Path('/nowhere.py'))\nprint(len(missed), '/nowhere.py' in missed[0])"
    assert said(python, code) == ["1 True"]


def test_no_session_reads_the_files_of_a_package_for_its_version(newest: Path) -> None:
    code = "from marimo._utils import versions\nrehearsal.rehearse(None)\nversions.Distribution = None\n"
    code += "print(versions.is_editable('marimo'), versions.is_editable.cache_info().hits)"
    assert said(newest, code) == ["False 1"]


def test_a_text_is_taken_apart_once(python: Path) -> None:
    code = """
from marimo._ast import parse
rehearsal.remember()
text = "    x = 1\\n    y = 2"
print(parse.fixed_dedent(text) == "x = 1\\ny = 2", parse.fixed_dedent(text) is parse.fixed_dedent(text))
"""
    assert said(python, code) == ["True True"]


def test_drawing_leaves_no_figure_behind_and_no_setting_but_a_notebooks_backend() -> None:
    code = """
import matplotlib.pyplot as plt
import matplotlib.backends.backend_agg
from matplotlib import font_manager
before = {**plt.rcParams, "backend": "module://marimo._output.mpl", "backend_fallback": False}
print(rehearsal.rehearse(None), plt.get_fignums(), dict(plt.rcParams) == before, preload.threads())
print(font_manager._get_font.cache_info().currsize > 0)
"""
    assert drawn(code) == ["[] [] True 1", "True"]


PICTURES = """
import base64, io, json
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from marimo._output import mpl
from mograder.marimo_adapter import figures
print(figures.prepare(), figures.prepare())
def figure(draw, **size):
    made, axes = plt.subplots(**size)
    draw(axes)
    return made
made = [
    figure(lambda axes: axes.plot([1, 2, 3])),
    figure(lambda axes: axes.imshow(np.random.default_rng(1).normal(size=(30, 30)))),
    figure(lambda axes: axes.axis("off"), figsize=(0.02, 0.02)),
    figure(lambda axes: axes.set_title("α, β, 漢"), facecolor="none", layout="constrained"),
]
def picture(render, figure):
    mimetype, bundle = render(figure.canvas)
    told = json.loads(bundle)
    png = base64.b64decode(told.pop("image/png").partition(",")[2])
    opened = Image.open(io.BytesIO(png))
    opened.load()
    return (mimetype, told, opened.mode, opened.size, opened.tobytes()), opened.info["dpi"], png
for each in made:
    told, dpi, png = picture(mpl._render_figure_mimebundle.original, each)
    ours, our_dpi, other = picture(mpl._render_figure_mimebundle, each)
    print(told == ours, dpi == our_dpi, png != other, len(other) < 2.5 * len(png) + 500)
"""


def test_a_figure_is_the_picture_that_marimo_makes_of_it() -> None:
    assert drawn(PICTURES) == ["True True", *["True True True True"] * 4]


def test_a_figure_on_another_canvas_is_packed_as_ever() -> None:
    code = """
from matplotlib.backends.backend_svg import FigureCanvasSVG
FigureCanvasSVG(made[0])
told, _, png = picture(mpl._render_figure_mimebundle.original, made[0])
ours, _, other = picture(mpl._render_figure_mimebundle, made[0])
print(told == ours, png == other)
"""
    assert drawn(PICTURES + code)[-1] == "True True"


def test_a_matplotlib_that_hands_figures_over_in_another_way_packs_them_itself() -> None:
    code = """
import io
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from marimo._output import mpl
from mograder.marimo_adapter import figures
FigureCanvasAgg.print_rgba = lambda self, file, **_: file.write(b"no pixels")
print(figures.prepare(), hasattr(mpl._render_figure_mimebundle, "original"))
"""
    assert drawn(code) == ["False False"]


def test_every_marimo_makes_its_figures_in_the_way_that_is_known(python: Path) -> None:
    code = """
import ast, importlib.util
text = Path(importlib.util.find_spec("marimo._output.mpl").origin).read_text()
found = next(node for node in ast.parse(text).body if getattr(node, "name", "") == "_render_figure_mimebundle")
calls = [node for node in ast.walk(found) if isinstance(node, ast.Call)]
saved = [call for call in calls if ast.unparse(call).startswith("fig.figure.savefig(") and "'png'" in ast.unparse(call)]
named = sorted(keyword.arg for keyword in saved[0].keywords)
print([argument.arg for argument in found.args.args], len(saved), len(saved[0].args), named)
"""
    assert said(python, code) == ["['fig'] 1 1 ['bbox_inches', 'dpi', 'format']"]


def test_plugins_are_looked_for_once(python: Path) -> None:
    code = """
print(rehearsal.rehearse(None))
import importlib.metadata
def asked(*_, **__):
    raise AssertionError("again")
importlib.metadata.entry_points = asked
try:
    from marimo._entrypoints import ids, registry
    registry.entry_points = asked
    print([list(registry.get_entry_points(group)) for group in ids.KnownEntryPoint.__args__].count([]) > 0)
except ImportError:
    print(True)  # this marimo has none
"""
    assert said(python, code) == ["[]", "True"]
