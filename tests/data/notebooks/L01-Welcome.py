# /// script
# dependencies = ["marimo"]
# mograder-type = "lecture"
# ///

import marimo

__generated_with = "0.19.11"
app = marimo.App(
    width="medium",
    layout_file="layouts/L01-Welcome.slides.json",
    app_title="Welcome",
    html_head_file="head.html",
)


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Welcome

    Go on with [vectors](../L02-Vectors/L02-Vectors.py), or jump to
    [the *dot* product](../L02-Vectors/L02-Vectors.py#dot "part 2").
    The first exercise is [A1 [graded]](../A1-Intro-to-SciML/A1-Intro-to-SciML.py).
    The [manual](https://docs.marimo.io) is elsewhere, and [the data](data.csv) is here.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.Html("<p><a class='next' href='../L02-Vectors/L02-Vectors.py'>Next</a> or "
            "<a href=\"../A1-Intro-to-SciML/A1-Intro-to-SciML.py\">the exercise</a></p>")
    return


@app.cell
def _():
    path = "../L02-Vectors/L02-Vectors.py"  # not a link
    return


if __name__ == "__main__":
    app.run()
