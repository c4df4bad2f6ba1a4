"""The checklist of a report: the settings of a search in words that can be read back."""

from __future__ import annotations

from typing import Any

import pytest

from scalelaw.report.sections.checklist import _searched


@pytest.mark.parametrize(
    ("sizes", "printed"),
    [([[1280, 720]], "1280x720"), ([[640, 480], [33, 7]], "640x480, 33x7"), (1200, "1,200 images")],
)
def test_sizes_of_images_are_printed_as_the_option_takes_them(sizes: Any, printed: str) -> None:
    searched = {
        "models": ["a"],
        "models_from": "given",
        "visual_tokens": [1, 4],
        "visual_tokens_from": "given",
        "configurations": 1,
        "that_fit": 1,
        "image_sizes": sizes,
    }
    assert _searched(searched)["image_sizes"] == printed
