"""Checkpoints of other layouts, written here from modules with those projects' names; logits equal after converting."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForImageTextToText

from scalelaw import cli
from scalelaw.errors import InputError
from scalelaw.results.schema import schema
from scalelaw.vlm.convert import convert, read_weights

from .quecc.conftest import LLM, TOWER, build, tokenizer, tower_config

VOCAB = LLM["vocab_size"]
BEFORE, AFTER, QUESTION = [5, 6], [7, 8, 9, 10], [8, 9]


class ReferenceQuecc(nn.Module):
    """The compressor with the names of the QueCC repository, its attention torch's own; windows of 2 x 2 on 4 x 4."""

    def __init__(self) -> None:
        super().__init__()
        width, text = TOWER["hidden_size"], LLM["hidden_size"]

        def mlp(inner: int) -> nn.Sequential:
            norm = nn.LayerNorm(width, eps=1e-6)
            return nn.Sequential(nn.Linear(inner, width), nn.GELU(), nn.Linear(width, width), norm)

        self.clip_attn = nn.MultiheadAttention(width, 8, batch_first=True)
        self.q_proj, self.k_proj, self.v_proj = mlp(width), mlp(4 * width), mlp(4 * width)
        self.q_downsample = nn.Conv2d(width, width, 2, stride=2, groups=width)
        self.text_projection = nn.Sequential(nn.Linear(text, width), nn.LayerNorm(width, eps=1e-6))

    def forward(self, x: torch.Tensor, multi: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        grid = self.q_proj(x + self.text_projection(question)[:, None]).transpose(1, 2).unflatten(2, (4, 4))
        query = self.q_downsample(grid).flatten(2).transpose(1, 2)

        def windows(y: torch.Tensor) -> torch.Tensor:
            return y.reshape(len(y), 2, 2, 2, 2, -1).transpose(2, 3).reshape(len(y) * 4, 4, -1)

        keys, values = windows(self.k_proj(multi)), windows(self.v_proj(multi))
        return self.clip_attn(query.reshape(-1, 1, query.shape[-1]), keys, values)[0].reshape(query.shape)


class Reference:
    """Tower, projector with or without a compressor in front, LLM."""

    def __init__(self, compressed: bool) -> None:
        torch.manual_seed(3)
        self.compressed = compressed
        self.tower = transformers.CLIPVisionModel(tower_config()).eval()
        self.llm = transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLM)).eval()
        width, text = TOWER["hidden_size"], LLM["hidden_size"]
        linear = [nn.Linear(width, text), nn.GELU(), nn.Linear(text, text)]
        self.projector = nn.Sequential(*([ReferenceQuecc()] if compressed else []), *linear)
        for parameter in self.projector.parameters():
            nn.init.normal_(parameter, std=0.3)

    @torch.no_grad()
    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        states = [s[:, 1:] for s in self.tower(pixels, output_hidden_states=True).hidden_states]
        tokens: Any = states[-2]
        rest = self.projector
        if self.compressed:
            multi = torch.cat([states[layer] for layer in (2, 3, 4, 4)], dim=-1)
            question = self.llm.model(torch.tensor([QUESTION])).last_hidden_state[:, -1]
            tokens, rest = self.projector[0](tokens, multi, question), self.projector[1:]
        words = self.llm.get_input_embeddings()
        parts = [words(torch.tensor([BEFORE])), rest(tokens), words(torch.tensor([AFTER]))]
        return self.llm(inputs_embeds=torch.cat(parts, dim=1)).logits

    def write(self, folder: Path, with_tower: bool = True, binary: bool = False) -> Path:
        """LLaVA's layout, in two files; the tower's folder beside it."""
        folder.mkdir()
        state = {name: value.clone() for name, value in self.llm.state_dict().items()}
        state |= {f"model.mm_projector.{n}": v for n, v in self.projector.state_dict().items()}
        if with_tower:
            prefix = (
                ""
                if "vision_model.embeddings.class_embedding" in self.tower.state_dict()
                else "vision_model."
            )
            state |= {
                f"model.vision_tower.vision_tower.{prefix}{n}": v for n, v in self.tower.state_dict().items()
            }
        names = sorted(state)
        for i, part in enumerate((names[::2], names[1::2])):
            weights = {name: state[name].contiguous() for name in part}
            if binary:
                torch.save(weights, folder / f"pytorch_model-0000{i}-of-2.bin")
            else:
                save_file(weights, folder / f"model-0000{i}-of-2.safetensors")
        config = {**self.llm.config.to_dict(), "model_type": "llava_llama", "architectures": ["LlavaLlamaForCausalLM"],
                  "mm_vision_tower": "openai/some-tower", "mm_projector_type": "mlp2x_gelu",
                  "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch",
                  "mm_hidden_size": TOWER["hidden_size"]}  # fmt: skip
        if self.compressed:
            config |= {"mm_vision_token_compression_type": "quecc", "mm_vision_token_compression_kernel_size": 2,
                       "mm_vision_token_compression_stride": 2}  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config))
        self.tower.save_pretrained(folder.parent / "tower")
        return folder


