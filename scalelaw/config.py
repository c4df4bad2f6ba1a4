"""All that a person may write in experiments/*.yaml; an unknown key is refused with the nearest allowed.

An experiment file states its question and only its difference from these defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)

from scalelaw.errors import InputError, unknown
from scalelaw.files.file_type import EXPERIMENT, otherwise
from scalelaw.files.safe_load import parse_yaml, read_yaml


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(_Section):
    """What the models see. `options` are the dataset plug-in's own."""

    name: str = "scenes"
    seed: int = Field(0, ge=0)
    options: dict[str, Any] = Field(default_factory=dict)


class Vision(_Section):
    """The vision tower: its shape, and its pre-training by an objective on captions; then it is frozen."""

    width: int = Field(64, gt=0)
    layers: int = Field(2, gt=0)
    heads: int = Field(4, gt=0)
    objective: str = "superclass"
    steps: int = Field(600, ge=0)
    batch: int = Field(64, gt=0)
    learning_rate: float = Field(5e-3, gt=0)
    features: list[int] = Field(
        default=[0, 1, 2], min_length=1, description="hidden states kept: 0 the stem, then each block"
    )
    select: int = Field(-2, description="the hidden state to compress, among `features`")
    seed: int = Field(0, ge=0, description="of its first weights and of the images it sees")
    features_gb: float = Field(
        20.0,
        ge=0,
        description="features are kept on disk up to so many GB; larger, they are made as they are needed",
    )

    @model_validator(mode="after")
    def _among_the_states(self) -> Vision:
        states = range(self.layers + 1)
        if not all(-len(states) <= s < len(states) for s in [*self.features, self.select]):
            raise ValueError(f"features and select must lie in 0..{self.layers}, the stem and the blocks")
        if states[self.select] not in self.features:
            raise ValueError(f"select ({states[self.select]}) must be among the features ({self.features})")
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} does not split into {self.heads} heads")
        return self


class Text(_Section):
    """Training each LLM rung on text alone, before it sees an image."""

    steps: int = Field(700, ge=0)
    batch: int = Field(128, gt=0)
    learning_rate: float = Field(6e-3, gt=0)
    seed: int = Field(0, ge=0)


class Recipe(_Section):
    """Training one cell: compressor, projector and LLM on questions about images."""

    images: int = Field(
        16384, gt=0, description="training images; every epoch asks a new question about each"
    )
    steps: int = Field(400, gt=0)
    batch: int = Field(128, gt=0)
    text_batch: int = Field(
        64, ge=0, description="text-only examples beside each batch: the LLM keeps what it knows"
    )
    learning_rate: float = Field(4e-3, gt=0, description="of compressor and projector")
    llm_learning_rate: float = Field(4e-3, gt=0, description="of the LLM at width 32; times (32 / width)^0.5")
    warmup: float = Field(0.03, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    compile: bool = Field(False, description="torch.compile: pays where steps are many and large")


class Evaluation(_Section):
    """Scoring one cell on questions that were never trained or tuned on."""

    examples: int = Field(2000, gt=0, description="questions of each benchmark")
    split: Literal["test", "dev"] = Field("test", description="dev to tune on, test to report on")
    batch: int = Field(500, gt=0)


class Rule(_Section):
    """What some of the work asks for; of the rules that apply to a piece of work, a later one overrides an earlier."""

    work: Literal["cell", "tower", "features", "llm"] | None = Field(
        None, description="only cells, or a stage"
    )
    above: float = Field(
        0, ge=0, description="only LLMs of at least so many parameters beside the embeddings"
    )
    below: float | None = Field(None, gt=0, description="only LLMs of fewer parameters than this")
    gpus: float | None = Field(None, ge=0, description="on each node; less than 1 is a share of one")
    cpus: int | None = Field(None, ge=1, description="on each node")
    memory_gb: float | None = Field(None, gt=0, description="on each node")
    minutes: float | None = Field(
        None, gt=0, description="then it is ended, and begun again from its checkpoint"
    )
    nodes: int | None = Field(None, ge=1, description="more than one: torchrun on each")
    retries: int | None = Field(
        None, ge=0, description="how often to begin again what was ended from outside"
    )
    cells_per_job: int | None = Field(None, ge=1, description="run one after the other in one job")


class Resources(_Section):
    """Where and with what a sweep runs; no result depends on it."""

    rules: list[Rule] = Field(default_factory=list)
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="executor -> its own settings: {slurm: {partition: main}}"
    )


