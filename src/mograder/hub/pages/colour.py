"""An accent colour that can be read wherever the pages put it: WCAG 2 contrast, worked out. Pure."""

from __future__ import annotations

import re

READABLE = 4.5
"""The contrast that WCAG 2.2 (1.4.3) asks of text."""

Colour = tuple[int, int, int]

_PAPER = {"light": ((247, 247, 244), (255, 255, 255)), "dark": ((19, 24, 22), (27, 34, 31))}
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def parse(text: str) -> Colour | None:
    """``#rgb`` or ``#rrggbb``; None for anything else."""
    if re.fullmatch(r"#[0-9a-fA-F]{3}", text):
        text = "#" + "".join(digit * 2 for digit in text[1:])
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return None
    return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))


def hexadecimal(colour: Colour) -> str:
    """As CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def contrast(one: Colour, other: Colour) -> float:
    """Between 1 and 21."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """``share`` of ``other`` (0 to 1) in ``one``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def accent(colour: Colour, scheme: str) -> dict[str, str]:
    """The pages' variables for an accent: as near to ``colour`` as can be read in ``scheme`` (light or dark)."""
    papers = _PAPER[scheme]
    towards = _BLACK if scheme == "light" else _WHITE
    tint = mixed(papers[0], colour, 0.12)
    found = next(
        candidate
        for step in range(101)
        if all(
            contrast(candidate := mixed(colour, towards, step / 100), paper) >= READABLE
            for paper in (*papers, tint)
        )
    )
    on = max(_BLACK, _WHITE, key=lambda text: contrast(text, found))
    return {"--accent": hexadecimal(found), "--on-accent": hexadecimal(on), "--tint": hexadecimal(tint)}


def _luminance(colour: Colour) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = map(linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
