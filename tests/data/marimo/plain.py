import marimo

__generated_with = "0.19.0"
app = marimo.App()


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell
def _(mo):
    x = mo.ui.slider(1, 10)
    x
    return (x,)


@app.cell
def _(x):
    y = x.value + 1
    f"y is {y}"
    return (y,)


if __name__ == "__main__":
    app.run()
