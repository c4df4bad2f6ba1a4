"""The keys of an experiment file, with their defaults and limits; an unknown key is an error.

An experiment file contains its question and the keys that differ from these defaults.
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
    """The dataset. `options` are passed to the dataset plug-in."""

    name: str = "scenes"
    seed: int = Field(0, ge=0)
    options: dict[str, Any] = Field(default_factory=dict)


class Vision(_Section):
    """The vision tower: its shape and its pre-training on captions. It is frozen afterwards."""

    width: int = Field(64, gt=0)
    layers: int = Field(2, gt=0)
    heads: int = Field(4, gt=0)
    objective: str = "superclass"
    steps: int = Field(600, ge=0)
    batch: int = Field(64, gt=0)
    learning_rate: float = Field(5e-3, gt=0)
    features: list[int] = Field(
        default=[0, 1, 2],
        min_length=1,
        description="hidden states to store: 0 is the stem, followed by the blocks",
    )
    select: int = Field(-2, description="hidden state that is compressed; one of `features`")
    seed: int = Field(0, ge=0, description="seed of the initial weights and of the images")
    features_gb: float = Field(
        20.0,
        ge=0,
        description="largest size of the features on disk, in GB; larger features are computed when they are needed",
    )

    @model_validator(mode="after")
    def _among_the_states(self) -> Vision:
        states = range(self.layers + 1)
        if not all(-len(states) <= s < len(states) for s in [*self.features, self.select]):
            raise ValueError(f"features and select must be in 0..{self.layers} (the stem and the blocks)")
        if states[self.select] not in self.features:
            raise ValueError(f"select ({states[self.select]}) must be among the features ({self.features})")
        if self.width % self.heads:
            raise ValueError(f"the width {self.width} is not divisible by the number of heads {self.heads}")
        return self


class Text(_Section):
    """Training of each LLM on text, before the training with images."""

    steps: int = Field(700, ge=0)
    batch: int = Field(128, gt=0)
    learning_rate: float = Field(6e-3, gt=0)
    seed: int = Field(0, ge=0)


class Recipe(_Section):
    """Training of one cell: compressor, projector and LLM on questions about images."""

    images: int = Field(
        16384, gt=0, description="number of training images; each epoch has a new question about each image"
    )
    steps: int = Field(400, gt=0)
    batch: int = Field(128, gt=0)
    text_batch: int = Field(
        64,
        ge=0,
        description="text-only examples added to each batch, so that the LLM does not forget its text training",
    )
    learning_rate: float = Field(4e-3, gt=0, description="learning rate of compressor and projector")
    llm_learning_rate: float = Field(
        4e-3, gt=0, description="learning rate of the LLM at width 32; scaled by (32 / width)^0.5"
    )
    warmup: float = Field(0.03, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    compile: bool = Field(False, description="use torch.compile; worthwhile for long runs with large steps")


class Evaluation(_Section):
    """Scoring of one cell on questions that are used neither for training nor for tuning."""

    examples: int = Field(2000, gt=0, description="number of questions of each benchmark")
    split: Literal["test", "dev"] = Field("test", description="dev for tuning, test for reporting")
    batch: int = Field(500, gt=0)


class Rule(_Section):
    """The resources of a group of tasks. Of the rules that match a task, a later one overrides an earlier one."""

    work: Literal["cell", "tower", "features", "llm"] | None = Field(
        None, description="apply only to cells, or only to one stage"
    )
    above: float = Field(
        0, ge=0, description="apply only to LLMs with at least this number of non-embedding parameters"
    )
    below: float | None = Field(
        None, gt=0, description="apply only to LLMs with fewer non-embedding parameters than this"
    )
    gpus: float | None = Field(None, ge=0, description="GPUs per node; less than 1 is a share of one GPU")
    cpus: int | None = Field(None, ge=1, description="CPU cores per node")
    memory_gb: float | None = Field(None, gt=0, description="memory per node")
    minutes: float | None = Field(
        None, gt=0, description="time limit; the task is then stopped and restarted from its checkpoint"
    )
    nodes: int | None = Field(
        None, ge=1, description="number of nodes; with more than one, torchrun is started on each"
    )
    retries: int | None = Field(
        None, ge=0, description="number of restarts after a task was ended by a signal or its node"
    )
    cells_per_job: int | None = Field(
        None, ge=1, description="number of cells that one job runs one after the other"
    )


class Resources(_Section):
    """The resources that a sweep runs with. No result depends on them."""

    rules: list[Rule] = Field(default_factory=list)
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="settings of each executor, for example {slurm: {partition: main}}"
    )


class TrainingStage(_Section):
    """One training stage: its conversations and the parts that are trained."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    files: list[str] = Field(min_length=1, description="conversation files in the format of LLaVA")
    learns: str = Field(
        pattern="^(connector|all)$",
        description="parts to train; connector: compressor and projector, all: also the LLM",
    )
    learning_rate: float = Field(gt=0)
    batch: int = Field(gt=0)
    epochs: float = Field(1.0, gt=0)
    rows: int | None = Field(
        None, gt=0, description="number of conversations, for planning without the files"
    )
    text_tokens: float = Field(
        256.0, gt=0, description="mean number of text tokens of a conversation, for planning"
    )


