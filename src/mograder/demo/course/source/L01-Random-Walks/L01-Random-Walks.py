# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "marimo",
#     "matplotlib",
#     "numpy",
# ]
# mograder-type = "lecture"
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="L01 · Why does heat spread?")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # L01 · Why does heat spread?

    Nothing *pushes* heat along a metal rod. Atoms jostle their neighbours, at random, and no atom knows where it is
    cold. And yet heat always finds its way out. This lecture shows why, with nothing but coins, and ends with the
    equation that you will solve in the first assignment.

    ## 1 · A crowd that tosses coins

    A crowd leaves a pub. Everyone tosses a coin: heads, one step to the right; tails, one to the left. Then again. Where
    are they after $n$ tosses?
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    tosses = mo.ui.slider(1, 400, 1, value=40, label="tosses $n$", show_value=True, full_width=True)
    crowd = mo.ui.slider(50, 5000, 50, value=1000, label="people", show_value=True, full_width=True)
    again = mo.ui.button(value=0, on_click=lambda count: count + 1, label="Another evening")
    mo.vstack([tosses, crowd, again])
    return again, crowd, tosses


@app.cell(hide_code=True)
def _(again, crowd, mo, np, plt, tosses):
    _n = tosses.value
    _places = 2 * np.random.default_rng(again.value).binomial(_n, 0.5, crowd.value) - _n
    _spread = np.sqrt(np.mean(_places**2))

    _figure, _axes = plt.subplots()
    _axes.hist(_places, bins=np.arange(-61, 63, 2), density=True, color="#3b8ed0", alpha=0.55, label="the crowd")
    _x = np.linspace(-60, 60, 301)
    _axes.plot(_x, np.exp(-(_x**2) / (2 * _n)) / np.sqrt(2 * np.pi * _n), color="#e07b39", label="bell curve")
    _axes.set(xlabel="steps from the pub", ylabel="share of the crowd per step", xlim=(-60, 60))
    _axes.legend()
    mo.vstack([
        _figure,
        mo.md(
            rf"*After **{_n}** tosses the typical distance is **{_spread:.1f}** steps; "
            rf"$\sqrt{{n}}$ would be {np.sqrt(_n):.1f}. The average place is {_places.mean():+.1f}: nobody pushed.*"
        ),
    ])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Chance, repeated, becomes a law: the crowd spreads like $\sqrt{n}$. **To get twice as far takes four times as
    long.** Set $n$ to 25, then to 100, and read the typical distance.

    ## 2 · From coins to an equation

    Now let everyone be lazier: with probability $r$ step left, with probability $r$ step right, else stay. Who stands at
    place $i$ after the next toss? Those who stayed, and those who came from the two neighbours:

    $$u_i^{n+1} = r\,u_{i-1}^n + (1 - 2r)\,u_i^n + r\,u_{i+1}^n .$$

    Write this as a change, $u_i^{n+1} - u_i^n = r\,(u_{i+1}^n - 2u_i^n + u_{i-1}^n)$, and divide by the time step: on
    the left a derivative in time, on the right a second derivative in space. With $r = \alpha\,\Delta t/\Delta x^2$ this
    *is* the heat equation, $\partial_t u = \alpha\,\partial_{xx} u$. Heat spreads because a crowd does.

    One thing looks odd. What if we choose $r > \tfrac12$? Then somebody **stays with a negative probability**.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    chance = mo.ui.slider(0.05, 0.6, 0.01, value=0.3, label="$r$", show_value=True, full_width=True)
    moves = mo.ui.slider(0, 60, 1, value=12, label="steps", show_value=True, full_width=True)
    mo.vstack([chance, moves])
    return chance, moves


@app.cell(hide_code=True)
def _(chance, mo, moves, np, plt):
    _r = chance.value
    _u = np.zeros(61)
    _u[30] = 100.0
    for _ in range(moves.value):
        _u[1:-1] += _r * (_u[2:] - 2 * _u[1:-1] + _u[:-2])
    _figure, _axes = plt.subplots()
    _axes.bar(np.arange(-30, 31), _u, width=0.9, color=np.where(_u < 0, "#d9544d", "#2f9e63"))
    _axes.set(xlabel="place", ylabel="people, in per cent")
    mo.vstack([
        _figure,
        mo.md(
            rf"*To the left {_r:.2f}, to the right {_r:.2f}, stay {1 - 2 * _r:.2f}.* "
            + ("**A negative chance to stay:** sooner or later a negative crowd." if _r > 0.5 else "*All is well.*")
        ),
    ])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · How long does it take?

    Heat needs about $L^2/\alpha$ to cross a thickness $L$. It is worth having this in your fingers: it tells how long
    to boil an egg, and it told Lord Kelvin (wrongly, but for interesting reasons) how old the Earth is.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    stuff = mo.ui.dropdown(
        {"copper": 117e-6, "brass": 34e-6, "stainless steel": 4e-6, "rock": 1.2e-6, "egg or potato": 0.14e-6},
        value="egg or potato",
        label="made of",
    )
    size = mo.ui.slider(
        steps=[0.001, 0.005, 0.02, 0.05, 0.3, 1, 10, 1000, 6.37e6], value=0.02, label="thickness (m)",
        show_value=True, full_width=True,
    )
    mo.vstack([stuff, size])
    return size, stuff


@app.cell(hide_code=True)
def _(mo, size, stuff):
    _seconds = size.value**2 / stuff.value
    _unit, _length = "seconds", 1
    for _name, _each in (("minutes", 60), ("hours", 3600), ("days", 86400), ("years", 31557600)):
        if _seconds >= 2 * _each:
            _unit, _length = _name, _each
    _count = float(f"{_seconds / _length:.2g}")
    mo.callout(
        mo.md(
            rf"**About {_count:,.0f} {_unit}**" if _count >= 2 else rf"**About {_count:.2g} {_unit}**"
        ).style(font_size="1.2rem"),
        kind="info",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What to take home

    - Diffusion is what random steps look like from afar; distance grows like $\sqrt{t}$.
    - $u_i^{n+1}$ is a weighted mean of three neighbours. It behaves as long as **no weight is negative**: $r \le \tfrac12$.
    - Times scale with $L^2/\alpha$, so measuring a time tells you $\alpha$, and $\alpha$ tells you the metal.

    Now put it to use: in [A1 · The rod without a label](../A1-Heat-Equation/A1-Heat-Equation.py) you find out what a
    rod is made of without touching it.
    """)
    return


@app.cell(hide_code=True)
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np

    # Figures without a background of their own look right on a light page and on a dark one.
    plt.rcParams.update({
        "figure.facecolor": "none", "axes.facecolor": "none", "figure.figsize": (7, 3.4),
        "text.color": "#808080", "axes.labelcolor": "#808080", "axes.edgecolor": "#808080",
        "xtick.color": "#808080", "ytick.color": "#808080", "grid.color": "#80808040", "axes.grid": True,
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "lines.linewidth": 2,
    })
    return mo, np, plt


if __name__ == "__main__":
    app.run()