class TrainingStage(_Section):
    """One stage of the recipe: its conversations, and what learns."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    files: list[str] = Field(min_length=1, description="LLaVA's files of conversations")
    learns: str = Field(
        pattern="^(connector|all)$", description="connector: compressor and projector; all: and LLM"
    )
    learning_rate: float = Field(gt=0)
    batch: int = Field(gt=0)
    epochs: float = Field(1.0, gt=0)
    rows: int | None = Field(
        None, gt=0, description="how many conversations there are, to plan before they are here"
    )
    text_tokens: float = Field(256.0, gt=0, description="mean tokens of one, to plan with")


class Questions(_Section):
    """A benchmark in a file of one's own: a list (or lines) of {id, image, question, answers}."""

    benchmark: str
    family: str = Field(description="the task family: reasoning, ocr, ...")
    file: str
    metric: str = Field("exact_match", pattern="^(exact_match|vqa_accuracy|anls|multiple_choice)$")


class Cluster(_Section):
    """What it would run on, for the plan: GPUs, the dense bf16 peak of each, its memory, and the share that is used."""

    gpus: int = Field(8, gt=0)
    tflops: float = Field(989.0, gt=0)
    memory_gb: float = Field(80.0, gt=0)
    mfu: float = Field(0.4, gt=0, le=1)


class Finetune(_Section):
    """The recipe for pretrained parts (folders of a tower and of LLMs) on conversations; without it they are made."""

    tower: str = Field(description="folder of a pretrained vision tower")
    images: str = Field(description="the folder that the files' image paths are relative to")
    stages: list[TrainingStage] = Field(min_length=1)
    questions: list[Questions] = Field(default=[], description="the benchmarks it is scored on")
    compressor_options: dict[str, Any] = Field(
        default_factory=dict,
        description="the compressor's own: {side: 4} for windows of 4 x 4, the grid padded",
    )
    question_turns: str = Field(
        "all", description="which of a conversation's questions condition the compression: all, or the last"
    )
    chat_template: str | None = Field(None, description="instead of the tokenizer's own")
    micro_batch: int = Field(8, gt=0, description="conversations at once on one GPU; the rest is accumulated")
    max_length: int = Field(
        2048, gt=0, description="tokens of a conversation, the image's among them; the end is cut"
    )
    warmup: float = Field(0.03, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    precision: str = Field("bf16", pattern="^(float32|bf16)$", description="float32, or bf16 by autocast")
    parallel: str = Field(
        "ddp",
        pattern="^(ddp|fully_shard)$",
        description="ddp: all on each GPU; fully_shard: shared among them",
    )
    compile: bool = Field(False, description="torch.compile")
    trust_remote_code: bool = Field(
        False, description="run the Python code that a folder of the tower or of an LLM brings along"
    )
    max_missing: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of a stage's records, and of a benchmark's questions, that may be left out because an image "
        "is missing or unreadable or a record is malformed; a cell with more fails",
    )
    save_every: int = Field(500, ge=0, description="steps between checkpoints")
    answer_tokens: int = Field(32, gt=0, description="the longest answer that is generated")
    cluster: Cluster = Cluster()


