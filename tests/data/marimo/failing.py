import marimo

__generated_with = "0.19.0"
app = marimo.App()


@app.cell
def _():
    1 / 0
    return


@app.cell
def _():
    x = 1
    x
    return (x,)


if __name__ == "__main__":
    app.run()
