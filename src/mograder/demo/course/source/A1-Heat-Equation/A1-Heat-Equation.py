# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "marimo",
#     "matplotlib",
#     "numpy",
# ]
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="A1 · The rod without a label")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # A1 · The rod without a label

    Someone tidied the workshop, and now there is a metal rod on the bench that has lost its label.
    It may be cheap steel or it may be silver. Nobody may scratch it, weigh it or cut it.

    So we warmed it up. The sides are wrapped in insulation. At $t = 0$ the left end was clamped to a steam
    chest at 100 °C; the right end stays in a water bath at 20 °C. Three thermocouples, 5, 10 and 15 cm from
    the hot end, were read every 15 seconds for ten minutes.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.Html((mo.notebook_dir() / "rod.svg").read_text(encoding="utf-8"))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Heat spreads along the rod as the **heat equation** says,

    $$\frac{\partial u}{\partial t} = \alpha\,\frac{\partial^2 u}{\partial x^2},$$

    where the ends are held, $u(0,t) = 100$ and $u(L,t) = 20$, and all the rest starts at $u(x,0) = 20$. The number
    $\alpha$ is called the **diffusivity**, and every metal has its own. You will write a solver, let it race against
    the thermocouples, and name the metal.

    *Edit the cells that say `YOUR CODE HERE`, as often as you like. A box below each question tells you how you
    are doing.*
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The measurements

    `rod.csv` has one line per reading: the time in seconds, then the three temperatures in °C. The
    thermocouples are good to about half a degree.
    """)
    return


@app.cell
def _(mo, np):
    _table = np.loadtxt(mo.notebook_dir() / "rod.csv", delimiter=",", skiprows=1)
    times = _table[:, 0]  # s, shape (41,)
    measured = _table[:, 1:]  # °C, shape (41, 3): one column per thermocouple

    length = 0.30  # m
    hot, cold = 100.0, 20.0  # °C
    x = np.linspace(0, length, 31)  # m: the grid, a node every centimetre
    dx = x[1] - x[0]
    sensors = [5, 10, 15]  # the nodes where the thermocouples sit
    return cold, dx, hot, length, measured, sensors, times, x


@app.cell(hide_code=True)
def _(measured, mo, plt, times):
    _figure, _axes = plt.subplots()
    for _column, _place, _colour in zip(measured.T, ("5 cm", "10 cm", "15 cm"), ("#d9544d", "#9b6bd1", "#3b8ed0")):
        _axes.plot(times / 60, _column, "o", markersize=4, color=_colour, label=_place)
    _axes.set(xlabel="time (minutes)", ylabel="temperature (°C)")
    _axes.legend(title="from the hot end")
    mo.vstack([
        _figure,
        mo.md("*What the thermocouples saw. The further from the steam, the later the rod finds out.*"),
    ])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 1 · One step in time  *(20 marks)*

    Write $u_i^n$ for the temperature of node $i$ after $n$ time steps of length $\Delta t$. A forward difference in
    time and a central one in space turn the heat equation into a recipe,

    $$u_i^{n+1} = u_i^n + r\,\bigl(u_{i+1}^n - 2u_i^n + u_{i-1}^n\bigr)$$

    with the number $r = \alpha\,\Delta t / \Delta x^2$.

    Complete `step(u, r)`: it takes the temperatures of all nodes and **returns a new array** with those one step
    later. The two end nodes are held by the steam and the water, so they keep their values.
    """)
    return


@app.cell
def _(np):
    def step(u, r):
        """Temperatures one time step later; `u` itself is not changed."""
        ### BEGIN SOLUTION
        after = np.array(u, dtype=float)
        after[1:-1] += r * (u[2:] - 2 * u[1:-1] + u[:-2])
        return after
        ### END SOLUTION

    return (step,)


@app.cell(hide_code=True)
def _(hint):
    hint(
        "`u[1:-1]` is the array without its two ends. Which slice gives the right-hand neighbours of those nodes?",
        "The right-hand neighbours are `u[2:]`, the left-hand ones `u[:-2]`. The three slices have the same length, "
        "so no loop is needed.",
        "Start from a copy, `after = u.copy()`, and change only `after[1:-1]`. Don't forget to `return` it.",
    )
    return


