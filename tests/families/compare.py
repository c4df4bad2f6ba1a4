"""Families against transformers' own processors on random sizes and settings: the tests draw a few, and as a program

    python tests/families/compare.py --sizes 10000 --seed 0

as many as are asked for; it prints one line for each family and ends with an error where a count differs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.tokens.settings import check_pairs

HERE = Path(__file__).resolve().parent
LARGEST = 8000
EDGES = (14, 28, 32, 224, 336, 364, 384, 448, 512, 560, 768, 896, 1024)
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "aria": [{"split_image": True}],
    "internvl": [{"min_patches": 1, "max_patches": 6}],
    "llava_onevision": [{"vision_aspect_ratio": "anyres_max_4"}],
    "ovis2": [{"use_covering_area_grid": False}],
    "paligemma": [{"image_size": 448}, {"image_size": 896}],
    "pixtral": [{"longest_edge": 1540, "patch_size": 14, "spatial_merge_size": 2}],
    "smolvlm": [{"longest_edge": 2048, "max_image_size": 512, "patch_size": 16, "scale_factor": 4}],
}
"""Values of other released checkpoints, and switches that random settings would seldom reach."""
SETTINGS_EACH = 4
SLOW = {"video_llava": 12}
"""Families whose processor needs real pixels: sizes at most."""


def draw_size(rng: random.Random) -> list[int]:
    """A width and a height from 1 to 8,000: uniform, by their logarithm, usual, or at the edge of a tile."""
    kind = rng.random()
    if kind < 0.3:
        return [rng.randint(1, LARGEST), rng.randint(1, LARGEST)]
    if kind < 0.6:
        return [max(1, round(LARGEST ** rng.random())) for _ in "wh"]
    if kind < 0.85:
        return [rng.randint(100, 2200), rng.randint(100, 2200)]
    return [
        max(1, min(LARGEST, rng.choice(EDGES) * rng.randint(1, 8) + rng.choice((-1, 0, 0, 1)))) for _ in "wh"
    ]


def draw_settings(rng: random.Random, rules: Any) -> dict[str, Any]:
    """The defaults with every knob drawn: one of its values, or between an eighth and four times its default."""
    while True:
        values = {setting.name: setting.default for setting in rules.SETTINGS}
        for setting in rules.SETTINGS:
            if not setting.knob or rng.random() < 0.3:
                continue
            if setting.allowed:
                values[setting.name] = rng.choice(setting.allowed)
                continue
            drawn = setting.default * 2 ** rng.uniform(-3, 2)
            drawn = min(max(drawn, setting.minimum), setting.maximum)
            values[setting.name] = round(drawn) if isinstance(setting.default, int) else float(drawn)
        try:
            check_pairs(values)
        except InputError:
            continue
        return values


def requests_of(family: str, sizes: int, seed: int) -> list[dict[str, Any]]:
    """What a family is compared on: its defaults, its variants and drawn settings, each with its share of the sizes."""
    rules, rng = plugins.load("families", family), random.Random(f"{family} {seed}")
    defaults = {setting.name: setting.default for setting in rules.SETTINGS}
    settings = [defaults, *({**defaults, **variant} for variant in VARIANTS.get(family, []))]
    if any(setting.knob for setting in rules.SETTINGS):
        settings += [draw_settings(rng, rules) for _ in range(SETTINGS_EACH - 1)]
    share = -(-min(sizes, SLOW.get(family, sizes)) // len(settings))
    requests = []
    for values in settings:
        request = {"family": family, "settings": values, "images": [draw_size(rng) for _ in range(share)]}
        if family in SLOW:
            request["images"] = [[width // 10 + 1, height // 10 + 1] for width, height in request["images"]]
        if hasattr(rules, "count_video"):
            request["videos"] = [[rng.randint(1, 48), *draw_size(rng)] for _ in range(-(-share // 4))]
        requests.append(request)
    if getattr(rules, "TOGETHER", False):
        requests.append({**requests[0], "videos": [], "together": 3})
    return requests


def answers(requests: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
    """The processors' own counts, from a process of their own; `--pil`: with real pixels, by pillow."""
    done = subprocess.run(
        [sys.executable, str(HERE / "processors.py"), *options],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    replies: list[dict[str, Any]] = json.loads(done.stdout)
    return replies


def differences(request: dict[str, Any], replies: dict[str, Any]) -> list[str]:
    """Where a family's count, its markers, its patches or its refusal is not the processor's."""
    rules = plugins.load("families", request["family"])
    settings, together = request["settings"], request.get("together", 1)
    more = (together,) if getattr(rules, "TOGETHER", False) else ()
    wrong = []
    for size, theirs in zip(request["images"], replies["images"], strict=True):
        ours = _counted(lambda size=size: rules.count_image(*size, settings, *more))
        if not _agree(ours, theirs):
            wrong.append(f"{request['family']} {size} {settings}: {ours}, transformers {theirs}")
    for size, theirs in zip(request.get("videos", []), replies["videos"], strict=True):
        ours = _counted(lambda size=size: rules.count_video(*size, settings))
        if not _agree(
            ours[:1] if isinstance(ours, list) else ours, theirs[:1] if isinstance(theirs, list) else theirs
        ):
            wrong.append(f"{request['family']} video {size} {settings}: {ours}, transformers {theirs}")
    return wrong


def _counted(count: Any) -> Any:
    try:
        counted = count()
    except InputError as error:
        return f"{error.code}: {error.message}"
    return [counted.visual_tokens, counted.markers, counted.patches]


def _agree(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return isinstance(ours, str) and isinstance(theirs, str)
    return all(mine == other or other == -1 for mine, other in zip(ours, theirs, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("families", nargs="*")
    options_given = parser.parse_args()
    failed = 0
    known = {path.stem for path in (HERE / "known").glob("*.json")}
    families = options_given.families or [name for name in plugins.names("families") if name not in known]
    for family in families:
        requests = requests_of(family, options_given.sizes, options_given.seed)
        replies = answers(requests)
        wrong = [line for pair in zip(requests, replies, strict=True) for line in differences(*pair)]
        images, videos = (
            sum(len(request.get(part, [])) for request in requests) for part in ("images", "videos")
        )
        refused = sum(isinstance(one, str) for part in replies for one in part["images"])
        print(
            f"{family:20} {len(requests):3} settings {images:7,} images {videos:6,} videos {refused:6,} refused "
            f"{len(wrong):4} differences",
            flush=True,
        )
        for line in wrong[:3]:
            print(f"    {line}", flush=True)
        failed += bool(wrong)
    return failed


if __name__ == "__main__":
    sys.exit(main())
