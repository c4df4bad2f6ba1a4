"""The configuration of a compressed vision-language model: any tower with patches, any compressor, any causal LLM."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from scalelaw import plugins
from scalelaw.errors import InputError

TURNS = ("all", "first", "last")
OWN_COMPRESSOR = "To run that file, pass its path: from_pretrained(..., compressor='./mine.py')."
_FRACTIONS = (12 / 24, 16 / 24, 22 / 24, 23 / 24)


MODULE = "scalelaw_model"
AUTO_MAP = {
    "AutoConfig": f"{MODULE}.QueccConfig",
    "AutoModel": f"{MODULE}.QueccForConditionalGeneration",
    "AutoModelForImageTextToText": f"{MODULE}.QueccForConditionalGeneration",
    "AutoProcessor": f"{MODULE}.QueccProcessor",
}
"""What config.json says of the classes: with trust_remote_code, Auto classes run the folder's file, which imports this
package; it has to be installed, and the program need not import it."""


def write_remote_code(folder: Any) -> None:
    """The file of a saved folder that the entries of `AUTO_MAP` name."""
    classes = "QueccConfig, QueccForConditionalGeneration, QueccProcessor"
    text = f"""# pip install 'scalelaw[train]'; loaded with trust_remote_code=True
from scalelaw.vlm.quecc import {classes}  # noqa: F401
"""
    (Path(folder) / f"{MODULE}.py").write_text(text, encoding="utf-8")


_OF_A_FILE = frozenset({"model_type", "architectures", "transformers_version"})
"""Keys that a config.json has and a caller of QueccConfig does not pass: a configuration nested in another model's."""
_NAMED_BY_CALLER: ContextVar[bool] = ContextVar("scalelaw_compressor_named", default=False)
"""Whether the caller of from_dict named the compressor."""


