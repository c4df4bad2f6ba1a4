"""Windows of a padded grid, in digits."""

from __future__ import annotations

import pytest
import torch

from scalelaw.compressors import average_pool, pixel_shuffle, token_packer
from scalelaw.compressors._windows import Windows
from scalelaw.errors import InputError


def test_a_grid_that_the_window_does_not_divide_is_padded_below_and_on_the_right() -> None:
    windows = Windows((3, 5), 6, side=2)
    assert (windows.rows, windows.columns, windows.below, windows.right) == (2, 3, 1, 1)
    split = windows.split(torch.arange(1.0, 16.0).reshape(1, 15, 1))
    assert split[0, :, :, 0].tolist() == [[1, 2, 6, 7], [3, 4, 8, 9], [5, 0, 10, 0],
                                          [11, 12, 0, 0], [13, 14, 0, 0], [15, 0, 0, 0]]  # fmt: skip
    real = windows.real(torch.device("cpu"))
    assert real is not None
    assert torch.equal(real, split[0, :, :, 0] > 0)
    assert Windows((4, 6), 6).real(torch.device("cpu")) is None


def test_the_count_must_be_that_of_the_windows() -> None:
    with pytest.raises(InputError) as caught:
        Windows((3, 5), 4, side=2)
    assert caught.value.code == "tokens_not_allowed"
    assert caught.value.hint == "Allowed: 6."


def test_a_mean_is_of_real_patches() -> None:
    module = average_pool.Compressor((3, 3), 1, 1, 4, 1, side=2)
    patches = torch.arange(1.0, 10.0).reshape(1, 9, 1)
    assert module(patches, patches, None).flatten().tolist() == [3, 4.5, 7.5, 9]


@pytest.mark.parametrize("plugin", [token_packer, pixel_shuffle])
def test_the_others_take_a_padded_grid_too(plugin: object) -> None:
    module = plugin.Compressor((3, 5), 8, 8, 6, 4, side=2)  # type: ignore[attr-defined]
    patches = torch.randn(2, 15, 8)
    out = module(patches, patches, None)
    assert out.shape == (2, 6, 8)
    assert torch.isfinite(out).all()
