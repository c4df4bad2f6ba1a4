"""transformers' own processors, each built from the settings of one family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pieces import Made, Settings, bare, classes, edges, picked, pinpoints, squares, tokenizer


def _merging(processor: str, image: str, video: str | None) -> Callable[[Settings], Made]:
    def build(s: Settings) -> Made:
        common = {"patch_size": s["patch_size"], "merge_size": s["merge_size"]}
        if "temporal_patch_size" in s and "Ernie" not in image and "Kimi" not in image:
            common["temporal_patch_size"] = s["temporal_patch_size"]
        parts = [getattr(classes, image)(size=edges(s), **common), tokenizer()]
        if video is not None:
            extra = picked(s, "cap_pixels_per_frame") if "cap_pixels_per_frame" in s else {}
            if "Ernie" in video:
                common["temporal_patch_size"] = s["temporal_patch_size"]
            parts.append(getattr(classes, video)(size=edges(s, "video_"), **common, **extra))
        return getattr(classes, processor)(*parts), {}, {}

    return build


def internvl(s: Settings) -> Made:
    image = classes.GotOcr2ImageProcessor(size=squares(s), **picked(s, "min_patches", "max_patches"))
    video = classes.InternVLVideoProcessor(size=squares(s))
    per_tile = int((s["image_size"] // s["patch_size"]) ** 2 * s["downsample_ratio"] ** 2)
    made = classes.InternVLProcessor(image, tokenizer(), video, image_seq_length=per_tile)
    return made, picked(s, "crop_to_patches"), {}


def got_ocr2(s: Settings) -> Made:
    made = classes.GotOcr2Processor(classes.GotOcr2ImageProcessor(size=squares(s)), tokenizer())
    return made, picked(s, "min_patches", "max_patches", "crop_to_patches"), {}


def aya_vision(s: Settings) -> Made:
    image = classes.GotOcr2ImageProcessor(size=squares(s), **picked(s, "min_patches", "max_patches"))
    made = classes.AyaVisionProcessor(
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
    image = classes.Cohere2VisionImageProcessor(
        size=squares(s), **picked(s, "max_patches", "crop_to_patches")
    )
    return classes.Cohere2VisionProcessor(image, tokenizer()), {}, {}


def ovis2(s: Settings) -> Made:
    names = ("min_patches", "max_patches", "crop_to_patches", "use_covering_area_grid")
    image = classes.Ovis2ImageProcessor(size=squares(s), **picked(s, *names))
    length = (s["image_size"] // s["patch_size"] // s["hidden_stride"]) ** 2
    made = classes.Ovis2Processor(image, tokenizer(), image_seq_length=length)
    return made, {"return_tensors": "pt"}, {}


def deepseek_ocr2(s: Settings) -> Made:
    image = classes.DeepseekOcr2ImageProcessor(size=squares(s), tile_size=s["tile_size"])
    made = classes.DeepseekOcr2Processor(image, tokenizer(), **picked(s, "patch_size", "downsample_ratio"))
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
    image = classes.Lfm2VlImageProcessor(
        **picked(s, *names, "max_pixels_tolerance", "tile_size", "downsample_factor"),
        encoder_patch_size=s["patch_size"],
    )
    made = classes.Lfm2VlProcessor(image, tokenizer())
    call = picked(s, *names, "tile_size", "downsample_factor")
    return made, {"use_image_special_tokens": True, "encoder_patch_size": s["patch_size"], **call}, {}


def phi4_multimodal(s: Settings) -> Made:
    image = classes.Phi4MultimodalImageProcessor(size=squares(s), **picked(s, "patch_size", "dynamic_hd"))
    return bare(classes.Phi4MultimodalProcessor, image), {}, {}


def minicpm_v(s: Settings) -> Made:
    common = picked(s, "scale_resolution", "downsample_mode", "patch_size")
    image = classes.MiniCPMV4_6ImageProcessor(**picked(s, "max_slice_nums", "slice_mode"), **common)
    video = classes.MiniCPMV4_6VideoProcessor(
        **picked(s, "max_slice_nums", "slice_mode", prefix="video_"), **common, do_sample_frames=False
    )
    return classes.MiniCPMV4_6Processor(image, video, tokenizer()), {}, {}


def llava_next(s: Settings) -> Made:
    image = classes.LlavaNextImageProcessor(
        size={"shortest_edge": s["image_size"]}, crop_size=squares(s), image_grid_pinpoints=pinpoints(s)
    )
    strategy = picked(s, "vision_feature_select_strategy", "num_additional_image_tokens")
    made = classes.LlavaNextProcessor(image, tokenizer(), patch_size=s["patch_size"], **strategy)
    return made, {"return_tensors": "pt"}, {}


def llava_next_video(s: Settings) -> Made:
    made, image_call, video_call = llava_next(s)
    video = classes.LlavaNextVideoVideoProcessor(
        size={"shortest_edge": s["image_size"]}, crop_size=squares(s)
    )
    strategy = picked(s, "vision_feature_select_strategy", "num_additional_image_tokens")
    whole = classes.LlavaNextVideoProcessor(
        video, made.image_processor, tokenizer(), patch_size=s["patch_size"], **strategy
    )
    return whole, image_call, video_call


def llava_onevision(s: Settings) -> Made:
    image = classes.LlavaOnevisionImageProcessor(size=squares(s), image_grid_pinpoints=pinpoints(s))
    made = classes.LlavaOnevisionProcessor(
        image,
        tokenizer(),
        classes.LlavaOnevisionVideoProcessor(size=squares(s)),
        num_image_tokens=(s["image_size"] // s["patch_size"]) ** 2,
        vision_feature_select_strategy="full",
        vision_aspect_ratio=s["vision_aspect_ratio"],
    )
    return made, {"return_tensors": "pt"}, {}


def aria(s: Settings) -> Made:
    image = classes.AriaImageProcessor(split_resolutions=pinpoints(s, "split_resolutions"))
    return classes.AriaProcessor(image, tokenizer()), picked(s, "max_image_size", "split_image"), {}


def kimi_k25(s: Settings) -> Made:
    common = picked(s, "patch_size", "merge_size")
    side = {"max_height": s["max_side_patches"], "max_width": s["max_side_patches"]}
    image = classes.Kimi_K25ImageProcessor(size=side, max_patches=s["max_patches"], **common)
    side = {"max_height": s["video_max_side_patches"], "max_width": s["video_max_side_patches"]}
    video = classes.Kimi_K25VideoProcessor(
        size=side, max_patches=s["video_max_patches"], temporal_patch_size=s["temporal_patch_size"], **common
    )
    return classes.Kimi_K25Processor(image, tokenizer(), video), {}, {}


def _pixtral(s: Settings) -> Made:
    image = classes.PixtralImageProcessor(
        size={"longest_edge": s["longest_edge"]}, patch_size=s["patch_size"]
    )
    made = classes.PixtralProcessor(
        image, tokenizer(), patch_size=s["patch_size"], spatial_merge_size=s["spatial_merge_size"]
    )
    return made, {"return_tensors": "pt"}, {}


def lighton_ocr(s: Settings) -> Made:
    factor = s["patch_size"] * s["spatial_merge_size"]
    image = classes.PixtralImageProcessor(size={"longest_edge": s["longest_edge"]}, patch_size=factor)
    made = classes.LightOnOcrProcessor(
        image, tokenizer(), patch_size=s["patch_size"], spatial_merge_size=s["spatial_merge_size"]
    )
    return made, {"return_tensors": "pt"}, {}


def gemma4(s: Settings) -> Made:
    common = picked(s, "patch_size", "pooling_kernel_size")
    image = classes.Gemma4ImageProcessor(max_soft_tokens=s["max_soft_tokens"], **common)
    video = classes.Gemma4VideoProcessor(max_soft_tokens=s["video_max_soft_tokens"], **common)
    made = bare(classes.Gemma4Processor, image, video)
    made.boi_token, made.eoi_token = "<boi>", "<eoi>"
    return made, {}, {}


def gemma3(s: Settings) -> Made:
    names = ("do_pan_and_scan", "pan_and_scan_min_crop_size", "pan_and_scan_max_num_crops")
    made = classes.Gemma3Processor(
        classes.Gemma3ImageProcessor(size=squares(s)), tokenizer(), image_seq_length=s["image_seq_length"]
    )
    return made, picked(s, *names, "pan_and_scan_min_ratio_to_activate"), {}


def idefics3(s: Settings) -> Made:
    image = classes.Idefics3ImageProcessor(
        size={"longest_edge": s["longest_edge"]},
        max_image_size={"longest_edge": s["max_image_size"]},
        do_image_splitting=s["do_image_splitting"],
    )
    length = (s["max_image_size"] // s["patch_size"] // s["scale_factor"]) ** 2
    return (
        classes.Idefics3Processor(image, tokenizer(), image_seq_len=length),
        {"return_row_col_info": True},
        {},
    )


def smolvlm(s: Settings) -> Made:
    from transformers.models.smolvlm import processing_smolvlm

    processing_smolvlm.num2words = str
    tile = {"longest_edge": s["max_image_size"]}
    image = classes.SmolVLMImageProcessor(
        size={"longest_edge": s["longest_edge"]},
        max_image_size=tile,
        do_image_splitting=s["do_image_splitting"],
    )
    video = classes.SmolVLMVideoProcessor(size={"longest_edge": s["longest_edge"]}, max_image_size=tile)
    length = (s["max_image_size"] // s["patch_size"] // s["scale_factor"]) ** 2
    made = classes.SmolVLMProcessor(image, tokenizer(), video, image_seq_len=length)
    made.video_token = made.image_token
    return made, {"return_row_col_info": True}, {"return_tensors": "pt"}


def mllama(s: Settings) -> Made:
    image = classes.MllamaImageProcessor(size=squares(s), max_image_tiles=s["max_image_tiles"])
    made = bare(classes.MllamaProcessor, image)
    patches = (s["image_size"] // s["patch_size"]) ** 2 + 1
    made.tokens_of = lambda inputs: (sum(inputs["num_tiles"][0]) * patches, 1)
    return made, {}, {}


def idefics2(s: Settings) -> Made:
    size = picked(s, "shortest_edge", "longest_edge")
    image = classes.Idefics2ImageProcessor(size=size, do_image_splitting=s["do_image_splitting"])
    made = bare(classes.Idefics2Processor, image)
    made.tokens_of = lambda inputs: (
        inputs["pixel_values"].shape[1] * s["image_seq_len"],
        inputs["pixel_values"].shape[1] + 1,
    )
    return made, {"return_tensors": "pt"}, {}


def llama4(s: Settings) -> Made:
    image = classes.Llama4ImageProcessor(size=squares(s), **picked(s, "max_patches", "resize_to_max_canvas"))
    names = picked(s, "patch_size", "pixel_shuffle_ratio")
    made = classes.Llama4Processor(image, tokenizer(), **names)
    made.counted_token = "<|patch|>"
    return made, {"return_tensors": "pt"}, {}


def perception_lm(s: Settings) -> Made:
    image = classes.PerceptionLMImageProcessor(
        size=squares(s, "tile_size"), **picked(s, "max_num_tiles", "vision_input_type", "tile_size")
    )
    video = classes.PerceptionLMVideoProcessor(size=squares(s, "tile_size"))
    made = classes.PerceptionLMProcessor(
        video, image, tokenizer(), **picked(s, "patch_size", "pooling_ratio")
    )
    return made, {}, {}


def molmo2(s: Settings) -> Made:
    names = ("max_crops", "patch_size")
    image = classes.Molmo2ImageProcessor(
        size=squares(s),
        overlap_margins=list(s["overlap_margins"]),
        pooling_size=list(s["pooling_size"]),
        **picked(s, *names),
    )
    video = classes.Molmo2VideoProcessor(
        size=squares(s),
        patch_size=s["patch_size"],
        pooling_size=list(s["video_pooling_size"]),
        do_sample_frames=False,
    )
    made = classes.Molmo2Processor(image, video, tokenizer())
    made.counted_token = "<im_patch>"
    return made, {"return_tensors": "pt"}, {}


def fuyu(s: Settings) -> Made:
    patch = squares(s, "patch_size")
    image = classes.FuyuImageProcessor(size=picked(s, "height", "width"), patch_size=patch)
    return classes.FuyuProcessor(image, tokenizer()), {"return_tensors": "pt"}, {}


def hunyuan_vl(s: Settings) -> Made:
    image = classes.HunYuanVLImageProcessor(size=edges(s), **picked(s, "patch_size", "merge_size"))
    return classes.HunYuanVLProcessor(image, tokenizer()), {}, {}


def video_llama_3(s: Settings) -> Made:
    image = classes.VideoLlama3ImageProcessor(size=edges(s), **picked(s, "patch_size", "merge_size"))
    return classes.VideoLlama3Processor(image, tokenizer(), classes.VideoLlama3VideoProcessor()), {}, {}


def llava(s: Settings) -> Made:
    image = classes.CLIPImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    strategy = picked(s, "vision_feature_select_strategy", "num_additional_image_tokens")
    made = classes.LlavaProcessor(image, tokenizer(), patch_size=s["patch_size"], **strategy)
    return made, {}, {}


def fast_vlm(s: Settings) -> Made:
    image = classes.CLIPImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    made = classes.LlavaProcessor(
        image, tokenizer(), patch_size=s["patch_size"], vision_feature_select_strategy="full"
    )
    return made, {}, {}


def video_llava(s: Settings) -> Made:
    made = classes.VideoLlavaProcessor(
        classes.VideoLlavaImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s)),
        classes.VideoLlavaVideoProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s)),
        tokenizer(),
        patch_size=s["patch_size"],
    )
    return made, {"real": True}, {}


def emu3(s: Settings) -> Made:
    image = classes.Emu3ImageProcessor(**picked(s, "min_pixels", "max_pixels", "spatial_factor"))
    return classes.Emu3Processor(image, tokenizer()), {"arithmetic": True}, {}


def _constant(processor: str, image: str, name: str, **keywords: Any) -> Callable[[Settings], Made]:
    """A processor whose number of tokens is a number that it is given."""

    def build(s: Settings) -> Made:
        inner = getattr(classes, image)(size=squares(s))
        if keywords.get("on_image"):
            inner.image_seq_length = s[keywords["on_image"]]
            return getattr(classes, processor)(inner, tokenizer()), {}, {}
        return getattr(classes, processor)(inner, tokenizer(), **{name: s[name]}), {}, {}

    return build


def paligemma(s: Settings) -> Made:
    image = classes.SiglipImageProcessor(size=squares(s))
    image.image_seq_length = (s["image_size"] // s["patch_size"]) ** 2
    return classes.PaliGemmaProcessor(image, tokenizer()), {}, {}


def gemma3n(s: Settings) -> Made:
    made = bare(classes.Gemma3nProcessor, classes.SiglipImageProcessor(size=squares(s)))
    made.full_image_sequence = "\n\n<boi>" + "<image>" * s["image_seq_length"] + "<eoi>\n\n"
    return made, {}, {}


def chameleon(s: Settings) -> Made:
    image = classes.ChameleonImageProcessor(size={"shortest_edge": s["image_size"]}, crop_size=squares(s))
    return classes.ChameleonProcessor(image, tokenizer(), image_seq_length=s["image_seq_length"]), {}, {}


def blip_2(s: Settings) -> Made:
    made = bare(classes.Blip2Processor, classes.BlipImageProcessor(size=squares(s)))
    made.num_query_tokens = s["num_query_tokens"]
    made.tokens_of = lambda inputs: (made.num_query_tokens * len(inputs["pixel_values"]), 0)
    return made, {}, {}


def florence2(s: Settings) -> Made:
    image = classes.CLIPImageProcessor(size=squares(s), do_center_crop=False)
    image.image_seq_length = s["image_seq_length"]
    made = bare(classes.Florence2Processor, image)
    made.num_image_tokens = image.image_seq_length
    return made, {}, {}


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
    "glm_ocr": _merging("Glm46VProcessor", "Glm46VImageProcessor", "Glm46VVideoProcessor"),
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