class QueccConfig(PreTrainedConfig):
    """vision_config, text_config: configurations of the tower and of the LLM (or dicts of them).

    compressor            a bundled or installed compressor, or the path of a plug-in file; a path in a config.json
                          is refused: pass `compressor=` to `from_pretrained` to run that file
    compressor_options    the compressor's own options (`{"side": 4}`: windows of 4 x 4, the grid padded)
    visual_tokens         tokens an image; None where `compressor_options` names a side
    image_size            (height, width) in pixels, or one side; None takes the tower's own
    vision_layer          the hidden state X of the tower; 0 the embedding, -1 the last
    vision_layers         those side by side in X_multi; None takes 12, 16, 22, 23 of 24 in proportion
    question_turns        which questions of a conversation condition the compression: `all`, the `first` or the `last`
    question_separator    what joins several questions, and the texts of one turn
    image_token_index     the token that stands where an image's tokens go
    """

    model_type = "quecc"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012 - transformers' own form
    attribute_map = {"image_token_id": "image_token_index"}  # noqa: RUF012
    has_no_defaults_at_init = True

    def __init__(
        self,
        vision_config: Any = None,
        text_config: Any = None,
        *,
        compressor: str = "quecc",
        compressor_options: dict[str, Any] | None = None,
        visual_tokens: int | None = None,
        image_size: int | Sequence[int] | None = None,
        vision_layer: int = -2,
        vision_layers: Sequence[int] | None = None,
        question_turns: str = "all",
        question_separator: str = "\n",
        image_token_index: int = 0,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("attribute_map", None)  # of the class; from a file it would redirect one key to another
        if not _NAMED_BY_CALLER.get() and _OF_A_FILE & kwargs.keys():
            plugins.name_from_file("compressors", compressor, "config.json", OWN_COMPRESSOR)
        if vision_config is None or text_config is None:
            raise InputError(
                "A QueccConfig needs a vision_config and a text_config.",
                code="missing_config",
                hint="For example QueccConfig(CLIPVisionConfig(), Qwen2Config(), visual_tokens=36).",
            )
        self.vision_config, self.text_config = _config(vision_config, "vision"), _config(text_config, "text")
        if question_turns not in TURNS:
            raise InputError(
                f"question_turns is '{question_turns}'.",
                code="bad_value",
                hint=f"Allowed: {', '.join(TURNS)}.",
            )
        size = image_size if image_size is not None else self.vision_config.image_size
        self.image_size = [int(size)] * 2 if isinstance(size, int | float) else [int(s) for s in size]
        if 0 in self.grid:
            raise InputError(f"Images of {self.image_size} pixels hold no patch.", code="bad_image_size")
        depth = int(self.vision_config.num_hidden_layers)
        self.vision_layer = range(depth + 1)[vision_layer]
        layers = [round(f * depth) for f in _FRACTIONS] if vision_layers is None else vision_layers
        self.vision_layers = [range(depth + 1)[layer] for layer in layers]
        self.compressor, self.compressor_options = compressor, dict(compressor_options or {})
        self.question_turns, self.question_separator = question_turns, question_separator
        self.image_token_index = image_token_index
        self.visual_tokens = visual_tokens or self._tokens()
        kwargs.setdefault(
            "tie_word_embeddings", bool(getattr(self.text_config, "tie_word_embeddings", False))
        )
        super().__init__(**kwargs)

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> None:
        """As transformers has it, with the file and the entries by which Auto classes find this package."""
        self.auto_map = dict(AUTO_MAP)
        super().save_pretrained(save_directory, push_to_hub, **kwargs)
        write_remote_code(save_directory)

    @classmethod
    def register_for_auto_class(cls, auto_class: Any = "AutoConfig") -> None:
        """Nothing: a folder refers to this package and brings no copy of its code."""

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """A configuration from the contents of a config.json; `kwargs` override it, as transformers has it.

        Raises InputError `compressor_file` where config.json names a compressor by a path: such a file is run only
        where the caller names it.
        """
        named = "compressor" in kwargs
        if named:
            config_dict = {**config_dict, "compressor": kwargs["compressor"]}
        elif "compressor" in config_dict:
            origin = config_dict.get("_name_or_path") or "config.json"
            plugins.name_from_file("compressors", config_dict["compressor"], origin, OWN_COMPRESSOR)
        token = _NAMED_BY_CALLER.set(named)
        try:
            return super().from_dict(config_dict, **kwargs)
        finally:
            _NAMED_BY_CALLER.reset(token)

    @classmethod
    def from_json_file(cls, json_file: Any) -> Any:
        """As `from_dict`, of one file."""
        return cls.from_dict(cls._dict_from_json_file(json_file))

    @property
    def vocab_size(self) -> int:
        """Of the LLM: the rows of its embedding."""
        return int(self.text_config.vocab_size)

    @vocab_size.setter
    def vocab_size(self, value: int) -> None:
        self.text_config.vocab_size = value

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) in patches; pixels that fill no patch are not seen."""
        patch = self.vision_config.patch_size
        height, width = (patch, patch) if isinstance(patch, int) else patch
        return self.image_size[0] // height, self.image_size[1] // width

    def _tokens(self) -> int:
        """As many as there are windows of the side among the compressor's options."""
        if (side := self.compressor_options.get("side")) is None:
            hint = ""
            if self.compressor in plugins.names("compressors"):  # a plug-in file is not run for a hint
                counts: list[int] = plugins.load("compressors", self.compressor).allowed_tokens(self.grid)
                hint = f"The compressor '{self.compressor}' gives at most {counts[0]}."
            raise InputError(
                "A QueccConfig needs visual_tokens, or a side among compressor_options.",
                code="missing_visual_tokens",
                hint=hint,
            )
        return -(-self.grid[0] // side) * -(-self.grid[1] // side)


def _config(source: Any, part: str) -> Any:
    """A configuration of a tower or an LLM, from itself, from a dict, or from a larger model's that holds one."""
    config = AutoConfig.for_model(**source) if isinstance(source, dict) else source
    inner = getattr(config, f"{part}_config", None)
    return config if inner is None else inner


AutoConfig.register("quecc", QueccConfig)
