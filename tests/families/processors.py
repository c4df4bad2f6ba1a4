"""transformers' own processors, built from a family's settings: what the families are compared with.

Run as a program: reads a JSON list of requests on stdin, {family, settings, images: [[width, height], ...], videos:
[[frames, width, height], ...], together}, and writes for each image and video [visual tokens, markers, patches], or the
processor's own error as a string. Images are meta tensors: they have a size and no pixels.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any

import torchvision_stub

torchvision_stub.install()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers as tf  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from transformers.video_utils import VideoMetadata  # noqa: E402

tf.logging.set_verbosity_error()
for _name in ("llava", "llava_next_video", "perception_lm", "video_llava"):
    _module = importlib.import_module(f"transformers.models.{_name}.processing_{_name}")
    _module.to_numpy_array = lambda image: np.broadcast_to(
        np.float32(0), tuple(image.shape)
    )  # only its shape is used
Settings = dict[str, Any]
TOKENS = {
    "image_token": "<image>",
    "video_token": "<video>",
    "audio_token": "<audio>",
    "boi_token": "<boi>",
    "eoi_token": "<eoi>",
    "boa_token": "<boa>",
    "eoa_token": "<eoa>",
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<context>",
    "image_start_token": "<image_start>",
    "image_end_token": "<image_end>",
    "video_start_token": "<video_start>",
    "video_end_token": "<video_end>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
    "img_line_break_token": "<line>",
    "image_break_token": "<break>",
    "image_wrapper_token": "<wrapper>",
    "eof_token": "<eof>",
    "fake_image_token": "<fake>",
    "image_boundary_token": "<fake>",
    "global_image_token": "<global-img>",
}
_MARKER = re.compile(r"<[^<>\s]+>|</[^<>]+>|\[IMG\w*\]|\|[A-Z]+\||TILE_GLOBAL|TILE_\d+|\n+")


def tokenizer() -> Any:
    """A tokenizer with every special token that a processor asks for."""
    words = ["[UNK]", "<s>", "</s>", "<pad>", "|SPEAKER|", "|NEWLINE|", "|ENDOFTEXT|", *TOKENS.values()]
    core = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(dict.fromkeys(words))}, unk_token="[UNK]")
    )
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="[UNK]",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=dict(TOKENS),
    )


class OnCpu(TorchFunctionMode):
    """Small tensors that a processor computes numbers from are made on the CPU, whatever device is asked for."""

    names = (torch.ones, torch.tensor, torch.arange)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function in self.names:
            kwargs.pop("device", None)
        return function(*args, **kwargs)


def squares(settings: Settings, name: str = "image_size") -> dict[str, int]:
    return {"height": settings[name], "width": settings[name]}


def picked(settings: Settings, *names: str, prefix: str = "") -> Settings:
    return {name: settings[prefix + name] for name in names}


def edges(settings: Settings, prefix: str = "") -> dict[str, int]:
    return {"shortest_edge": settings[f"{prefix}min_pixels"], "longest_edge": settings[f"{prefix}max_pixels"]}


Made = tuple[Any, Settings, Settings]
"""A processor, and what its image and its video processor are called with."""


def _merging(processor: str, image: str, video: str | None) -> Callable[[Settings], Made]:
    def build(s: Settings) -> Made:
        common = {"patch_size": s["patch_size"], "merge_size": s["merge_size"]}
        if "temporal_patch_size" in s and "Ernie" not in image and "Kimi" not in image:
            common["temporal_patch_size"] = s["temporal_patch_size"]
        parts = [getattr(tf, image)(size=edges(s), **common), tokenizer()]
        if video is not None:
            extra = picked(s, "cap_pixels_per_frame") if "cap_pixels_per_frame" in s else {}
            if "Ernie" in video:
                common["temporal_patch_size"] = s["temporal_patch_size"]
            parts.append(getattr(tf, video)(size=edges(s, "video_"), **common, **extra))
        return getattr(tf, processor)(*parts), {}, {}

    return build


def internvl(s: Settings) -> Made:
    image = tf.GotOcr2ImageProcessor(size=squares(s), **picked(s, "min_patches", "max_patches"))
    video = tf.InternVLVideoProcessor(size=squares(s))
    per_tile = int((s["image_size"] // s["patch_size"]) ** 2 * s["downsample_ratio"] ** 2)
    made = tf.InternVLProcessor(image, tokenizer(), video, image_seq_length=per_tile)
    return made, picked(s, "crop_to_patches"), {}


def got_ocr2(s: Settings) -> Made:
    made = tf.GotOcr2Processor(tf.GotOcr2ImageProcessor(size=squares(s)), tokenizer())
    return made, picked(s, "min_patches", "max_patches", "crop_to_patches"), {}


def aya_vision(s: Settings) -> Made:
    image = tf.GotOcr2ImageProcessor(size=squares(s), **picked(s, "min_patches", "max_patches"))
    made = tf.AyaVisionProcessor(
        image,
        tokenizer(),
        patch_size=s["patch_size"],
        img_size=s["image_size"],
        downsample_factor=s["downsample_factor"],
        image_token="<image>",
        img_patch_token="<patch>",
        tile_token="TILE",
        tile_global_token="TILE_GLOBAL",
    )
    made.image_token = "<image>"
    return made, picked(s, "crop_to_patches"), {}


def cohere2_vision(s: Settings) -> Made:
    image = tf.Cohere2VisionImageProcessor(size=squares(s), **picked(s, "max_patches", "crop_to_patches"))
    return tf.Cohere2VisionProcessor(image, tokenizer()), {}, {}


def ovis2(s: Settings) -> Made:
    names = ("min_patches", "max_patches", "crop_to_patches", "use_covering_area_grid")
    image = tf.Ovis2ImageProcessor(size=squares(s), **picked(s, *names))
    length = (s["image_size"] // s["patch_size"] // s["hidden_stride"]) ** 2
    made = tf.Ovis2Processor(image, tokenizer(), image_seq_length=length)
    return made, {"return_tensors": "pt"}, {}


def deepseek_ocr2(s: Settings) -> Made:
    image = tf.DeepseekOcr2ImageProcessor(size=squares(s), tile_size=s["tile_size"])
    made = tf.DeepseekOcr2Processor(image, tokenizer(), **picked(s, "patch_size", "downsample_ratio"))
    return made, picked(s, "crop_to_patches", "min_patches", "max_patches"), {}


def lfm2_vl(s: Settings) -> Made:
    names = (
        "min_image_tokens",
        "max_image_tokens",
        "do_image_splitting",
        "min_tiles",
        "max_tiles",
        "use_thumbnail",
    )
    image = tf.Lfm2VlImageProcessor(
        **picked(s, *names, "max_pixels_tolerance", "tile_size", "downsample_factor"),
        encoder_patch_size=s["patch_size"],
    )
    made = tf.Lfm2VlProcessor(image, tokenizer())
    call = picked(s, *names, "tile_size", "downsample_factor")
    return made, {"use_image_special_tokens": True, "encoder_patch_size": s["patch_size"], **call}, {}


def phi4_multimodal(s: Settings) -> Made:
    image = tf.Phi4MultimodalImageProcessor(size=squares(s), **picked(s, "patch_size", "dynamic_hd"))
    return _bare(tf.Phi4MultimodalProcessor, image), {}, {}


def minicpm_v(s: Settings) -> Made:
    common = picked(s, "scale_resolution", "downsample_mode", "patch_size")
    image = tf.MiniCPMV4_6ImageProcessor(**picked(s, "max_slice_nums", "slice_mode"), **common)
    video = tf.MiniCPMV4_6VideoProcessor(
        **picked(s, "max_slice_nums", "slice_mode", prefix="video_"), **common, do_sample_frames=False
    )
    return tf.MiniCPMV4_6Processor(image, video, tokenizer()), {}, {}


def _pinpoints(s: Settings, name: str = "image_grid_pinpoints") -> list[list[int]]:
    return [list(canvas) for canvas in s[name]]


def llava_next(s: Settings) -> Made:
    image = tf.LlavaNextImageProcessor(
        size={"shortest_edge": s["image_size"]}, crop_size=squares(s), image_grid_pinpoints=_pinpoints(s)
    )
    strategy = picked(s, "vision_feature_select_strategy", "num_additional_image_tokens")
    made = tf.LlavaNextProcessor(image, tokenizer(), patch_size=s["patch_size"], **strategy)
    return made, {"return_tensors": "pt"}, {}


def llava_next_video(s: Settings) -> Made:
    made, image_call, video_call = llava_next(s)
    video = tf.LlavaNextVideoVideoProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    strategy = picked(s, "vision_feature_select_strategy", "num_additional_image_tokens")
    whole = tf.LlavaNextVideoProcessor(
        video, made.image_processor, tokenizer(), patch_size=s["patch_size"], **strategy
    )
    return whole, image_call, video_call


def llava_onevision(s: Settings) -> Made:
    image = tf.LlavaOnevisionImageProcessor(size=squares(s), image_grid_pinpoints=_pinpoints(s))
    made = tf.LlavaOnevisionProcessor(
        image,
        tokenizer(),
        tf.LlavaOnevisionVideoProcessor(size=squares(s)),
        num_image_tokens=(s["image_size"] // s["patch_size"]) ** 2,
        vision_feature_select_strategy="full",
        vision_aspect_ratio=s["vision_aspect_ratio"],
    )
    return made, {"return_tensors": "pt"}, {}


def aria(s: Settings) -> Made:
    image = tf.AriaImageProcessor(split_resolutions=_pinpoints(s, "split_resolutions"))
    return tf.AriaProcessor(image, tokenizer()), picked(s, "max_image_size", "split_image"), {}


def kimi_k25(s: Settings) -> Made:
    common = picked(s, "patch_size", "merge_size")
    side = {"max_height": s["max_side_patches"], "max_width": s["max_side_patches"]}
    image = tf.Kimi_K25ImageProcessor(size=side, max_patches=s["max_patches"], **common)
    side = {"max_height": s["video_max_side_patches"], "max_width": s["video_max_side_patches"]}
    video = tf.Kimi_K25VideoProcessor(
        size=side, max_patches=s["video_max_patches"], temporal_patch_size=s["temporal_patch_size"], **common
    )
    return tf.Kimi_K25Processor(image, tokenizer(), video), {}, {}


def _pixtral(s: Settings) -> Made:
    image = tf.PixtralImageProcessor(size={"longest_edge": s["longest_edge"]}, patch_size=s["patch_size"])
    made = tf.PixtralProcessor(
        image, tokenizer(), patch_size=s["patch_size"], spatial_merge_size=s["spatial_merge_size"]
    )
    return made, {"return_tensors": "pt"}, {}


def lighton_ocr(s: Settings) -> Made:
    factor = s["patch_size"] * s["spatial_merge_size"]
    image = tf.PixtralImageProcessor(size={"longest_edge": s["longest_edge"]}, patch_size=factor)
    made = tf.LightOnOcrProcessor(
        image, tokenizer(), patch_size=s["patch_size"], spatial_merge_size=s["spatial_merge_size"]
    )
    return made, {"return_tensors": "pt"}, {}


def gemma4(s: Settings) -> Made:
    common = picked(s, "patch_size", "pooling_kernel_size")
    image = tf.Gemma4ImageProcessor(max_soft_tokens=s["max_soft_tokens"], **common)
    video = tf.Gemma4VideoProcessor(max_soft_tokens=s["video_max_soft_tokens"], **common)
    made = _bare(tf.Gemma4Processor, image, video)
    made.boi_token, made.eoi_token = "<boi>", "<eoi>"
    return made, {}, {}


def gemma3(s: Settings) -> Made:
    names = ("do_pan_and_scan", "pan_and_scan_min_crop_size", "pan_and_scan_max_num_crops")
    made = tf.Gemma3Processor(
        tf.Gemma3ImageProcessor(size=squares(s)), tokenizer(), image_seq_length=s["image_seq_length"]
    )
    return made, picked(s, *names, "pan_and_scan_min_ratio_to_activate"), {}


def idefics3(s: Settings) -> Made:
    image = tf.Idefics3ImageProcessor(
        size={"longest_edge": s["longest_edge"]},
        max_image_size={"longest_edge": s["max_image_size"]},
        do_image_splitting=s["do_image_splitting"],
    )
    length = (s["max_image_size"] // s["patch_size"] // s["scale_factor"]) ** 2
    return tf.Idefics3Processor(image, tokenizer(), image_seq_len=length), {"return_row_col_info": True}, {}


def smolvlm(s: Settings) -> Made:
    from transformers.models.smolvlm import processing_smolvlm

    processing_smolvlm.num2words = str
    tile = {"longest_edge": s["max_image_size"]}
    image = tf.SmolVLMImageProcessor(
        size={"longest_edge": s["longest_edge"]},
        max_image_size=tile,
        do_image_splitting=s["do_image_splitting"],
    )
    video = tf.SmolVLMVideoProcessor(size={"longest_edge": s["longest_edge"]}, max_image_size=tile)
    length = (s["max_image_size"] // s["patch_size"] // s["scale_factor"]) ** 2
    made = tf.SmolVLMProcessor(image, tokenizer(), video, image_seq_len=length)
    made.video_token = made.image_token
    return made, {"return_row_col_info": True}, {"return_tensors": "pt"}


def mllama(s: Settings) -> Made:
    image = tf.MllamaImageProcessor(size=squares(s), max_image_tiles=s["max_image_tiles"])
    made = _bare(tf.MllamaProcessor, image)
    patches = (s["image_size"] // s["patch_size"]) ** 2 + 1
    made.tokens_of = lambda inputs: (sum(inputs["num_tiles"][0]) * patches, 1)
    return made, {}, {}


def idefics2(s: Settings) -> Made:
    size = picked(s, "shortest_edge", "longest_edge")
    image = tf.Idefics2ImageProcessor(size=size, do_image_splitting=s["do_image_splitting"])
    made = _bare(tf.Idefics2Processor, image)
    made.tokens_of = lambda inputs: (
        inputs["pixel_values"].shape[1] * s["image_seq_len"],
        inputs["pixel_values"].shape[1] + 1,
    )
    return made, {"return_tensors": "pt"}, {}


def llama4(s: Settings) -> Made:
    image = tf.Llama4ImageProcessor(size=squares(s), **picked(s, "max_patches", "resize_to_max_canvas"))
    names = picked(s, "patch_size", "pixel_shuffle_ratio")
    made = tf.Llama4Processor(image, tokenizer(), **names)
    made.counted_token = "<|patch|>"
    return made, {"return_tensors": "pt"}, {}


def perception_lm(s: Settings) -> Made:
    image = tf.PerceptionLMImageProcessor(
        size=squares(s, "tile_size"), **picked(s, "max_num_tiles", "vision_input_type", "tile_size")
    )
    video = tf.PerceptionLMVideoProcessor(size=squares(s, "tile_size"))
    made = tf.PerceptionLMProcessor(video, image, tokenizer(), **picked(s, "patch_size", "pooling_ratio"))
    return made, {}, {}


def molmo2(s: Settings) -> Made:
    names = ("max_crops", "patch_size")
    image = tf.Molmo2ImageProcessor(
        size=squares(s),
        overlap_margins=list(s["overlap_margins"]),
        pooling_size=list(s["pooling_size"]),
        **picked(s, *names),
    )
    video = tf.Molmo2VideoProcessor(
        size=squares(s),
        patch_size=s["patch_size"],
        pooling_size=list(s["video_pooling_size"]),
        do_sample_frames=False,
    )
    made = tf.Molmo2Processor(image, video, tokenizer())
    made.counted_token = "<im_patch>"
    return made, {"return_tensors": "pt"}, {}


def fuyu(s: Settings) -> Made:
    patch = squares(s, "patch_size")
    image = tf.FuyuImageProcessor(size=picked(s, "height", "width"), patch_size=patch)
    return tf.FuyuProcessor(image, tokenizer()), {"return_tensors": "pt"}, {}


def hunyuan_vl(s: Settings) -> Made:
    image = tf.HunYuanVLImageProcessor(size=edges(s), **picked(s, "patch_size", "merge_size"))
    return tf.HunYuanVLProcessor(image, tokenizer()), {}, {}


def video_llama_3(s: Settings) -> Made:
    image = tf.VideoLlama3ImageProcessor(size=edges(s), **picked(s, "patch_size", "merge_size"))
    return tf.VideoLlama3Processor(image, tokenizer(), tf.VideoLlama3VideoProcessor()), {}, {}


def llava(s: Settings) -> Made:
    image = tf.CLIPImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    strategy = picked(s, "vision_feature_select_strategy", "num_additional_image_tokens")
    made = tf.LlavaProcessor(image, tokenizer(), patch_size=s["patch_size"], **strategy)
    return made, {}, {}


def fast_vlm(s: Settings) -> Made:
    image = tf.CLIPImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    made = tf.LlavaProcessor(
        image, tokenizer(), patch_size=s["patch_size"], vision_feature_select_strategy="full"
    )
    return made, {}, {}


def video_llava(s: Settings) -> Made:
    made = tf.VideoLlavaProcessor(
        tf.VideoLlavaImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s)),
        tf.VideoLlavaVideoProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s)),
        tokenizer(),
        patch_size=s["patch_size"],
    )
    return made, {"real": True}, {}


def emu3(s: Settings) -> Made:
    image = tf.Emu3ImageProcessor(**picked(s, "min_pixels", "max_pixels", "spatial_factor"))
    return tf.Emu3Processor(image, tokenizer()), {"arithmetic": True}, {}


def _constant(processor: str, image: str, name: str, **keywords: Any) -> Callable[[Settings], Made]:
    """A processor whose number of tokens is a number that it is given."""

    def build(s: Settings) -> Made:
        inner = getattr(tf, image)(size=squares(s))
        if keywords.get("on_image"):
            inner.image_seq_length = s[keywords["on_image"]]
            return getattr(tf, processor)(inner, tokenizer()), {}, {}
        return getattr(tf, processor)(inner, tokenizer(), **{name: s[name]}), {}, {}

    return build


def paligemma(s: Settings) -> Made:
    image = tf.SiglipImageProcessor(size=squares(s))
    image.image_seq_length = (s["image_size"] // s["patch_size"]) ** 2
    return tf.PaliGemmaProcessor(image, tokenizer()), {}, {}


def gemma3n(s: Settings) -> Made:
    made = _bare(tf.Gemma3nProcessor, tf.SiglipImageProcessor(size=squares(s)))
    made.full_image_sequence = "\n\n<boi>" + "<image>" * s["image_seq_length"] + "<eoi>\n\n"
    return made, {}, {}


def chameleon(s: Settings) -> Made:
    image = tf.ChameleonImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    return tf.ChameleonProcessor(image, tokenizer(), image_seq_length=s["image_seq_length"]), {}, {}


def blip_2(s: Settings) -> Made:
    made = _bare(tf.Blip2Processor, tf.BlipImageProcessor(size=squares(s)))
    made.num_query_tokens = s["num_query_tokens"]
    made.tokens_of = lambda inputs: (made.num_query_tokens * len(inputs["pixel_values"]), 0)
    return made, {}, {}


def florence2(s: Settings) -> Made:
    image = tf.CLIPImageProcessor(size=squares(s), do_center_crop=False)
    image.image_seq_length = s["image_seq_length"]
    made = _bare(tf.Florence2Processor, image)
    made.num_image_tokens = image.image_seq_length
    return made, {}, {}


def _bare(kind: Any, image: Any, video: Any = None) -> Any:
    """A processor without the parts for sound, which its constructor asks for."""
    made = object.__new__(kind)
    made.image_processor, made.tokenizer = image, tokenizer()
    made.image_token, made.video_token = "<image>", "<video>"
    if video is not None:
        made.video_processor = video
    return made


BUILDERS: dict[str, Callable[[Settings], Made]] = {
    "aria": aria,
    "aya_vision": aya_vision,
    "blip_2": blip_2,
    "chameleon": chameleon,
    "cohere2_vision": cohere2_vision,
    "deepseek_ocr2": deepseek_ocr2,
    "deepseek_vl": _constant("DeepseekVLProcessor", "DeepseekVLImageProcessor", "num_image_tokens"),
    "emu3": emu3,
    "ernie4_5_vl": _merging(
        "Ernie4_5_VLMoeProcessor", "Ernie4_5_VLMoeImageProcessor", "Ernie4_5_VLMoeVideoProcessor"
    ),
    "fast_vlm": fast_vlm,
    "florence2": florence2,
    "fuyu": fuyu,
    "gemma3": gemma3,
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "glm4v": _merging("Glm4vProcessor", "Glm4vImageProcessor", "Glm4vVideoProcessor"),
    "got_ocr2": got_ocr2,
    "hunyuan_vl": hunyuan_vl,
    "idefics2": idefics2,
    "idefics3": idefics3,
    "internvl": internvl,
    "janus": _constant("JanusProcessor", "JanusImageProcessor", "num_image_tokens"),
    "kimi_k25": kimi_k25,
    "lfm2_vl": lfm2_vl,
    "lighton_ocr": lighton_ocr,
    "llama4": llama4,
    "llava": llava,
    "llava_next": llava_next,
    "llava_next_video": llava_next_video,
    "llava_onevision": llava_onevision,
    "minicpm_v": minicpm_v,
    "mistral3": _pixtral,
    "mllama": mllama,
    "molmo2": molmo2,
    "ovis2": ovis2,
    "paddleocr_vl": _merging("PaddleOCRVLProcessor", "PaddleOCRVLImageProcessor", None),
    "paligemma": paligemma,
    "perception_lm": perception_lm,
    "phi4_multimodal": phi4_multimodal,
    "pixtral": _pixtral,
    "qwen2_5_vl": _merging("Qwen2_5_VLProcessor", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"),
    "qwen2_vl": _merging("Qwen2VLProcessor", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"),
    "qwen3_5": _merging("Qwen3VLProcessor", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"),
    "qwen3_vl": _merging("Qwen3VLProcessor", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"),
    "smolvlm": smolvlm,
    "video_llama_3": video_llama_3,
    "video_llava": video_llava,
}
"""One for each family that the tests compare."""


READS_VALUES = ("gemma4", "llama4", "molmo2", "phi4_multimodal")
"""Families whose processors compute numbers from small tensors; these need real ones."""


def images(family: str, made: Made, sizes: list[list[int]], together: int = 1) -> list[Any]:
    """[visual tokens, markers] of each image, or the processor's error."""
    processor, call, _ = made
    processor.defaults = processor._merge_kwargs()["images_kwargs"]
    return [
        _attempt(family, lambda size=size: _image(processor, dict(call), size, together)) for size in sizes
    ]


