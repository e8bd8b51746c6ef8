import marimo

__generated_with = "0.19.0"
app = marimo.App()


@app.cell
def _():
    import random
    import numpy as np
    from helper import ANSWER

    return ANSWER, np, random


@app.cell
def _(ANSWER, np, random):
    f"{ANSWER} {np.random.rand()} {random.random()}"
    return


if __name__ == "__main__":
    app.run()
