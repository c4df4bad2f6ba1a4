"""Average pooling in digits."""

from __future__ import annotations

import torch

from scalelaw.compressors.average_pool import Compressor


def test_means_of_the_windows_in_row_major_order() -> None:
    x = torch.arange(16.0).reshape(1, 16, 1)
    out = Compressor((4, 4), 1, 1, 4, 1)(x, x, None)
    assert out.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_a_rectangular_grid() -> None:
    x = torch.arange(8.0).reshape(1, 8, 1)
    out = Compressor((2, 4), 1, 1, 2, 1)(x, x, None)
    assert out.flatten().tolist() == [2.5, 4.5]