@app.cell(hide_code=True)
def _(grader, np, step):
    def _tests():
        _spike = np.array([0.0, 0.0, 8.0, 0.0, 0.0])
        _after = step(_spike, 0.25)
        if _after is None:
            return
        yield np.shape(_after) == (5,), "it returns an array as long as `u`"
        yield np.array_equal(_spike, [0, 0, 8, 0, 0]), "it leaves the array it was given as it was"
        yield (
            np.allclose(_after, [0, 2, 4, 2, 0]),
            f"with r = 1/4, a spike `[0 0 8 0 0]` becomes `[0 2 4 2 0]` (yours: `{np.asarray(_after)}`)",
            2,
        )
        _ends = step(np.array([100.0, 20.0, 20.0, 20.0]), 0.5)
        yield (
            np.allclose(_ends, [100, 60, 20, 20]),
            "the hot end stays at 100 °C and starts to warm its neighbour",
            2,
        )
        _line = np.linspace(100, 20, 9)
        yield (
            np.allclose(step(_line, 0.4), _line),
            "a straight line from hot to cold stays: its second derivative is zero",
        )
        ### BEGIN HIDDEN TESTS
        _random = np.random.default_rng(1).uniform(0, 100, 40)
        _matrix = np.diag(np.full(40, 1 - 2 * 0.3)) + 0.3 * (np.eye(40, k=1) + np.eye(40, k=-1))
        _matrix[[0, -1]] = np.eye(40)[[0, -1]]
        yield np.allclose(step(_random, 0.3), _matrix @ _random), "any temperatures, not only the nice ones", 2
        ### END HIDDEN TESTS

    q1 = grader.check("Q1: one step in time", _tests())
    q1
    return (q1,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Try it: how fast can we go?

    Larger steps get there sooner. Here a rod starts at random temperatures and **your** `step` runs 40 times, so
    everything should calm down. Push $r$ to the right, slowly, past one half…
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    dial = mo.ui.slider(0.05, 0.6, 0.01, value=0.25, label="$r$", show_value=True, full_width=True)
    dial
    return (dial,)


@app.cell(hide_code=True)
def _(dial, mo, np, plt, step, x):
    mo.stop(step(np.zeros(3), 0.25) is None, mo.md("*A picture appears here as soon as `step` returns something.*"))

    _u = np.random.default_rng(3).uniform(20, 100, x.size)
    _figure, _axes = plt.subplots(figsize=(7, 3))
    _axes.plot(x * 100, _u, ":", color="#808080", linewidth=1, label="start")
    for _ in range(40):
        _u = step(_u, dial.value)
    _axes.plot(x * 100, _u, color="#d9544d" if dial.value > 0.5 else "#2f9e63", label="after 40 steps")
    _axes.set(xlabel="position (cm)", ylabel="temperature (°C)")
    if np.ptp(_u) < 120:
        _axes.set_ylim(0, 120)
    _axes.legend(loc="upper right", ncols=2)
    mo.vstack([
        _figure,
        mo.md(
            f"*At $r = {dial.value:.2f}$ the temperatures lie between {_u.min():,.0f} and {_u.max():,.0f} °C.*"
            + ("  🔥 *That is not physics.*" if np.ptp(_u) > 120 else "")
        ),
    ])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 2 · The speed limit  *(10 marks)*

    Up to $r = \tfrac12$ the errors die out; beyond it they grow with every step. Complete `largest_dt(dx, alpha)`: the
    **longest time step**, in seconds, that keeps $r \le \tfrac12$.
    """)
    return


@app.cell
def _():
    def largest_dt(dx, alpha):
        """The longest stable time step in seconds, for nodes `dx` metres apart and diffusivity `alpha` in m²/s."""
        ### BEGIN SOLUTION
        return dx**2 / (2 * alpha)
        ### END SOLUTION

    return (largest_dt,)


@app.cell(hide_code=True)
def _(grader, largest_dt, np):
    def _tests():
        if largest_dt(0.01, 1e-4) is None:
            return
        yield np.isclose(largest_dt(0.01, 1e-4), 0.5), "nodes 1 cm apart and α = 1e-4 m²/s: half a second", 2
        yield (
            np.isclose(largest_dt(0.02, 1e-4), 4 * largest_dt(0.01, 1e-4)),
            "nodes twice as far apart allow steps four times as long",
        )
        yield (
            np.isclose(largest_dt(0.01, 2e-4), largest_dt(0.01, 1e-4) / 2),
            "twice the diffusivity needs steps half as long",
        )

    q2 = grader.check("Q2: the speed limit", _tests())
    q2
    return (q2,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 3 · Ten minutes in the life of a rod  *(30 marks)*

    Complete `simulate(alpha, times)`. It starts at `times[0]` with a rod at `cold` everywhere except node 0, which is
    `hot`, and returns an array with **one row per entry of `times`** and one column per node of `x`. The first row is
    the start.

    The times of the readings are far apart, so between two of them take several equal steps, each short enough: a
    little below the speed limit, say $r \le 0.45$.
    """)
    return


