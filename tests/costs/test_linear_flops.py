"""2 N (Q + V + G)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scalelaw.costs import linear_flops
from scalelaw.costs._workload import Workload
from scalelaw.plan import models_in


def test_seven_billion_at_fifty_text_and_seven_visual_tokens() -> None:
    parts = linear_flops.parts(7e9, None, 7, Workload(50, 3))
    assert parts == {"visual": 98e9, "text": 700e9, "generated": 42e9}


def test_images_cached_text_and_shared_images_are_counted() -> None:
    work = Workload(50, images=3, cached_prefix=0.5, questions_per_image=4)
    parts = linear_flops.parts(1e9, None, 16, work)
    assert parts == {"visual": 2e9 * 16 * 3 / 4, "text": 2e9 * 25, "generated": 0}
    options = linear_flops.parts(1e9, None, 16, replace(work, compressor="quecc"))
    assert options["visual"] == 2e9 * 16 * 3


def test_a_mixture_is_counted_by_what_a_token_meets() -> None:
    (model, _) = models_in("qwen3-moe")
    assert model.shape is not None
    assert model.shape.active_params == 3_353_032_704
    parts = linear_flops.parts(model.n_params, model.shape, np.array([1.0, 9]), Workload(0))
    assert parts["visual"].tolist() == [2 * 3_353_032_704, 18 * 3_353_032_704]
