"""The training loop: accumulation, resumption to the bit, bf16, and two processes that learn what one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from transformers.modeling_outputs import CausalLMOutput

from scalelaw.errors import InputError, Preempted, ScalelawError
from scalelaw.jobs import preemption
from scalelaw.vlm import checkpoint
from scalelaw.vlm.distributed_loop import Plan, processes, train

PLAN = Plan(steps=8, rows=8, micro=4, learning_rate=1e-2, clip=0.5)


class Little(nn.Module):
    """A stand-in with the same face: embeddings, a compressor, dropout (so that random states matter), a head."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.language_model = nn.Embedding(11, 8), nn.Linear(8, 11)
        self.compressor = nn.Linear(3, 8)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.GELU()) for _ in range(2))
        self.dropout, self.frozen = nn.Dropout(dropout), nn.Linear(2, 2)
        self.frozen.requires_grad_(False)

    def forward(
        self, input_ids: Any, labels: Any, num_items_in_batch: Any, image: Any = None, **_: Any
    ) -> Any:
        x = self.embed(input_ids)
        with torch.no_grad():  # as the pass of a question
            for layer in self.layers:
                layer(x)
        if image is not None:
            x = x + self.compressor(image)[:, None]
        for layer in self.layers:
            x = x + layer(x)
        logits = self.language_model(self.dropout(x))[:, :-1]
        total = nn.functional.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="sum")
        return CausalLMOutput(loss=total / num_items_in_batch)


def rows(step: int, start: int, count: int) -> dict[str, torch.Tensor]:
    """Rows of unequal lengths; the first four of a step have an image, the others none."""
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(0, 11, (8, 6), generator=generator)
    labels = torch.where(torch.arange(6) < torch.randint(2, 7, (8, 1), generator=generator), ids, -100)
    image = torch.randn(8, 3, generator=generator)
    values = {"input_ids": ids, "labels": labels}
    batch = {key: value[start : start + count] for key, value in values.items()}
    return {**batch, "image": image[start : start + count]} if start < 4 else batch


def run(plan: Plan = PLAN, model: Any = None, **more: Any) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    model = model or Little()
    torch.manual_seed(1)
    return model, train(model, rows, plan, stage="s", progress=lambda _: None, **more)


def test_it_learns_and_says_what_it_saw() -> None:
    heard: list[dict[str, Any]] = []
    model = Little(0)
    seen = train(model, rows, replace(PLAN, steps=30), stage="s", progress=heard.append)
    assert seen.losses[-1] < seen.losses[0]
    assert (seen.step, seen.rows, seen.tokens) == (30, 240, 30 * 48)
    assert seen.learned == sum(int((rows(s, 0, 8)["labels"][:, 1:] != -100).sum()) for s in range(30))
    assert len(heard) == 30
    assert 0 <= seen.outside_s < seen.seconds


def test_batches_are_made_a_step_ahead_in_order_and_their_errors_are_heard() -> None:
    calls: list[tuple[int, int]] = []
    done: list[int] = []

    def batch_of(step: int, start: int, count: int) -> dict[str, torch.Tensor]:
        calls.append((step, start))
        if step == 3:
            raise InputError("image corrupt", code="bad_image")
        return rows(step, start, count)

    with pytest.raises(InputError, match="image corrupt"):
        train(Little(0), batch_of, PLAN, stage="s", progress=lambda facts: done.append(facts["step"]))
    starts = range(0, PLAN.rows, PLAN.micro)
    assert calls == [(step, start) for step in range(3) for start in starts] + [(3, 0)]
    assert done == [1, 2, 3]


