# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "marimo",
#     "mograder",
# ]
# mograder-assignment = "A1-Intro-to-SciML"
# mograder-hidden-tests = true
# mograder-cell-hashes = "6d54d43b,ca5a344b,0e24b3d4,9b2bedb2,67f3b64c,d0583b59,9ad10a7a,b4c05d02,b5f5459d"
#
# [tool.marimo.display]
# theme = "light"
# ///

import marimo

__generated_with = "0.19.11"
app = marimo.App(width="medium", app_title="A1: Introduction")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # A1: Introduction to scientific machine learning

    Fill in the cells that say *your code here*. The mean of $n$ numbers is

    \[ \bar x = \frac{1}{n} \sum_{i=1}^n x_i \]
    """)
    return


@app.cell
def _():
    import math

    import marimo as mo

    from mograder.runtime import Grader, check

    return Grader, check, math, mo


@app.cell(hide_code=True)
def _(Grader):
    # === MOGRADER: MARKS ===
    grader = Grader({"Q1": 5, "Q2": 10, "Q3": 4})
    return (grader,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 1: the mean

    Write a function `mean(values)` that returns the arithmetic mean, and 0 for an empty list.
    """)
    return


@app.cell
def _():
    mean = ...
    # YOUR CODE HERE
    pass
    return (mean,)


@app.cell(hide_code=True)
def _(grader, mean):
    grader.check("Q1: mean of a list", [
        (mean([1, 2, 3]) == 2, "the mean of 1, 2, 3 is 2"),
        (mean([5]) == 5, "the mean of one number is that number", 2),
        # HIDDEN TESTS
    ] if mean is not ... else [])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 2: Newton's method

    Iterate $x_{k+1} = x_k - f(x_k) / f'(x_k)$ from `start` until two iterates differ by less than `tol`.
    """)
    return


@app.cell
def _(math):
    f = lambda x: math.cos(x) - x  # noqa: E731
    df = lambda x: -math.sin(x) - 1  # noqa: E731

    def newton(f, df, start, tol=1e-12):
        x = start
        for _step in range(50):
            # YOUR CODE HERE
            pass
        return x

    root = ...
    steps = ...
    # YOUR CODE HERE
    pass
    return newton, root, steps


@app.cell(hide_code=True)
def _(grader, math, newton, root, steps):
    _tests = []
    if root is not ...:
        _tests = [
            (abs(math.cos(root) - root) < 1e-9, "root solves cos x = x"),
            (isinstance(steps, int), "steps is a whole number"),
        ]
        # HIDDEN TESTS
    grader.check("Q2: Newton's method", _tests)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Question 3: discussion

    Why does Newton's method converge so fast here?
    """)
    return


@app.cell
def written_analysis(mo):
    mo.md(r"""
    *Write your answer here.*
    """)
    return


@app.cell
def _(grader):
    grader.scores()
    return


if __name__ == "__main__":
    app.run()
