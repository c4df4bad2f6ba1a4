"""2 N (Q + V + G)."""

from __future__ import annotations

from scalelaw.costs import linear_flops
from scalelaw.costs._workload import Workload


def test_seven_billion_at_fifty_text_and_seven_visual_tokens() -> None:
    parts = linear_flops.parts(7e9, None, 7, Workload(50, 3))
    assert parts == {"visual": 98e9, "text": 700e9, "generated": 42e9}