@app.cell
def _(cold, dx, hot, largest_dt, np, step, x):
    def simulate(alpha, times):
        """Temperatures in °C, shape (len(times), x.size), of a rod with diffusivity `alpha` in m²/s."""
        ### BEGIN SOLUTION
        u = np.full(x.size, cold)
        u[0] = hot
        rows = [u]
        for interval in np.diff(times):
            steps = int(np.ceil(interval / (0.9 * largest_dt(dx, alpha))))
            for _ in range(steps):
                u = step(u, alpha * interval / steps / dx**2)
            rows.append(u)
        return np.array(rows)
        ### END SOLUTION

    return (simulate,)


@app.cell(hide_code=True)
def _(hint):
    hint(
        "Loop over the gaps between readings, `for interval in np.diff(times):`, and collect a row after each of them.",
        "How many steps does one gap need? `int(np.ceil(interval / (0.9 * largest_dt(dx, alpha))))`. Rounding *up* "
        "makes the steps a little shorter than the limit, never longer.",
        "With that many steps, one step lasts `interval / steps` seconds, so `r = alpha * interval / steps / dx**2`.",
    )
    return


@app.cell(hide_code=True)
def _(cold, grader, hot, length, np, simulate, x):
    def _exact(alpha, t):
        """The solution as a Fourier series, for t > 0."""
        _k = np.pi * np.arange(1, 60)[:, None] / length
        _waves = np.sin(_k * x) * np.exp(-alpha * _k**2 * t) / (_k * length)
        return hot + (cold - hot) * x / length - 2 * (hot - cold) * _waves.sum(axis=0)

    def _tests():
        _rows = simulate(2e-5, np.array([0.0, 60.0, 300.0]))
        if _rows is None:
            return
        yield np.shape(_rows) == (3, x.size), f"three times give 3 rows of {x.size} nodes (yours: {np.shape(_rows)})"
        yield (
            _rows[0, 0] == hot and np.all(_rows[0, 1:] == cold),
            "the first row is the start: one node at 100 °C, the others at 20 °C",
        )
        yield np.all(_rows[:, 0] == hot) and np.all(_rows[:, -1] == cold), "both ends keep their temperature"
        yield np.min(_rows) >= cold and np.max(_rows) <= hot, "nothing gets colder than the water or hotter than the steam"
        _error = np.abs(_rows[1] - _exact(2e-5, 60.0)).max()
        yield _error < 0.6, f"after one minute it agrees with theory to 0.6 °C (yours is {_error:.2g} °C off)", 3
        _error = np.abs(simulate(1e-4, np.array([0.0, 1800.0]))[-1] - np.linspace(hot, cold, x.size)).max()
        yield _error < 0.1, f"after half an hour a good conductor has a straight profile ({_error:.2g} °C off)", 2
        ### BEGIN HIDDEN TESTS
        _uneven = np.array([0.0, 7.0, 50.0, 400.0])
        _error = max(np.abs(simulate(1.2e-4, _uneven)[n] - _exact(1.2e-4, _uneven[n])).max() for n in (2, 3))
        yield _error < 0.6, "times that are not evenly spaced, and a very good conductor", 2
        yield np.allclose(simulate(2e-5, _uneven + 5), simulate(2e-5, _uneven)), "the clock need not start at zero"
        ### END HIDDEN TESTS

    q3 = grader.check("Q3: simulate", _tests())
    q3
    return (q3,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 4 · Name that metal  *(25 marks)*

    | metal | $\alpha$ in 10⁻⁶ m²/s |
    |---|---|
    | silver | 166 |
    | copper | 117 |
    | aluminium | 97 |
    | zinc | 42 |
    | brass | 34 |
    | nickel | 23 |
    | carbon steel | 12 |
    | stainless steel | 4 |

    How well does a guess for $\alpha$ explain the readings? Measure it by the **root mean square** of the differences
    between simulated and measured temperatures, over all times and all three thermocouples,

    $$\operatorname{misfit}(\alpha) = \sqrt{\frac{1}{3N}\sum_{n=1}^{N}\sum_{s=1}^{3}
    \bigl(u_s^{\,n}(\alpha) - m_s^{\,n}\bigr)^2 }.$$

    Complete `misfit(alpha)` with `simulate`, `times`, `sensors` and `measured`. Then find the diffusivity that makes it
    smallest, to within 3 %, and the name of the metal, as in the table.
    """)
    return


@app.cell
def _(measured, np, sensors, simulate, times):
    def misfit(alpha):
        """Root mean square difference in °C between the simulation and the thermocouples."""
        ### BEGIN SOLUTION
        return np.sqrt(np.mean((simulate(alpha, times)[:, sensors] - measured) ** 2))
        ### END SOLUTION

    return (misfit,)


@app.cell
def _(misfit, np):
    metals = {
        "silver": 166e-6, "copper": 117e-6, "aluminium": 97e-6, "zinc": 42e-6,
        "brass": 34e-6, "nickel": 23e-6, "carbon steel": 12e-6, "stainless steel": 4e-6,
    }

    # alpha_best in m²/s, metal as a string
    ### BEGIN SOLUTION
    _coarse = min(metals.values(), key=misfit)
    alpha_best = min(np.linspace(0.8 * _coarse, 1.2 * _coarse, 41), key=misfit)
    metal = min(metals, key=lambda name: abs(metals[name] - alpha_best))
    ### END SOLUTION
    return alpha_best, metal, metals


@app.cell(hide_code=True)
def _(hint):
    hint(
        "Try a few metals by hand first: `misfit(97e-6)`, `misfit(12e-6)`. Which is closer?",
        "A list of candidates and `min(candidates, key=misfit)` is all the optimisation you need. Search coarsely, then "
        "finely around the best.",
    )
    return


@app.cell(hide_code=True)
def _(alpha_best, grader, metal, metals, misfit, np):
    def _tests():
        _copper = misfit(117e-6)
        if _copper is None:
            return
        yield np.ndim(_copper) == 0 and _copper > 0, "`misfit` returns one positive number"
        yield (
            12 < _copper < 15,
            f"copper would be wrong by about 13 °C (yours says {np.round(_copper, 2)} °C)",
            2,
        )
        if alpha_best is ... or metal is ...:
            yield False, "`alpha_best` and `metal` are still to come", 3
            return
        yield 1e-6 < alpha_best < 2e-4, f"`alpha_best` is a diffusivity in m²/s (yours: {alpha_best:.3g})"
        yield (
            misfit(alpha_best) < 0.6,
            f"the simulation passes within the noise of the thermocouples (now {misfit(alpha_best):.2f} °C)",
        )
        yield (
            metal in metals and metal == min(metals, key=lambda _name: abs(metals[_name] - alpha_best)),
            "`metal` is the one in the table that is nearest to `alpha_best`",
        )
        ### BEGIN HIDDEN TESTS
        yield abs(alpha_best / 34.4e-6 - 1) < 0.03, "the diffusivity is right to 3 %", 2
        yield metal == "brass", "it is brass", 2
        ### END HIDDEN TESTS

    q4 = grader.check("Q4: name that metal", _tests())
    q4
    return (q4,)


@app.cell(hide_code=True)
def _(alpha_best, measured, metal, mo, plt, sensors, simulate, times):
    mo.stop(
        alpha_best is ... or simulate(2e-5, times[:2]) is None,
        mo.md("*Once you have `alpha_best`, your simulation is drawn over the measurements here.*"),
    )

    _figure, _axes = plt.subplots()
    _curves = simulate(alpha_best, times)[:, sensors].T
    for _curve, _column, _colour in zip(_curves, measured.T, ("#d9544d", "#9b6bd1", "#3b8ed0")):
        _axes.plot(times / 60, _column, "o", markersize=4, color=_colour, alpha=0.5)
        _axes.plot(times / 60, _curve, color=_colour)
    _axes.set(xlabel="time (minutes)", ylabel="temperature (°C)")
    mo.vstack([
        _figure,
        mo.md(f"*Dots: the thermocouples. Lines: your simulation of {metal}, "
              rf"$\alpha = {alpha_best * 1e6:.1f}\times 10^{{-6}}$ m²/s.*"),
    ])
    return


@app.cell(hide_code=True)
def _(mo, times):
    clock = mo.ui.slider(0, times.size - 1, value=4, label="reading", show_value=True, full_width=True)
    mo.vstack([mo.md("## Watch it warm up\n\nThe rod as your simulation sees it. Drag through the ten minutes."), clock])
    return (clock,)


@app.cell(hide_code=True)
def _(alpha_best, clock, cold, hot, measured, mo, np, plt, sensors, simulate, times, x):
    mo.stop(
        alpha_best is ... or simulate(2e-5, times[:2]) is None,
        mo.md("*The rod glows here once Question 4 is done.*"),
    )

    _profile = simulate(alpha_best, times)[clock.value]
    _figure, (_rod, _axes) = plt.subplots(2, sharex=True, height_ratios=(1, 5), layout="constrained")
    _rod.imshow(_profile[None, :], cmap="inferno", vmin=cold - 15, vmax=hot + 15, aspect="auto", extent=(0, 30, 0, 1),
                interpolation="bilinear")
    _rod.set(yticks=[])
    _rod.grid(visible=False)
    _axes.plot(x * 100, _profile, color="#e07b39")
    _axes.plot(x[sensors] * 100, measured[clock.value], "o", color="#3b8ed0", label="thermocouples")
    _axes.plot(x * 100, np.linspace(hot, cold, x.size), "--", color="#808080", linewidth=1, label="in the end")
    _axes.set(xlabel="position (cm)", ylabel="temperature (°C)", ylim=(10, 110))
    _axes.legend()
    _minutes, _seconds = divmod(int(times[clock.value]), 60)
    mo.vstack([_figure, mo.md(f"*After {_minutes} min {_seconds:02d} s.*")])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 5 · In your own words  *(15 marks, read by a person)*

    In three or four sentences:

    1. Why does the scheme explode when $r > \tfrac12$? Look at what the recipe of Question 1 does to $u_i^n$ itself.
    2. You want nodes half as far apart. How much longer does your simulation take?
    """)
    return


@app.cell
def _(mo):
    ### BEGIN SOLUTION
    response_text = r"""
    The new temperature of a node is a weighted mean of three old ones, with weights $r$, $1 - 2r$ and $r$. As long as
    none is negative, it lies between its neighbours and no error can grow. For $r > \frac12$ the node's own weight
    $1 - 2r$ is negative: a node that is a little too hot becomes too cold by more than that, and so on, with opposite
    signs at neighbouring nodes. That is the zigzag in the picture.

    Half the spacing means twice as many nodes, and since $\Delta t \le \Delta x^2 / 2\alpha$, four times as many steps:
    eight times the work.
    """
    mo.md(response_text)
    ### END SOLUTION
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Where you stand
    """)
    return


@app.cell(hide_code=True)
def _(grader, q1, q2, q3, q4):
    grader.scores(q1, q2, q3, q4)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ---
    *Behind the scenes: the packages, the look of the figures, and the marks. Nothing to do here.*
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


@app.cell(hide_code=True)
def _():
    # === MOGRADER: MARKS ===
    from mograder.runtime import Grader, hint

    grader = Grader({"Q1": 20, "Q2": 10, "Q3": 30, "Q4": 25})
    return grader, hint


if __name__ == "__main__":
    app.run()