def videos(family: str, made: Made, sizes: list[list[int]]) -> list[Any]:
    processor, _, call = made
    processor.defaults = processor._merge_kwargs()["videos_kwargs"]
    return [_attempt(family, lambda size=size: _video(family, processor, dict(call), size)) for size in sizes]


def _attempt(family: str, run: Callable[[], Any]) -> Any:
    try:
        with OnCpu() if family in READS_VALUES else contextlib.nullcontext():
            return run()
    except (
        ValueError,
        RuntimeError,
        ZeroDivisionError,
        IndexError,
        AttributeError,
        TypeError,
        KeyError,
    ) as error:
        return f"{type(error).__name__}: {error}"


def _image(processor: Any, call: Settings, size: list[int], together: int) -> list[int]:
    width, height = size
    if call.pop("arithmetic", False):
        return [
            *processor._get_num_multimodal_tokens(image_sizes=[[height, width]])["num_image_tokens"],
            -1,
            -1,
        ]
    device = "cpu" if call.pop("real", False) else "meta"
    picture = torch.empty(3, height, width, dtype=torch.uint8, device=device)
    pictures = [[picture] * together] if together > 1 else [picture]
    if hasattr(processor, "tokens_of"):
        inputs = processor.image_processor(pictures, input_data_format="channels_first", **call)
        return [*processor.tokens_of(inputs), _patches(processor, inputs)]
    defaults = dict(processor.defaults)
    inputs, texts = processor._process_images(
        pictures, **{**defaults, "input_data_format": "channels_first", **call}
    )
    return [*_counts(processor, texts[0]), -1 if together > 1 else _patches(processor, inputs)]


