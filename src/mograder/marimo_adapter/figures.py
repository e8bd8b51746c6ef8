"""Figures of matplotlib as marimo shows them, packed in a quarter of the time: the same picture, some bytes larger.

marimo draws a figure at twice its size and leaves the packing to Pillow, which tries all filters of the PNG format on
every row and packs thoroughly: a tenth of the time of a notebook with one figure, and of each move of a slider above
one. Rows of a figure are mostly like the row above, so that one filter suits most of them.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from mograder.marimo_adapter import layouts

#: zlib's level. The next one takes twice the time, and saves 20 kB of a figure of 60 to 80: 8 ms at 20 Mbit/s.
_LEVEL = 3

#: Rows that are filtered at a time: what an allocator has once given for a whole figure stays with the process.
_BAND = 32

_MODULE, _RENDER = "marimo._output.mpl", "_render_figure_mimebundle"
_SAVED = {"format", "dpi", "bbox_inches"}  # what it says of the file

_INCH = 0.0254  # metres


def prepare() -> bool:
    """Have marimo pack its figures so; False: it has no figures here, or makes them in another way.

    What a notebook saves by itself is packed as it says.
    """
    if "matplotlib.backends.backend_agg" not in sys.modules:
        return False
    module = importlib.import_module(_MODULE)
    original = getattr(module, _RENDER, None)
    if original is None or tuple(inspect.signature(original).parameters) != ("fig",) or not _packs():
        return False
    if not hasattr(original, "original"):

        def render(fig: Any) -> Any:
            return original(_Canvas(fig))

        render.original = original  # type: ignore[attr-defined]
        setattr(module, _RENDER, render)
    return True


def _packs() -> bool:
    """Whether matplotlib hands a figure over in the way that is known here, as tried on a small one."""
    figure: Any = sys.modules["matplotlib.figure"].Figure(figsize=(0.1, 0.1))
    sys.modules["matplotlib.backends.backend_agg"].FigureCanvasAgg(figure)
    file = io.BytesIO()
    try:
        _Figure(figure).savefig(io.BytesIO(), format="png", dpi=20, bbox_inches="tight")
        _Figure(figure).savefig(file, format="png", dpi=20, bbox_inches=None)
    except (AttributeError, TypeError, ValueError, KeyError, RuntimeError):
        return False
    return struct.pack(">II", 2, 2) in file.getvalue()


def png(pixels: memoryview, dpi: float) -> bytes:
    """Pack ``pixels``, shape (height, width, 4) of bytes: red, green, blue, alpha. ``dpi`` is said in the file.

    PNG specification (ISO/IEC 15948), sections 5, 9 and 11.
    """
    numpy: Any = sys.modules["numpy"]
    array: Any = numpy.asarray(pixels)
    height, width = array.shape[:2]
    rows = array.reshape(height, width * 4)
    packer = zlib.compressobj(_LEVEL)
    packed = []
    for top in range(0, height, _BAND):
        band = rows[top : top + _BAND]
        filtered = numpy.empty((len(band), width * 4 + 1), numpy.uint8)
        filtered[:, 0] = 2  # "Up": each byte less the one above it
        filtered[0, 1:] = band[0] - rows[top - 1] if top else band[0]
        numpy.subtract(band[1:], band[:-1], out=filtered[1:, 1:])
        packed.append(packer.compress(filtered))
    packed.append(packer.flush())
    dots = round(dpi / _INCH)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)),
            _chunk(b"pHYs", struct.pack(">IIB", dots, dots, 1)),
            _chunk(b"IDAT", b"".join(packed)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


class _Canvas:
    """A canvas for marimo alone."""

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self.figure = _Figure(canvas.figure)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._canvas, name)


class _Figure:
    """Its figure, which is saved in our way."""

    def __init__(self, figure: Any) -> None:
        self._figure = figure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._figure, name)

    def savefig(self, file: Any, **named: Any) -> None:
        known = named.keys() == _SAVED and named["format"] == "png"
        # Other canvases hand pixels over in ways of their own, if at all.
        agg: Any = sys.modules["matplotlib.backends.backend_agg"].FigureCanvasAgg
        if known and isinstance(self._figure.canvas, agg):
            with layouts.kept(), _measured(self._figure.canvas, named["bbox_inches"]):
                self._figure.savefig(_Packing(file, named["dpi"]), **named | {"format": "rgba"})
        else:
            self._figure.savefig(file, **named)


@contextlib.contextmanager
def _measured(canvas: Any, bounds: Any) -> Iterator[None]:
    """To find the bounds of a "tight" figure it is drawn without a trace: for that it needs no pixels, 4 MB of them."""
    usual = canvas.get_renderer
    if bounds != "tight" or not _is_known(getattr(usual, "__func__", None)):
        yield
        return

    def first() -> Any:
        canvas.get_renderer = usual
        canvas._lastKey = None  # else it would take this one again for a picture of the size of its last
        width, height = canvas.get_width_height(physical=True)
        return _without_pixels()(width, height, canvas.figure.dpi)

    canvas.get_renderer = first
    try:
        yield
    finally:
        vars(canvas).pop("get_renderer", None)


@functools.cache
def _is_known(get_renderer: Any) -> bool:
    """Whether it is matplotlib's own, and takes the size from where we do."""
    own = sys.modules["matplotlib.backends.backend_agg"].FigureCanvasAgg.get_renderer
    return get_renderer is own and "self.get_width_height(physical=True)" in inspect.getsource(own)


@functools.cache
def _without_pixels() -> Any:
    renderer: Any = sys.modules["matplotlib.backends.backend_agg"].RendererAgg
    box: Any = sys.modules["matplotlib.transforms"].Bbox

    class Renderer(renderer):  # type: ignore[misc]
        measures_as = renderer

        def __init__(self, width: float, height: float, dpi: float) -> None:
            super().__init__(1, 1, dpi)
            self.width, self.height = width, height
            self.bbox = box.from_bounds(0, 0, width, height)

    return Renderer


class _Packing(io.RawIOBase):
    """A file for matplotlib's "rgba", which is written at once; what gets to ``file`` is a PNG."""

    def __init__(self, file: Any, dpi: float) -> None:
        self._file, self._dpi = file, dpi

    def write(self, pixels: Any) -> int:
        self._file.write(png(pixels, self._dpi))
        return int(pixels.nbytes)