class Experiment(_Section):
    """One experiment = one question: LLM rungs x visual-token counts x compressors x seeds."""

    question: str = Field(description="what is asked, in a sentence")
    name: str = Field(
        "", pattern=r"^([A-Za-z0-9_-][A-Za-z0-9_.-]*)?$", max_length=100, description="by default the file's"
    )
    llms: list[str] = Field(min_length=1, description="rungs, WIDTHxLAYERS, or folders of pretrained models")
    visual_tokens: list[int] = Field(min_length=1, description="of one image, as the LLM sees it")
    compressors: list[str] = Field(
        default=["quecc"], min_length=1, description="of `scalelaw list compressors`, or files of one's own"
    )
    seeds: list[NonNegativeInt] = Field(
        default=[0], min_length=1, description="each makes every cell once more"
    )
    rate_factors: list[float] = Field(
        default=[1.0],
        min_length=1,
        description="a cell's learning rates times each of these: more than one checks them",
    )
    dataset: Dataset = Dataset()
    vision: Vision = Vision()
    text: Text = Text()
    recipe: Recipe = Recipe()
    evaluation: Evaluation = Evaluation()
    finetune: Finetune | None = None
    resources: Resources = Resources()
    track: list[str] = Field(
        default=[],
        description="what else hears each cell's log: tensorboard, trackio, wandb; no result depends on it",
    )

    @field_validator("visual_tokens")
    @classmethod
    def _positive(cls, counts: list[int]) -> list[int]:
        if min(counts) < 1:
            raise ValueError("token counts are at least 1")
        return counts

    @field_validator("rate_factors")
    @classmethod
    def _above_zero(cls, factors: list[float]) -> list[float]:
        if min(factors) <= 0:
            raise ValueError("factors of a learning rate are above 0")
        return factors


def read_experiment(path: str | Path, changes: list[str] | None = None) -> Experiment:
    """Read an experiment file; `changes` are `a.b=value` terms (values as YAML) that override it.

    Raises InputError: no such file, not YAML, an unknown key (with the nearest allowed), a value out of range.
    """
    file = Path(path)
    if wrong := otherwise(file, EXPERIMENT):
        raise InputError(f"{file} is not an experiment.", code="wrong_kind", hint=wrong)
    raw = _read_yaml(file)
    if not isinstance(raw, dict):
        raise InputError(f"{file} is not an experiment: it holds no keys.", code="bad_yaml")
    for change in changes or []:
        _apply(raw, change)
    raw.setdefault("name", file.stem)
    return parse_experiment(raw, str(file))


def parse_experiment(raw: dict[str, Any], origin: str = "the experiment") -> Experiment:
    """Check the keys and values of an experiment. Raises InputError with the place and what is allowed there."""
    return _parse(Experiment, raw, origin)


def read_resources(path: str | Path) -> Resources:
    """Read a file that holds what an experiment's `resources` would. Raises InputError as `read_experiment`."""
    return _parse(Resources, read_mapping(path), str(path))


Section = TypeVar("Section", bound=_Section)


def _parse(model: type[Section], raw: dict[str, Any], origin: str) -> Section:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = min(
            error.errors(), key=lambda item: item["type"] != "extra_forbidden"
        )  # a misspelt key first
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            refusal = unknown("key", str(first["loc"][-1]), _allowed(model, first["loc"][:-1]))
            raise InputError(f"{origin}: {refusal.message}", code="unknown_key", hint=refusal.hint) from error
        hint = ""
        if first["type"] == "list_type":
            hint = f"Write it as a list: [{first['input']}]."
            if place == "track":
                hint += f" On the command line trackers are chosen with --track {first['input']}."
        elif first["type"] == "model_type":
            hint = f"It is a section, whose keys are set: {place}.KEY=VALUE."
        raise InputError(
            f"{origin}: {place}: {first['msg'].removeprefix('Value error, ')}.", code="bad_value", hint=hint
        ) from error


def _allowed(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for part in place:
        annotation: Any = model if isinstance(part, int) else model.model_fields[part].annotation
        model = next((kind for kind in get_args(annotation)), annotation)
    return list(model.model_fields)


def _apply(raw: dict[str, Any], change: str) -> None:
    place, equals, value = change.partition("=")
    if not equals:
        raise InputError(f"'{change}' is not of the form a.b=value.", code="bad_value")
    *sections, key = place.strip().split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise InputError(f"'{place}': '{section}' is not a section.", code="unknown_key")
    raw[key] = parse_yaml(value, f"'{change}': the value")


def read_mapping(path: str | Path | None) -> dict[str, Any]:
    """A YAML file of keys, such as the one that tells an importer what its files do not say; {} without a path.

    Raises InputError where the file is missing, not YAML, or holds no keys.
    """
    if path is None:
        return {}
    raw = _read_yaml(Path(path))
    if not isinstance(raw, dict):
        raise InputError(f"{path} holds no keys.", code="bad_yaml", hint=otherwise(path, ""))
    return raw


def _read_yaml(file: Path) -> Any:
    try:
        return read_yaml(file)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.", code="no_such_file") from error
