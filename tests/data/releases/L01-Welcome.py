# /// script
# dependencies = ["marimo"]
# mograder-type = "lecture"
# ///

import marimo

__generated_with = "0.19.11"
app = marimo.App(
    width="medium",
    app_title="Welcome",
)


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Welcome

    Go on with [vectors](/run/L02-Vectors/), or jump to
    [the *dot* product](/run/L02-Vectors/#dot "part 2").
    The first exercise is A1 [graded].
    The [manual](https://docs.marimo.io) is elsewhere, and [the data](data.csv) is here.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.Html("<p><a class='next' href='/run/L02-Vectors/'>Next</a> or "
            "the exercise</p>")
    return


@app.cell
def _():
    path = "../L02-Vectors/L02-Vectors.py"  # not a link
    return


if __name__ == "__main__":
    app.run()
