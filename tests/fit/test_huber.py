"""A Huber fit whose delta is far below the noise, on points that hardly depend on their inputs: a valley of kinks."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import scalelaw as sl

NAMES = ("E", "A", "alpha", "B", "beta")


def flat_table(seed: int) -> pd.DataFrame:
    """24 losses with noise of .03 and exponents of at most .06."""
    rng = np.random.default_rng(seed)
    n_params, tokens = np.meshgrid(np.geomspace(2e8, 2e10, 4), np.geomspace(2e9, 1e12, 6), indexing="ij")
    a, b = rng.uniform(0.01, 0.06, 2)
    loss = 1.7 + 0.4 * (n_params / 1e9) ** -a + 0.6 * (tokens / 1e10) ** -b
    noise = 0.03 * rng.standard_normal(loss.shape)
    return pd.DataFrame(
        {"n_params": n_params.ravel(), "train_tokens": tokens.ravel(), "error": (loss + noise).ravel()}
    )


def huber(table: pd.DataFrame, place: np.ndarray, delta: float, unit: tuple[float, float]) -> float:
    """The objective at a place, from its definition."""
    e, a, alpha, b, beta = np.abs(place)
    law = e + a * (table.n_params / unit[0]) ** -alpha + b * (table.train_tokens / unit[1]) ** -beta
    size = np.abs(table.error - law)
    return float(np.sum(np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))))


@pytest.mark.parametrize("seed", [1, 11])
def test_it_ends_where_nothing_near_is_lower(seed: int) -> None:
    table = flat_table(seed)
    fitted = sl.fit_law(table, law="chinchilla", loss="huber", delta=1e-4, bootstrap=0)
    assert fitted.status != "not_converged"
    assert fitted.certificate["gap"] < 1e-6
    unit = (fitted.units["n_params"], fitted.units["train_tokens"])
    place = np.array([fitted.params[name] for name in NAMES])
    assert huber(table, place, 1e-4, unit) == pytest.approx(fitted.objective, rel=1e-9)
    options = {"xatol": 1e-14, "fatol": 1e-18, "maxfev": 6000, "adaptive": True}
    other = minimize(lambda x: huber(table, x, 1e-4, unit), place, method="Nelder-Mead", options=options)
    assert other.fun > fitted.objective * (1 - 1e-9)
