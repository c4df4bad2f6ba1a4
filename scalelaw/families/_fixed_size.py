"""Families in which every image becomes one square of a fixed size and a fixed number of tokens."""

from __future__ import annotations

from collections.abc import Callable

from scalelaw.families._contract import Counted, Setting, Settings, fixed


def square_settings(
    image_size: int,
    patch_size: int,
    *,
    config: str = "config.vision_config.",
    image: str = "image.size.height",
) -> tuple[Setting, Setting]:
    """Side of the image and of a patch, from the vision part of config.json."""
    return (
        fixed("image_size", "side of the resized image", image_size, f"{config}image_size", image),
        fixed("patch_size", "side of a patch", patch_size, f"{config}patch_size"),
    )


def token_setting(name: str, tokens: int, *sources: str) -> Setting:
    """Tokens of an image, where they do not follow from its patches."""
    return fixed(name, "tokens of an image", tokens, *sources, unit="tokens")


def one_token_a_patch(width: int, height: int, settings: Settings) -> Counted:
    """The count of an image whose tokens are its patches."""
    side = settings["image_size"]
    patches = (side // settings["patch_size"]) ** 2
    return Counted(side, side, patches, patches)


def fixed_tokens(name: str, markers: int = 0) -> Callable[[int, int, Settings], Counted]:
    """The count of an image whose tokens are the setting `name`."""

    def count_image(width: int, height: int, settings: Settings) -> Counted:
        side = settings["image_size"]
        return Counted(side, side, (side // settings["patch_size"]) ** 2, settings[name], markers)

    return count_image
