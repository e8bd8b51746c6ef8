# /// script
# mograder-assignment = "A2-Functions"
# mograder-hidden-tests = true
# mograder-cell-hashes = "2ddbe457,9f0d660c,71485205,2d125d8c,c51627f8,e3b0c442,c61d536e"
# ///

import marimo

__generated_with = "0.19.11"
app = marimo.App()

with app.setup:
    import dataclasses

    import marimo as mo

    from mograder.runtime import check

    GRAVITY = 9.81  # m/s²


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Falling bodies — Übung 2 🪂
    """)
    return


@app.function
def fall(height):
    """Seconds that a fall from ``height`` metres takes."""
    # YOUR CODE HERE
    pass


@app.class_definition
@dataclasses.dataclass
class Body:
    mass: float

    def weight(self):
        # YOUR CODE HERE
        pass
    # The weight is in newton.


@app.cell
async def read_measurements():
    import asyncio

    await asyncio.sleep(0)
    measurements = {"é": 1.2, "ü": 3.4}
    text = """
  a table whose lines
 start anywhere
    """
    return measurements, text


@app.cell
def answer(measurements):
    # Use the measurements of the cell above.
    heights = []
    if measurements:
        times = ...
        # YOUR CODE HERE
        pass

    heights
    return heights, times


@app.cell
def check_times(heights, times):
    if times is ...:
        check("Times", [])
    else:
        # HIDDEN TESTS
        check("Times", [(abs(times[0] - 0.4946) < 1e-3, "the first is right")])
    return


@app.cell
def check_body():
    check("Body: weight", [(Body(2).weight() == 19.62, "2 kg weigh 19.62 N")])
    return


@app.cell
def _():
    return


app._unparsable_cell(
    r"""
    this is a note, not = Python at all
    """,
    name="notes"
)


if __name__ == "__main__":
    app.run()
