# /// script
# mograder-assignment = "A3-Old-format"
# mograder-cell-hashes = "bcb4f297,814b5e5d,3c849a10,bb1d4527,52c2e90b"
# ///

import marimo

__generated_with = "0.9.14"
app = marimo.App(
    width="medium",
)


@app.cell(hide_code=True)
def __(mo):
    mo.md(
        r"""
        # An older notebook

        * written long ago
            * with a nested list
        """
    )
    return


@app.cell(hide_code=True)
def __(mo):
    mo.md("""Plain text in one line""")
    return


@app.cell(hide_code=True)
def __(mo):
    mo.md('single quotes')
    return


@app.cell
def __():
    import marimo as mo
    from mograder.runtime import check
    return check, mo


@app.cell
def __():
    x = ...
    # YOUR CODE HERE
    pass
    return x,


@app.cell
def __(check, x):
    check("Q1", [(x == 42, "x is 42")])
    return


if __name__ == "__main__":
    app.run()
