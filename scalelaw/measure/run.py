"""`measure_latency`: the one function behind `scalelaw measure`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, MissingDependency, missing_dependency, typed
from scalelaw.files.safe_text import one_line
from scalelaw.measure.address import is_url, read_address
from scalelaw.measure.endpoint import measure_endpoint, planned
from scalelaw.measure.options import make_options
from scalelaw.results.measurement import Measurement

IMAGES, CONCURRENCY, GENERATE = ("448x448", "1344x1344"), (1, 8), (64,)
"""What is measured unless options say otherwise."""

_NUMBERS = ("str", "int", "float", "list", "tuple")


@typed(
    target=("str", "Path"), image=("str", "list", "tuple"), concurrency=_NUMBERS, arrival_rate=("None", *_NUMBERS),
    generate=_NUMBERS, text_tokens=("int",), images=("int",), model=("str",), calibrate_as=("str",),
    max_pixels=("None", "int"), requests=("int",), spread=("int", "float"), max_requests=("int",),
    max_seconds=("int", "float"), timeout=("int", "float"), devices=("int",), dtype=("str",), seed=("None", "int"),
    dry_run=("bool",), report=("None", "function", "method"),
)  # fmt: skip
def measure_latency(
    target: str | Path,
    *,
    image: Any = IMAGES,
    concurrency: Any = CONCURRENCY,
    arrival_rate: Any = None,
    generate: Any = GENERATE,
    text_tokens: int = 64,
    images: int = 1,
    model: str = "",
    calibrate_as: str = "",
    max_pixels: int | None = None,
    requests: int = 8,
    spread: float = 0.1,
    max_requests: int = 2000,
    max_seconds: float = 300,
    timeout: float = 120,
    devices: int = 1,
    dtype: str = "bf16",
    seed: int | None = None,
    dry_run: bool = False,
    report: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Measurement:
    """Time a served model: image sizes x concurrency x generated tokens, each with a text-only twin.

    Replies are streamed, every image is new, and each median is repeated until it is known within `spread`; a cell
    that does not become stable has no time, and its row says why. Tokens are those that the server counts. Only the
    host of the endpoint is contacted. An API key is read from the environment variable SCALELAW_API_KEY.

    Args:
        target: the base URL of an OpenAI-compatible endpoint, http://localhost:8000/v1.
        image: sizes in pixels, "448x448,1344x1344", measured one after the other; empty for text only.
        concurrency: requests in flight at once (a closed loop), one or several.
        arrival_rate: requests per second (a Poisson process), one or several; in place of concurrency.
        generate: tokens of a reply, one or several. text_tokens: of the prompt's text, about.
        images: images of one request.
        model: the served model's name; needed where the server lists several.
        calibrate_as: the model's name in the catalogue, or its config.json, for the rows that `calibrate` reads.
        max_pixels: the area to which the server reduces an image; where it does not, images are resized before.
        requests: counted requests between two looks at the spread.
        spread: the widest relative half-interval of a median that is accepted.
        max_requests, max_seconds, timeout: limits of the run in requests and seconds, and of a request in seconds.
        devices, dtype: what serves the model, for the rows.
        seed: of words and pictures; None makes new ones in every run, so that no cache has seen them.
        dry_run: return the plan of requests; nothing is sent.
        report: called with the rows after every cell.

    Returns:
        Measurement: rows, settings, what they leave unseen, and the next cells to measure.

    Raises:
        InputError: a wrong option, or a server that cannot be reached or used.
        NoAnswer: `nothing_measured` where no cell has a time.
        MissingDependency: without the extra `measure`.
    """
    options = make_options(
        image=image, images=images, concurrency=concurrency, arrival_rate=arrival_rate,
        generate=generate, text_tokens=text_tokens, requests=requests, spread=spread, max_requests=max_requests,
        max_seconds=max_seconds, timeout=timeout, max_pixels=max_pixels, devices=devices, dtype=dtype, seed=seed,
    )  # fmt: skip
    text = str(target)
    if not is_url(text):
        raise InputError(
            f"'{one_line(text)[:200]}' is not an http or https URL.",
            code="bad_endpoint",
            hint="Give the base URL of an OpenAI-compatible server: http://localhost:8000/v1.",
        )
    address = read_address(text)
    if dry_run:
        return planned(address.url, model, options, {"host": address.host})
    try:
        return measure_endpoint(address, options, model, calibrate_as, report)
    except ModuleNotFoundError as error:
        raise _with_extra(missing_dependency(error)) from error


def _with_extra(error: MissingDependency) -> MissingDependency:
    """Pillow is in several extras; a measurement needs the whole of its own."""
    return MissingDependency(error.message, code=error.code, hint="pip install 'scalelaw[measure]'")