def test_micro_batches_add_up_to_the_batch() -> None:
    """The same parameters, however a step is split: the loss is of its tokens, not of its parts."""
    whole, parts = (run(replace(PLAN, micro=m, steps=3), Little(0)) for m in (4, 1))
    assert whole[1].losses == pytest.approx(parts[1].losses, rel=1e-5)
    for one, other in zip(whole[0].parameters(), parts[0].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("at", [1, 5])
def test_stopped_and_gone_on_again_gives_the_same_bits(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preempted after some steps; the model of a new process continues, dropout included."""
    undisturbed, all_seen = run()
    calls = iter(range(100))
    monkeypatch.setattr(preemption, "requested", lambda: next(calls) == at)
    with pytest.raises(Preempted):
        run(saved=tmp_path / "saved.pt")
    monkeypatch.undo()
    torch.manual_seed(99)
    model = Little()
    torch.manual_seed(98)
    state = checkpoint.read(tmp_path / "saved.pt")
    seen = train(model, rows, PLAN, stage="s", progress=lambda _: None, begun=state)
    assert not state  # its memory is free
    assert seen.losses == all_seen.losses
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), undisturbed.parameters(), strict=True))
    assert list(tmp_path.iterdir()) == [tmp_path / "saved.pt"]


def test_bf16_is_near_float32() -> None:
    exact, rough = (run(replace(PLAN, precision=p), Little(0))[1].losses for p in ("float32", "bf16"))
    assert exact != rough
    assert exact == pytest.approx(rough, rel=2e-2)


def test_what_goes_wrong_is_a_sentence() -> None:
    for change, code in (({"micro": 3}, "bad_batch"), ({"parallel": "magic"}, "bad_value")):
        with pytest.raises(InputError) as caught:
            run(replace(PLAN, **change))
        assert caught.value.code == code
    with pytest.raises(ScalelawError) as broken:
        run(replace(PLAN, learning_rate=1e20, clip=1e20))
    assert broken.value.code == "loss_not_finite"


def gradients_at_rate_0(plan: Plan) -> list[list[torch.Tensor]]:
    """The gradients of each of three steps on one and the same batch, with a learning rate of 0."""
    gradients: list[list[torch.Tensor]] = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters: Any, most: float) -> Any:
        full = [p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad for p in parameters]
        gradients.append([gradient.clone() for gradient in full])
        return clip(parameters, most)

    with mock.patch.object(torch.nn.utils, "clip_grad_norm_", spy):
        plan = replace(plan, steps=3, learning_rate=0.0)
        train(Little(0), lambda _, *place: rows(0, *place), plan, stage="s", progress=lambda _: None)
    return gradients


def check(gradients: list[list[torch.Tensor]]) -> None:
    exact = gradients_at_rate_0(replace(PLAN, micro=2))[0]
    for step in gradients:
        assert all(torch.equal(one, other) for one, other in zip(step, gradients[0], strict=True))
        for one, other in zip(step, exact, strict=True):
            assert one.dtype == torch.float32
            torch.testing.assert_close(one, other, rtol=0.1, atol=0.02 * float(other.abs().max()))


def test_gradients_in_bf16_are_those_of_float32_in_every_step() -> None:
    """Also of the layers that ran without gradients before."""
    torch.set_num_threads(1)
    check(gradients_at_rate_0(replace(PLAN, micro=2, precision="bf16")))


def main(folder: str) -> None:
    """What each of two processes runs: both ways of sharing, and a resumption."""
    torch.set_num_threads(1)
    with processes("gloo") as (rank, world):
        assert world == 2
        for parallel in ("ddp", "fully_shard"):
            model = Little(0)
            seen = train(model, rows, replace(PLAN, micro=2, parallel=parallel, save_every=3), stage="s",
                         progress=lambda _: None, saved=Path(folder) / f"{parallel}.pt")  # fmt: skip
            again = train(Little(0), rows, replace(PLAN, micro=2, parallel=parallel), stage="s",
                          progress=lambda _: None,
                          begun=checkpoint.read(Path(folder) / f"{parallel}.pt"))  # fmt: skip
            if rank == 0:
                torch.save([seen.losses, again.losses], Path(folder) / f"{parallel}.losses")
            bf16 = replace(PLAN, micro=2, parallel=parallel, precision="bf16")
            gradients = gradients_at_rate_0(bf16)
            saved = Path(folder) / f"{parallel}.bf16.pt"
            seen = train(Little(0), rows, replace(bf16, save_every=3), stage="s", progress=lambda _: None,
                         saved=saved)  # fmt: skip
            again = train(Little(0), rows, bf16, stage="s", progress=lambda _: None,
                          begun=checkpoint.read(saved))  # fmt: skip
            assert again.losses == seen.losses
            if rank == 0:
                torch.save(gradients, Path(folder) / f"{parallel}.gradients")


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """DDP and fully_shard over gloo; on the second process no row has an image."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=200,
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    alone = run(replace(PLAN, micro=2), Little(0))[1].losses
    for parallel in ("ddp", "fully_shard"):
        straight, resumed = torch.load(tmp_path / f"{parallel}.losses", weights_only=True)
        assert straight == pytest.approx(alone, rel=1e-4)
        assert resumed == pytest.approx(straight, rel=1e-5)
        check(torch.load(tmp_path / f"{parallel}.gradients", weights_only=True))


def test_a_signal_saves_and_leaves(tmp_path: Path) -> None:
    def stop(facts: dict[str, Any]) -> None:
        if facts["step"] == 3:
            signal.raise_signal(signal.SIGUSR2)

    with preemption.heard(), pytest.raises(Preempted):
        train(Little(), rows, PLAN, stage="s", progress=stop, saved=tmp_path / "saved.pt")
    with preemption.heard():  # which forgets
        assert not preemption.requested()
    assert torch.load(tmp_path / "saved.pt", weights_only=True)["seen"]["step"] == 3


if __name__ == "__main__":
    main(sys.argv[1])