def pixels() -> torch.Tensor:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def our_logits(folder: Path) -> torch.Tensor:
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    ids = [*BEFORE, *[model.config.image_token_index] * model.config.visual_tokens, *AFTER]
    out = model(input_ids=torch.tensor([ids]), pixel_values=pixels(), question_ids=torch.tensor([QUESTION]),
                question_lengths=torch.tensor([2]))  # fmt: skip
    return out.logits


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours[..., : theirs.shape[-1]], theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("with_tower", [True, False])
def test_llavas_layout_to_ours_and_back(tmp_path: Path, compressed: bool, with_tower: bool) -> None:
    reference = Reference(compressed)
    source = reference.write(tmp_path / "llava", with_tower, binary=with_tower)
    facts = convert(source, tmp_path / "ours", tower=tmp_path / "tower")
    assert (facts["layout_from"], facts["visual_tokens"]) == ("llava", 4 if compressed else 16)
    close(our_logits(tmp_path / "ours"), reference.logits(pixels()))
    config = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert config["question_turns"] == ("first" if compressed else "all")
    assert config["image_token_index"] == VOCAB
    convert(tmp_path / "ours", tmp_path / "back", "llava")
    one, other = read_weights(source), load_file(tmp_path / "back" / "model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert with_tower == (one.keys() == other.keys())
    fields = json.loads((tmp_path / "back" / "config.json").read_text())
    original = json.loads((source / "config.json").read_text())
    for name in ("model_type", "architectures", "vocab_size", "mm_projector_type", "mm_vision_select_layer",
                 "mm_hidden_size", *(k for k in original if "compression" in k)):  # fmt: skip
        assert fields[name] == original[name]
    # a checkpoint of LLaVA's layout that we wrote brings its tower along
    convert(tmp_path / "back", tmp_path / "again")
    close(our_logits(tmp_path / "again"), reference.logits(pixels()))


@pytest.mark.parametrize("nested", [False, True])
def test_llava_hf_to_ours_and_back(tmp_path: Path, nested: bool) -> None:
    text = transformers.LlamaConfig(**LLM)
    torch.manual_seed(0)
    theirs = transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(vision_config=tower_config(), text_config=text, image_token_index=299)
    ).eval()
    source = tmp_path / "hf"
    theirs.save_pretrained(source)
    if nested:  # the names where the base model is a module of its own
        renamed = {}
        for name, value in load_file(source / "model.safetensors").items():
            name = name.removeprefix("model.").replace("language_model.model.", "language_model.")
            name = "lm_head.weight" if name.endswith("lm_head.weight") else f"model.{name}"
            renamed[name] = value
        save_file(renamed, source / "model.safetensors", metadata={"format": "pt"})
    ids = torch.tensor([[*BEFORE, *[299] * 16, *AFTER]])
    with torch.no_grad():
        wanted = theirs(input_ids=ids, pixel_values=pixels()).logits
    facts = convert(source, tmp_path / "ours")
    assert facts["layout_from"] == "llava-hf"
    close(our_logits(tmp_path / "ours")[..., :299], wanted[..., :299])
    convert(tmp_path / "ours", tmp_path / "back", "llava-hf")
    back = transformers.LlavaForConditionalGeneration.from_pretrained(tmp_path / "back").eval()
    with torch.no_grad():
        close(back(input_ids=ids, pixel_values=pixels()).logits, wanted)
    # and to LLaVA's own layout
    convert(tmp_path / "ours", tmp_path / "llava", "llava")
    convert(tmp_path / "llava", tmp_path / "again")
    close(our_logits(tmp_path / "again")[..., :299], wanted[..., :299])


