"""FittedLaw.plot: what it draws, read back from the Axes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import scalelaw as sl


def test_a_curve_and_points_for_each_size():
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)
    axes = Figure().add_subplot()
    assert fitted.plot(axes) is axes
    curves = [line for line in axes.lines if line.get_marker() == "None"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    sizes = np.unique(fitted.points["inputs"]["n_params"])
    assert len(curves) == len(dots) == len(sizes)
    assert sum(len(line.get_xdata()) for line in dots) == fitted.n_points
    x, y = curves[0].get_data()
    assert y == pytest.approx(fitted.predict(n_params=sizes[0], visual_tokens=x))
    assert axes.get_xlabel() == "visual_tokens"
    assert axes.get_xscale() == "log"


def test_a_law_of_one_input():
    table = sl.read_table("vlm_reasoning", where={"n_params": 7e9})
    axes = sl.fit_law(table, "power", inputs={"x": "visual_tokens"}, bootstrap=0).plot(Figure().add_subplot())
    assert len(axes.lines) == 2
