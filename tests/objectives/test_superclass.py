"""SuperClass against computations by hand."""

from __future__ import annotations

import math

import pytest
import torch

from scalelaw.errors import InputError
from scalelaw.objectives.superclass import Objective


def test_the_loss_by_hand() -> None:
    """Four captions over the classes 2, 3, 4 (0 and 1 are special); df = 3, 1, 1 of D = 4."""
    objective = Objective(2, 5, special=[0, 1])
    captions = torch.tensor([[2, 3, 0], [2, 2, 1], [2, 4, 0], [0, 0, 0]])
    patches = torch.tensor([[[1.0, 3.0], [3.0, 1.0]]] * 4) + torch.tensor(
        [0.0, 1.0]
    )  # mean (2, 3), normed (-1, 1)
    with torch.no_grad():
        objective.head[1].weight.copy_(
            torch.tensor([[9.0, 9.0], [9.0, 9.0], [0.0, 1.0], [0.0, 0.0], [0.0, 2.0]])
        )
        objective.head[1].bias.zero_()
    weight = {2: 0.0, 3: math.log(4 / 2), 4: math.log(4 / 2)}  # log(4/(1+3)) = 0: in nearly every caption
    targets = objective.targets(captions)
    assert targets[0].tolist() == [0, 0, 0, 1, 0]
    assert targets[2].tolist() == [0, 0, 0, 0, 1]
    assert targets[1].tolist() == targets[3].tolist() == [0, 0, 0, 0, 0]
    assert weight[3] == weight[4]
    objective = _again(objective)
    logits = [1.0, 0.0, 2.0]
    normaliser = math.log(sum(math.exp(v) for v in logits))
    expected = ((normaliser - logits[1]) + (normaliser - logits[2])) / 4
    assert objective(patches, captions).item() == pytest.approx(expected, rel=1e-4)


def _again(objective: Objective) -> Objective:
    fresh = Objective(2, 5, special=[0, 1])
    fresh.head.load_state_dict(objective.head.state_dict())
    return fresh


def test_weights_of_unequal_words() -> None:
    """D = 10, df = (4, 1): w = (log 2, log 5); the target is their share."""
    objective = Objective(2, 3, special=[0])
    captions = torch.tensor([[1, 2]] + [[1, 0]] * 3 + [[0, 0]] * 6)
    share = math.log(2) / (math.log(2) + math.log(5))
    assert objective.targets(captions)[0].tolist() == pytest.approx([0, share, 1 - share], rel=1e-6)


def test_frequencies_run_on_in_training_and_stand_still_in_evaluation() -> None:
    objective = Objective(2, 3, special=[0])
    captions = torch.tensor([[1, 1], [2, 0]])
    objective.targets(captions)
    objective.targets(captions)
    assert objective.documents.item() == 4
    assert objective.frequency.tolist() == [0, 2, 2]
    objective.eval()
    objective.targets(captions)
    assert objective.documents.item() == 4


def test_special_tokens_are_no_classes() -> None:
    objective = Objective(2, 4, special=[0, 3])
    assert objective.classes(torch.tensor([[0, 1, 3]])).tolist() == [[0, 1, 0, 0]]
    probabilities = objective.logits(torch.randn(1, 5, 2)).softmax(-1)
    assert probabilities[0, [0, 3]].tolist() == [0, 0]


def test_without_idf_every_subword_weighs_alike() -> None:
    objective = Objective(2, 4, special=[0], idf=False)
    assert objective.targets(torch.tensor([[1, 2, 2, 0]])).tolist() == [[0, 0.5, 0.5, 0]]


def test_binary_cross_entropy_by_hand() -> None:
    """Logits 0 everywhere: ln 2 for each class, whatever it is; with IDF the mean is weighed, and still ln 2."""
    for idf in (True, False):
        objective = Objective(2, 5, special=[0, 1], idf=idf, loss="bce")
        with torch.no_grad():
            objective.head[1].weight.zero_()
            objective.head[1].bias.zero_()
        loss = objective(torch.randn(3, 4, 2), torch.tensor([[2, 3], [2, 4], [3, 0]]))
        assert loss.item() == pytest.approx(math.log(2), rel=1e-5)
        assert objective.documents.item() == 3
    with pytest.raises(InputError):
        Objective(2, 5, special=[0], loss="hinge")