@pytest.mark.parametrize("compressed", [True, False])
def test_the_projector_of_the_first_stage(tmp_path: Path, compressed: bool) -> None:
    reference = Reference(compressed)
    reference.tower.save_pretrained(tmp_path / "tower")
    reference.llm.save_pretrained(tmp_path / "llm")
    state = {f"model.mm_projector.{n}": v for n, v in reference.projector.state_dict().items()}
    torch.save(state, tmp_path / "mm_projector.bin")
    parts = {"tower": tmp_path / "tower", "llm": tmp_path / "llm"}
    convert(tmp_path / "mm_projector.bin", tmp_path / "ours", **parts)
    close(our_logits(tmp_path / "ours"), reference.logits(pixels()))
    convert(tmp_path / "ours", tmp_path / "back", "mm_projector")
    back = torch.load(tmp_path / "back" / "mm_projector.bin", weights_only=True)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    with pytest.raises(InputError) as caught:
        convert(tmp_path / "mm_projector.bin", tmp_path / "new", tower=tmp_path / "tower")
    assert caught.value.code == "missing_part"


def test_tokenizer_and_image_processor_come_along(tmp_path: Path) -> None:
    source = Reference(True).write(tmp_path / "llava")
    tokenizer().save_pretrained(source)
    transformers.CLIPImageProcessorPil(
        size={"height": 32, "width": 32}, do_center_crop=False
    ).save_pretrained(tmp_path / "tower")
    convert(source, tmp_path / "ours", tower=tmp_path / "tower")
    processor = transformers.AutoProcessor.from_pretrained(tmp_path / "ours")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours")
    # a row that the embeddings have already
    assert model.config.image_token_index == processor.image_token_id < VOCAB == model.config.vocab_size
    assert (processor.visual_tokens, processor.question_turns) == (4, "first")


def test_the_command_writes_the_folder_and_answers_by_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = Reference(True).write(tmp_path / "llava"), tmp_path / "ours"
    arguments = ["convert", str(source), "--to", str(target), "--tower", str(tmp_path / "tower"), "--json"]
    assert cli.main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    jsonschema.validate(answer, schema("convert"))
    assert "model.safetensors" in answer["data"]["files"]
    assert cli.main(arguments) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "would_overwrite"


def _broken(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))

    return apply


def _lose_a_weight(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    state = load_file(file)
    del state[sorted(state)[0]]
    save_file(state, file)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (_broken(lambda c: c.update(mm_projector_type="linear")), "unknown_layout"),
        (_broken(lambda c: c.update(mm_vision_select_feature="cls_patch")), "unknown_layout"),
        (_broken(lambda c: c.update(mm_vision_token_compression_type="other")), "unknown_layout"),
        (_broken(lambda c: c.update(mm_vision_token_compression_stride=1)), "unknown_layout"),
        (_broken(lambda c: c.update(architectures=["LlavaOddForCausalLM"])), "unknown_layout"),
        (_broken(lambda c: c.update(hidden_size=48)), "weights_do_not_match"),
        (_lose_a_weight, "weights_do_not_match"),
        (lambda folder: (folder / "config.json").unlink(), "unknown_layout"),
        (lambda folder: (folder / "config.json").write_text("{"), "bad_json"),
        (lambda folder: [file.unlink() for file in folder.glob("*.safetensors")], "no_weights"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_written(
    tmp_path: Path, harm: Callable[[Path], Any], code: str
) -> None:
    source = Reference(True).write(tmp_path / "llava")
    harm(source)
    with pytest.raises(InputError) as caught:
        convert(source, tmp_path / "ours", tower=tmp_path / "tower")
    assert caught.value.code == code
    assert not (tmp_path / "ours").exists()


class _Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = Reference(False).write(tmp_path / "llava", binary=True)
    with next(source.glob("*.bin")).open("wb") as file:
        pickle.dump({"model.norm.weight": _Evil()}, file)
    with pytest.raises(InputError) as caught:
        convert(source, tmp_path / "ours", tower=tmp_path / "tower")
    assert caught.value.code == "unsafe_weights"
    assert not (tmp_path / "ran").exists()


def test_a_folder_with_files_is_not_overwritten_and_not_every_compressor_has_a_layout(tmp_path: Path) -> None:
    source = Reference(False).write(tmp_path / "llava")
    with pytest.raises(InputError) as caught:
        convert(source, source)
    assert caught.value.code == "would_overwrite"
    model, _ = build(llm="llama", compressor="average_pool")
    model.save_pretrained(tmp_path / "pool")
    for layout in ("llava", "llava-hf", "mm_projector"):
        with pytest.raises(InputError) as caught:
            convert(tmp_path / "pool", tmp_path / f"to-{layout}", layout)
        assert caught.value.code == "unknown_layout"