def _patches(processor: Any, inputs: Any) -> int:
    """The patches of the encoder, read off what it is handed; -1 where that does not say."""
    if "num_tiles" in inputs:
        height, width = inputs["pixel_values"].shape[-2:]
        return (
            sum(inputs["num_tiles"][0]) * (height // processor.patch_side) * (width // processor.patch_side)
        )
    if "image_position_ids" in inputs:
        return int((inputs["image_position_ids"][0, :, 0] >= 0).sum())
    for name in ("image_grid_thw", "spatial_shapes", "target_sizes"):
        if name in inputs:
            return sum(math.prod(int(n) for n in row) for row in inputs[name])
    total = 0
    for name in ("pixel_values", "pixel_values_local", "image_pixel_values"):
        for part in inputs.get(name, ()):
            *outer, height, width = part.shape
            if not outer or outer[-1] != 3:
                return -1
            side = processor.patch_side
            total += math.prod(outer[:-1]) * (height // side) * (width // side)
    return total or -1


def _counts(processor: Any, text: str) -> list[int]:
    token = ""
    for known in (
        getattr(processor, "counted_token", ""),
        "<patch>",
        "<IMG_ATOM>",
        "<context>",
        "[IMG]",
        "<image>",
        "<imgpad>",
        "|SPEAKER|",
        "<video>",
    ):
        if known and known in text:
            token = known
            break
    if not token:
        return [0, len(_MARKER.findall(text))]
    return [text.count(token), len(_MARKER.findall(text.replace(token, "")))]


def _video(family: str, processor: Any, call: Settings, size: list[int]) -> list[int]:
    frames, width, height = size
    clip = torch.empty(frames, 3, height, width, dtype=torch.uint8, device="meta")
    about = VideoMetadata(
        total_num_frames=frames,
        fps=2.0,
        duration=frames / 2,
        frames_indices=list(range(frames)),
        width=width,
        height=height,
    )
    defaults = dict(processor.defaults)
    call = {
        **defaults,
        "do_sample_frames": False,
        "input_data_format": "channels_first",
        "return_metadata": True,
        **call,
    }
    if family == "ernie4_5_vl":
        call["draw_on_frames"] = False
    _, texts = processor._process_videos([clip], video_metadata=[about], **call)
    return _counts(processor, texts[0])


def answer(family: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the processors count for one request."""
    made = BUILDERS[family](asked["settings"])
    made[0].patch_side = asked["settings"].get("patch_size", 1)
    return {
        "images": images(family, made, asked.get("images", []), asked.get("together", 1)),
        "videos": videos(family, made, asked.get("videos", [])),
    }


if __name__ == "__main__":
    requests = json.load(sys.stdin)
    json.dump([answer(request["family"], request) for request in requests], sys.stdout)