class Questions(_Section):
    """A benchmark read from a file: a list (or lines) of {id, image, question, answers}, or of LLaVA's questions."""

    benchmark: str
    family: str = Field(description="task family: reasoning, ocr, ...")
    file: str
    answers: str | list[str] = Field(
        default_factory=list,
        description="files of the answers, where the questions come without: those of VQA v2, TextVQA, DocVQA, GQA "
        "or POPE, or entries of {question_id, answers}",
    )
    metric: str = Field(
        "exact_match",
        pattern="^(exact_match|vqa_accuracy|textvqa_accuracy|anls|relaxed_accuracy|multiple_choice|pope_f1)$",
        description="score of an answer, by the rules of the benchmark's own evaluation",
    )

    @property
    def answer_files(self) -> list[str]:
        """The files of the answers, in a list."""
        return [self.answers] if isinstance(self.answers, str) else self.answers


class Cluster(_Section):
    """The cluster that a plan assumes: number of GPUs, dense bf16 peak and memory of each, and utilization (MFU)."""

    gpus: int = Field(8, gt=0)
    tflops: float = Field(989.0, gt=0)
    memory_gb: float = Field(80.0, gt=0)
    mfu: float = Field(0.4, gt=0, le=1)


class Finetune(_Section):
    """Training of a pretrained tower and pretrained LLMs on conversations; without it, all parts start from scratch."""

    tower: str = Field(description="folder of the pretrained vision tower")
    images: str = Field(description="folder that the image paths in the files are relative to")
    stages: list[TrainingStage] = Field(min_length=1)
    questions: list[Questions] = Field(default=[], description="benchmarks for scoring")
    compressor_options: dict[str, Any] = Field(
        default_factory=dict,
        description="options of the compressor; {side: 4} for windows of 4 x 4 on a padded grid",
    )
    question_turns: str = Field(
        "all",
        pattern="^(all|first|last)$",
        description="questions of a conversation that condition the compression: all, the first or the last",
    )
    question_separator: str = Field("\n", description="what joins several questions of a conversation")
    chat_template: str | None = Field(None, description="replaces the chat template of the tokenizer")
    micro_batch: int = Field(
        8,
        gt=0,
        description="conversations per GPU and forward pass; gradients are accumulated up to the batch",
    )
    max_length: int = Field(
        2048,
        gt=0,
        description="largest number of tokens of a conversation, image tokens included; longer ones are truncated",
    )
    warmup: float = Field(0.03, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    precision: str = Field("bf16", pattern="^(float32|bf16)$", description="float32, or bf16 with autocast")
    parallel: str = Field(
        "ddp",
        pattern="^(ddp|fully_shard)$",
        description="ddp: a full copy on each GPU; fully_shard: parameters sharded across GPUs",
    )
    activation_checkpointing: bool = Field(
        False,
        description="recompute the activations of each layer of the LLM in the backward pass, to save memory",
    )
    compile: bool = Field(False, description="use torch.compile")
    trust_remote_code: bool = Field(
        False, description="run Python code contained in the folder of the tower or of an LLM"
    )
    max_missing: float = Field(
        0.01,
        ge=0,
        le=1,
        description="largest share of the records of a stage, or of the questions of a benchmark, that may be left out "
        "because an image is missing or unreadable or a record is malformed; a cell with more fails",
    )
    save_every: int = Field(500, ge=0, description="steps between checkpoints")
    answer_tokens: int = Field(32, gt=0, description="largest number of generated tokens of an answer")
    cluster: Cluster = Cluster()


class Experiment(_Section):
    """One experiment: the product of LLMs, visual-token counts, compressors and seeds, and the question it answers."""

    question: str = Field(description="the question that the experiment answers, in one sentence")
    name: str = Field(
        "",
        pattern=r"^([A-Za-z0-9_-][A-Za-z0-9_.-]*)?$",
        max_length=100,
        description="name of the experiment; by default the name of the file",
    )
    llms: list[str] = Field(
        min_length=1, description="model sizes as WIDTHxLAYERS, or folders of pretrained models"
    )
    visual_tokens: list[int] = Field(min_length=1, description="numbers of visual tokens per image")
    compressors: list[str] = Field(
        default=["quecc"],
        min_length=1,
        description="names from `scalelaw list compressors`, or paths of plug-in files",
    )
    seeds: list[NonNegativeInt] = Field(
        default=[0], min_length=1, description="random seeds; every cell is trained once per seed"
    )
    rate_factors: list[float] = Field(
        default=[1.0],
        min_length=1,
        description="factors on all learning rates of a cell; use several to check the rates",
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
        description="trackers that receive the log of each cell: tensorboard, trackio, wandb",
    )

    @field_validator("visual_tokens")
    @classmethod
    def _positive(cls, counts: list[int]) -> list[int]:
        if min(counts) < 1:
            raise ValueError("token counts must be at least 1")
        return counts

    @field_validator("rate_factors")
    @classmethod
    def _above_zero(cls, factors: list[float]) -> list[float]:
        if min(factors) <= 0:
            raise ValueError("factors of a learning rate must be above 0")
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
        raise InputError(f"{file} is not an experiment: it contains no keys.", code="bad_yaml")
    for change in changes or []:
        _apply(raw, change)
    raw.setdefault("name", file.stem)
    return parse_experiment(raw, str(file))


def parse_experiment(raw: dict[str, Any], origin: str = "the experiment") -> Experiment:
    """Check the keys and values of an experiment. Raises InputError with the place and what is allowed there."""
    return _parse(Experiment, raw, origin)


def read_resources(path: str | Path) -> Resources:
    """Read a file with the keys of `resources`. Raises InputError as `read_experiment`."""
    return _parse(Resources, read_mapping(path), str(path))


Section = TypeVar("Section", bound=_Section)


def _parse(model: type[Section], raw: dict[str, Any], origin: str) -> Section:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # a misspelled key comes first
        first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            refusal = unknown("key", str(first["loc"][-1]), _allowed(model, first["loc"][:-1]))
            raise InputError(f"{origin}: {refusal.message}", code="unknown_key", hint=refusal.hint) from error
        hint = ""
        if first["type"] == "list_type":
            hint = f"Write it as a list: [{first['input']}]."
            if place == "track":
                hint += f" On the command line, use --track {first['input']}."
        elif first["type"] == "model_type":
            hint = f"It is a section: set its keys with {place}.KEY=VALUE."
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
    """Read a YAML file of keys, such as the facts that an importer cannot find in its files; {} without a path.

    Raises InputError if the file is missing, not YAML, or contains no keys.
    """
    if path is None:
        return {}
    raw = _read_yaml(Path(path))
    if not isinstance(raw, dict):
        raise InputError(f"{path} contains no keys.", code="bad_yaml", hint=otherwise(path, ""))
    return raw


def _read_yaml(file: Path) -> Any:
    try:
        return read_yaml(file)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.", code="no_such_file") from error
